"""What the webhook needs of the outside."""

from typing import Protocol

from schemas.cloudevents import Headers
from schemas.unavailable import Unavailable

__all__ = ["Answered", "EventLog", "Notice", "Refused", "Unavailable"]


class EventLog(Protocol):
    """Where accepted events are kept: Kafka's `platform.events`."""

    async def append(self, *, key: bytes, value: bytes, headers: Headers) -> None:
        """Return once the record is in the log for good (`acks=all`).

        Raises:
            Unavailable: the log did not acknowledge in time, so the record may or may not be in it.
        """

    async def ping(self) -> None:
        """Return if the log can be reached.

        Raises:
            Unavailable: it cannot.
        """


class Answered(Protocol):
    """Told of every answer to a webhook: a metric behind it, cheap enough for each request."""

    def __call__(self, source: str, status: int, seconds: float) -> None:
        """`source` is one that is set up, or `unknown`; never text of the sender's."""


class Refused(Protocol):
    """Told of every webhook that was answered 4xx or 5xx: a log line behind it."""

    def __call__(self, source: str, status: int, code: str, /) -> None:
        """`source` as of `Answered`; `code` is the stable word of the answer."""


class Notice(Protocol):
    """A log line: what happened, in a stable word, and fields that hold nothing personal."""

    def __call__(self, event: str, **fields: object) -> object:
        """Write it."""
