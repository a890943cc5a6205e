"""To whom alerts go, and when."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ops.admin.sign import HOUR
from ops.alerts.rules import AlertPolicy


class AlertSettings(BaseSettings):
    """The group `ALERT_*`."""

    model_config = SettingsConfigDict(env_prefix="ALERT_", frozen=True, extra="ignore")

    urls: SecretStr = Field(
        default=SecretStr(""),
        description=(
            "Where alerts are sent, as addresses of Apprise with spaces between them "
            "(mailto://…, slack://…, pagerduty://…, json://…); without any, none are sent."
        ),
    )
    page_url: str = Field(default="", description="Address of the admin page as people reach it, for links in alerts.")
    seconds: float = Field(default=30, ge=1, le=3600, description="How often it is looked whether all is well.")
    ill_after_seconds: float = Field(
        default=60, ge=0, le=86_400, description="How long something stands still before it is told, in seconds."
    )
    look_after_seconds: float = Field(
        default=900, ge=0, le=86_400, description="How long something is to be looked at before it is told, in seconds."
    )
    resolved_after_seconds: float = Field(
        default=180, ge=0, le=86_400, description="How long it is over before that is told, in seconds."
    )
    ill_again_hours: float = Field(default=4, gt=0, le=720, description="What stands still is told again after this.")
    look_again_hours: float = Field(
        default=24, gt=0, le=720, description="What is to be looked at is told again after this, in hours."
    )

    report_urls: SecretStr = Field(
        default=SecretStr(""),
        description="Where the weekly report is sent, as ALERT_URLS has it; without any, where alerts are.",
    )

    @field_validator("page_url")
    @classmethod
    def _a_page(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must be an address that begins with http:// or https://")
        return value

    def addresses(self) -> list[str]:
        """One by one. They hold passwords."""
        return self.urls.get_secret_value().split()

    def report_addresses(self) -> list[str]:
        """Where the weekly report goes, one by one."""
        return self.report_urls.get_secret_value().split() or self.addresses()

    def policy(self) -> AlertPolicy:
        """In milliseconds."""
        return AlertPolicy(
            ill_after=int(self.ill_after_seconds * 1000),
            look_after=int(self.look_after_seconds * 1000),
            resolved_after=int(self.resolved_after_seconds * 1000),
            ill_again=int(self.ill_again_hours * HOUR),
            look_again=int(self.look_again_hours * HOUR),
        )
