"""Which way to sign in the settings tell, and what each way needs. Pure.

Source: "OAuth Authorization Flows" in Salesforce Help, whose names these are.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final


class Flow(StrEnum):
    """A way to sign in."""

    CLIENT_CREDENTIALS = "client_credentials"
    """The app itself, with its secret; it acts as its Run-As user."""
    JWT_BEARER = "jwt_bearer"
    """A user whom an admin has approved for the app, by a text signed with a private key. No secret travels."""
    WEB_SERVER = "web_server"
    """A person agrees once in the browser (`tandem connect`); a stored refresh token serves from then on."""
    PASSWORD = "password"  # noqa: S105 - a name
    """A user's own password and security token, where the org still allows it."""


PASSWORD_ENDS_AT: Final = datetime(2027, 2, 20, tzinfo=UTC)
"""From this day on Salesforce refuses the username-password flow."""
PASSWORD_ENDS: Final = (
    f"Salesforce ends signing in with a user's password on {PASSWORD_ENDS_AT:%Y-%m-%d}; choose another "
    "SALESFORCE_OAUTH_FLOW before that"
)

TOLD_BY: Final = {"private_key_path": Flow.JWT_BEARER, "redirect_uri": Flow.WEB_SERVER, "password": Flow.PASSWORD}
"""The setting that tells the flow where SALESFORCE_OAUTH_FLOW does not."""

NEEDS: Final = {
    Flow.CLIENT_CREDENTIALS: ("client_id", "client_secret"),
    Flow.JWT_BEARER: ("client_id", "username", "private_key_path"),
    Flow.WEB_SERVER: ("client_id",),
    Flow.PASSWORD: ("client_id", "client_secret", "username", "password"),
}
_MAY_HAVE: Final = {
    Flow.CLIENT_CREDENTIALS: (),
    Flow.JWT_BEARER: ("client_secret",),
    Flow.WEB_SERVER: ("client_secret", "redirect_uri"),
    Flow.PASSWORD: ("security_token",),
}
CREDENTIALS: Final = (
    "client_id",
    "client_secret",
    "username",
    "private_key_path",
    "redirect_uri",
    "password",
    "security_token",
)


def told_flow(given: Collection[str]) -> Flow:
    """The flow that the settings given tell by themselves; client credentials where none does."""
    return next((flow for name, flow in TOLD_BY.items() if name in given), Flow.CLIENT_CREDENTIALS)


def rivals(given: Collection[str]) -> list[str]:
    """Settings given that tell different flows; empty where at most one does."""
    found = [name for name in TOLD_BY if name in given]
    return found if len(found) > 1 else []


def missing(flow: Flow, given: Collection[str]) -> list[str]:
    """Settings that the flow cannot do without."""
    return [name for name in NEEDS[flow] if name not in given]


def superfluous(flow: Flow, given: Collection[str]) -> Iterator[str]:
    """Settings given that the flow does not use: somebody expects them to do something."""
    used = {*NEEDS[flow], *_MAY_HAVE[flow]}
    return (name for name in CREDENTIALS if name in given and name not in used)
