"""A login to Salesforce, as REST and the change stream share it."""

from dataclasses import dataclass


class LoginFailed(Exception):
    """Salesforce did not give a token; the message holds its error code and no secret.

    `code` is the OAuth error code (`invalid_grant`), or ours for no answer. `terminal` where only a person can help.
    """

    def __init__(self, message: str = "", *, code: str = "", terminal: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.terminal = terminal


@dataclass(frozen=True, slots=True)
class Session:
    """A live login: `instance_url` without a trailing slash, and the access token."""

    instance_url: str
    access_token: str

    def __repr__(self) -> str:
        return f"Session({self.instance_url!r}, access_token=***)"
