"""Stages in one process, each within the spans that its process makes, and what was recorded of them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from adapters.kafka.logs import Doorbells
from adapters.telemetry.opening import open_tracing
from adapters.telemetry.settings import TelemetrySettings
from adapters.telemetry.spans import doorbell_headers
from adapters.telemetry.tracing import Tracing
from ops.processes.counted import CountedRecords
from schemas import cloudevents, topics
from schemas.log_record import Record
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

SENDERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNRECORDED = SENDERS[:-1] + "0"
ADA = {"last_name": "Lovelace", "email": "ada@example.org", "phone": "+40712345678"}


@dataclass
class Kept:
    """Satisfies what `adapters.kafka.logs` asks of a producer."""

    topic: str = topics.SALESFORCE_WRITES
    entries: list[tuple[bytes | None, bytes | None, cloudevents.Headers]] = field(default_factory=list)

    async def deliver_all(self, topic: str, entries: Any) -> None:
        assert topic == self.topic
        self.entries += entries

    def taken(self, stage: Stage) -> list[Record]:
        """What was sent, as it is read."""
        sent, self.entries[:] = self.entries[:], []
        return [
            stage.record(self.topic, key or b"", value or b"", cloudevents.read(headers))
            for key, value, headers in sent
        ]


class Way:
    """Webhook, reconciler and writer in one process, each within the spans that its process makes."""

    def __init__(self, tracing: Tracing) -> None:
        self.tracing, self.stage, self.rung = tracing, Stage(FakeDocuments()), Kept()
        stage, bells = self.stage, self.rung
        stage.doorbells = Doorbells(bells, headers=doorbell_headers)  # type: ignore[assignment, arg-type]
        stage.salesforce = CountedRecords(stage.salesforce, lambda _object, _outcome: None, tracing)  # type: ignore[assignment]
        stage.reconciler, stage.writer = stage.new_reconciler(), stage.new_writer()

    async def post(self, traceparent: str, fields: dict[str, Any] = ADA, id_: str = "ada@example.org") -> None:
        """From the webhook to the doorbell."""
        with self.tracing.publishing(traceparent, topics.PLATFORM_EVENTS) as sent:
            event = self.stage.event(fields, id_=id_)
        headers = {**event.headers, cloudevents.TRACEPARENT: sent}
        await self.handle(self.stage.reconciler, [self.stage.record(event.topic, event.key, event.value, headers)])  # type: ignore[arg-type]

    async def write(self) -> None:
        """Doorbells, until none rings any more."""
        while self.rung.entries:
            self.stage.now += 5_000
            await self.handle(self.stage.writer, self.rung.taken(self.stage))

    async def handle(self, handler: Any, records: Sequence[Record]) -> None:
        with self.tracing.processing(records) as spans:
            results = await handler.handle(records)
            self.tracing.told(spans, results)


@contextmanager
def recording(ratio: float = 0.0) -> Iterator[tuple[Way, InMemorySpanExporter]]:
    """What was recorded is there once the block has ended."""
    kept = InMemorySpanExporter()
    with open_tracing(TelemetrySettings(trace_ratio=ratio), stage="test", exporter=kept) as tracing:
        yield Way(tracing), kept


def told_by(*spans: ReadableSpan) -> str:
    """All that they tell, but for ids and times: digits at random, which are sometimes those of a name."""
    return " ".join(re.sub(r'"(0x[0-9a-f]+|[-0-9T:.]+Z)"', '""', span.to_json()) for span in spans)


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found
