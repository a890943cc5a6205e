"""What the webhook needs of the outside."""

from typing import Protocol

from schemas.cloudevents import Headers


class Unavailable(Exception):
    """The log did not take the record within its time: nothing of it may be acknowledged."""


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
