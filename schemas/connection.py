"""A stored connection to an org: what a person agreed to once, and what came of it."""

from dataclasses import dataclass, field


class CannotOpen(Exception):
    """A sealed text that no key of ours opens. The message names its place and the key's id, and nothing of it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One app's connection to one org. Times are epoch milliseconds; what is not known is empty or 0."""

    name: str
    """The app's consumer key: a refresh token is good for the app that it was given to and for no other."""
    login_url: str
    instance_url: str
    org_id: str
    user_id: str
    scopes: tuple[str, ...]
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    connected_at: int
    """When the person agreed."""
    refreshed_at: int
    """When Salesforce gave the access token."""
    version: int = 0
    """Raised by every change of the tokens; guards the next one."""
    refused: str = ""
    """The OAuth code with which Salesforce ended it for good."""
    refused_at: int = 0
    last_sync_at: int = 0
    """When a record was last written or a change last received through it."""
    flow: str = ""
    """The flow of the last login."""
    credential_since: int = 0
    """Since when the credential of the settings is the one it is, as first seen by us."""
