"""The one producer, bound to a topic, in the forms in which the stages ask for it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from adapters.kafka.producer import Producer
from schemas import topics
from schemas.cloudevents import Headers
from schemas.codec import encode
from schemas.enrichment import EnrichmentRequest
from schemas.telling import Row, record_of


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


class PlatformChanges:
    """`platform.changes`, as the reconciler, the writer and the sweep ask for it."""

    def __init__(self, producer: Producer, topic: str = topics.PLATFORM_CHANGES) -> None:
        self._producer = producer
        self._topic = topic

    async def tell(self, rows: Sequence[Row]) -> None:
        """As `Producer.deliver_all`."""
        await self._producer.deliver_all(self._topic, [record_of(row) for row in rows])


class Doorbells:
    """`salesforce.writes`, as the reconciler and the sweep ask for it."""

    def __init__(
        self,
        producer: Producer,
        topic: str = topics.SALESFORCE_WRITES,
        headers: Callable[[bytes], Headers] = lambda _value: [],
    ) -> None:
        """`headers` gives those of a doorbell by its value: the trace that it belongs to, if any."""
        self._producer = producer
        self._topic = topic
        self._headers = headers

    async def ring(self, bells: Sequence[tuple[bytes, bytes]]) -> None:
        """As `Producer.deliver_all`."""
        await self._producer.deliver_all(self._topic, [(key, value, self._headers(value)) for key, value in bells])


class EnrichmentRequests:
    """`enrichment.requests`, as the API and the sweep ask for it."""

    def __init__(self, producer: Producer, topic: str = topics.ENRICHMENT_REQUESTS) -> None:
        self._producer = producer
        self._topic = topic

    async def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        """As `Producer.deliver_all`."""
        bells = [(kind, id_, encode(EnrichmentRequest(kind=kind, id=id_))) for kind, id_ in requests]
        await self._producer.deliver_all(
            self._topic, [(topics.document_key(kind, id_), value, []) for kind, id_, value in bells]
        )
