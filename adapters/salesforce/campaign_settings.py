"""Which Campaign an event is, where somebody has made it before: `SF_CAMPAIGN_<EVENT>=701…`."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.named_variables import named_variables
from schemas.record_id import is_id, to_18

PREFIX = "SF_CAMPAIGN"
_CAMPAIGN = "701"


class CampaignSettings(BaseSettings):
    """The group `SF_CAMPAIGN_*`."""

    model_config = SettingsConfigDict(env_prefix="SF_", frozen=True, extra="ignore")

    campaign: Mapping[str, str] = Field(
        default_factory=dict,
        description="The Campaign of an event that somebody has made in Salesforce already, by the event's id in "
        "capitals, everything but letters and digits written as `_`: `SF_CAMPAIGN_SPRING_2026=7013h000000ABC1AAO`.",
    )

    @field_validator("campaign", mode="before")
    @classmethod
    def _are_campaigns(cls, given: Any) -> dict[str, str]:
        found = {}
        for event, record_id in given.items() if isinstance(given, Mapping) else ():
            text = str(record_id).strip()
            if not is_id(text) or not text.startswith(_CAMPAIGN):
                raise ValueError(f"{PREFIX}_{str(event).upper()} must be a Campaign's id, which begins with 701")
            found[event_key(str(event))] = to_18(text)
        return found

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The variables whose names hold an event, besides the usual sources."""
        by_event = named_variables(settings_cls, (env_settings, dotenv_settings), field="campaign", variable=PREFIX)
        return (init_settings, *by_event, env_settings, dotenv_settings, file_secret_settings)


def event_key(event_id: str) -> str:
    """An event's id as the variable has it: `spring-2026` is `SPRING_2026`."""
    return re.sub(r"[^A-Z0-9]", "_", event_id.upper())
