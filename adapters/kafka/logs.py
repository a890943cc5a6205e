"""The one producer, bound to a topic, in the forms in which the stages ask for it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
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


Begun = Callable[[str, Sequence[Headers]], AbstractContextManager[Sequence[Headers]]]
"""Surrounds the sending of records with which traces begin, by topic and headers; gives the headers to send."""
HeadersOf = Callable[[str, str], Headers]
"""Further headers of what is said of a document, by its kind and id: the trace that it belongs to, if any."""


def _untraced(_topic: str, each: Sequence[Headers]) -> AbstractContextManager[Sequence[Headers]]:
    return nullcontext(each)


def _no_more(_kind: str, _document_id: str) -> Headers:
    return []


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

    def __init__(self, producer: Producer, topic: str = topics.SALESFORCE_CHANGES, begun: Begun = _untraced) -> None:
        self._producer = producer
        self._topic = topic
        self._begun = begun

    async def append(self, records: Sequence[Appendable]) -> None:
        """As `Producer.deliver_all`. A try that fails is a trace that ends there."""
        with self._begun(self._topic, [record.headers for record in records]) as headers:
            entries = [(record.key, record.value, each) for record, each in zip(records, headers, strict=True)]
            await self._producer.deliver_all(self._topic, entries)


class PlatformChanges:
    """`platform.changes`, as the reconciler, the writer and the sweep ask for it."""

    def __init__(self, producer: Producer, topic: str = topics.PLATFORM_CHANGES, headers: HeadersOf = _no_more) -> None:
        self._producer = producer
        self._topic = topic
        self._headers = headers

    async def tell(self, rows: Sequence[Row]) -> None:
        """As `Producer.deliver_all`."""
        await self._producer.deliver_all(self._topic, [self._entry(row) for row in rows])

    def _entry(self, row: Row) -> tuple[bytes, bytes, Headers]:
        key, value, headers = record_of(row)
        return key, value, [*headers, *self._headers(row["kind"], row["document"])]


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

    def __init__(
        self, producer: Producer, topic: str = topics.ENRICHMENT_REQUESTS, headers: HeadersOf = _no_more
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._headers = headers

    async def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        """As `Producer.deliver_all`."""
        bells = [(kind, id_, encode(EnrichmentRequest(kind=kind, id=id_))) for kind, id_ in requests]
        await self._producer.deliver_all(
            self._topic,
            [(topics.document_key(kind, id_), value, self._headers(kind, id_)) for kind, id_, value in bells],
        )
