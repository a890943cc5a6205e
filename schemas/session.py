"""A login to Salesforce, as REST and the change stream share it."""

from dataclasses import dataclass


class LoginFailed(Exception):
    """Salesforce did not give a token; the message holds its error code and no secret."""


@dataclass(frozen=True, slots=True)
class Session:
    """A live login: `instance_url` without a trailing slash, and the access token."""

    instance_url: str
    access_token: str

    def __repr__(self) -> str:
        return f"Session({self.instance_url!r}, access_token=***)"
