"""Objects that are switched off: nothing is written there, and nothing is taken from there."""

from typing import Annotated, Any, Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from schemas.field_mapping import SalesforceName

STANDARD: Final = {
    "contacts": "Contact",
    "leads": "Lead",
    "accounts": "Account",
    "opportunities": "Opportunity",
    "campaigns": "Campaign",
}
"""By setting: the object that it switches."""


class SyncSettings(BaseSettings):
    """The group `SYNC_*`."""

    model_config = SettingsConfigDict(env_prefix="SYNC_", frozen=True, extra="ignore")

    contacts: bool = Field(default=True, description="Whether Contact is synchronised.")
    leads: bool = Field(default=True, description="Whether Lead is synchronised.")
    accounts: bool = Field(default=True, description="Whether Account is synchronised.")
    opportunities: bool = Field(default=True, description="Whether Opportunity is synchronised.")
    campaigns: bool = Field(default=True, description="Whether Campaign is synchronised.")
    off: Annotated[tuple[SalesforceName, ...], NoDecode] = Field(
        default=(),
        description="Other objects that are switched off, by API name, comma between: `CampaignMember,Visit__c`.",
    )

    @field_validator("off", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    def switched_off(self) -> frozenset[str]:
        """The objects, by API name."""
        return frozenset(self.off) | {name for setting, name in STANDARD.items() if not getattr(self, setting)}
