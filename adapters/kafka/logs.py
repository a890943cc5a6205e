"""The one producer, bound to a topic, in the forms in which the stages ask for it."""

from collections.abc import Sequence
from typing import Protocol

from adapters.kafka.producer import Producer
from schemas import topics
from schemas.cloudevents import Headers


class Appendable(Protocol):
    """A record with its key and headers."""

    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def headers(self) -> Headers: ...


class EventLog:
    """`platform.events`, as the webhook asks for it."""

    def __init__(self, producer: Producer, topic: str = topics.PLATFORM_EVENTS) -> None:
        self._producer = producer
        self._topic = topic

    async def append(self, *, key: bytes, value: bytes, headers: Headers) -> None:
        """As `Producer.deliver`."""
        await self._producer.deliver(self._topic, key, value, headers)

    async def ping(self) -> None:
        """As `Producer.ping`."""
        await self._producer.ping()


class ChangeLog:
    """`salesforce.changes`, as the subscriber asks for it."""

    def __init__(self, producer: Producer, topic: str = topics.SALESFORCE_CHANGES) -> None:
        self._producer = producer
        self._topic = topic

    async def append(self, records: Sequence[Appendable]) -> None:
        """As `Producer.deliver_all`."""
        entries = [(record.key, record.value, record.headers) for record in records]
        await self._producer.deliver_all(self._topic, entries)


class Doorbells:
    """`salesforce.writes`, as the reconciler and the sweep ask for it."""

    def __init__(self, producer: Producer, topic: str = topics.SALESFORCE_WRITES) -> None:
        self._producer = producer
        self._topic = topic

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        """As `Producer.deliver_all`."""
        await self._producer.deliver_all(self._topic, [(key, value, []) for key, value in bells])
