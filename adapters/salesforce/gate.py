"""Who may call Salesforce now."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol


class Gate(Protocol):
    """Who may call now: the org's allocation is shared with others of ours and of its own."""

    def refusal(self) -> str | None:
        """Why this call may not be made now, a stable word; nothing where it is made at once."""

    def one(self) -> AbstractAsyncContextManager[None]:
        """Wait for one of the calls that may be under way, and hold it."""

    def exceeded(self) -> None:
        """Salesforce refused a call with REQUEST_LIMIT_EXCEEDED."""


class Open:
    """Lets every call through."""

    def refusal(self) -> str | None:
        """Nothing speaks against it."""
        return None

    def one(self) -> AbstractAsyncContextManager[None]:
        """At once."""
        return nullcontext()

    def exceeded(self) -> None:
        """Nobody else is told."""
