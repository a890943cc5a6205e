"""The admin page's address, and how long a visit lasts."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AdminSettings(BaseSettings):
    """The group `ADMIN_*`."""

    model_config = SettingsConfigDict(env_prefix="ADMIN_", frozen=True, extra="ignore")

    host: str = Field(default="127.0.0.1", description="Address the admin page listens on; put TLS before any other.")
    port: int = Field(default=8060, ge=0, le=65535, description="Port of the admin page; 0 takes any free one.")
    idle_minutes: float = Field(
        default=30, gt=0, le=1440, description="How long a visit lasts without a click, in minutes."
    )
    session_hours: float = Field(default=12, gt=0, le=168, description="How long a visit lasts at most, in hours.")
    secure_cookies: bool = Field(
        default=True,
        description="Cookies go by HTTPS alone; browsers take the machine itself (127.0.0.1, localhost) for as safe.",
    )
    callback_url: str = Field(
        default="",
        description="Where Salesforce sends the browser back after an admin has signed in to it from the page: the "
        "page's public address with /admin/connection/callback, one of the app's callback URLs. Empty: not from there.",
    )
    refresh_seconds: float = Field(
        default=5, gt=0, le=300, description="How often an open overview is told anew how things are, in seconds."
    )
