"""One trace from the webhook to the call to Salesforce; nothing personal in it; nothing at all where it is off."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind, StatusCode
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage
from support.traced import ADA, SENDERS, UNRECORDED, named, recording, told_by

from adapters.telemetry.opening import open_tracing
from adapters.telemetry.settings import TelemetrySettings
from adapters.telemetry.spans import doorbell_headers
from adapters.telemetry.tracing import OFF
from schemas import topics
from schemas.log_record import Record
from schemas.outcome import Outcome, Result


async def test_one_trace_leads_from_the_webhook_to_the_call_to_salesforce() -> None:
    """Each span is the child of the one before, beginning with the sender's."""
    with recording() as (way, kept):
        await way.post(SENDERS)
        await way.write()
    spans = kept.get_finished_spans()
    chain = ["send platform.events", "process platform.events", "process salesforce.writes", "upsert Contact"]
    parent = int(SENDERS.split("-")[2], 16)
    for name in chain:
        span = named(spans, name)
        assert span.parent is not None
        assert (span.parent.span_id, f"{span.context.trace_id:032x}") == (parent, SENDERS.split("-")[1]), name
        parent = span.context.span_id
    assert [named(spans, name).kind for name in chain] == [
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
        SpanKind.CONSUMER,
        SpanKind.CLIENT,
    ]
    attributes = named(spans, "process platform.events").attributes or {}
    assert attributes["tandem.outcome"] == "applied"
    assert attributes["messaging.destination.name"] == "platform.events"
    assert "messaging.kafka.offset" in attributes


async def test_no_span_names_a_person_or_a_document() -> None:
    """The document's id is an e-mail address here, and Salesforce's call fails with a message."""

    class Broken(Exception):
        pass

    class Fails:
        async def handle(self, records: Sequence[Record]) -> Sequence[Result]:
            raise Broken("ada@example.org is no text")

    with recording() as (way, kept):
        await way.post(SENDERS)
        await way.write()
        record = way.stage.record(topics.PLATFORM_EVENTS, b"customer:ada@example.org", b"", {"traceparent": SENDERS})
        with pytest.raises(Broken):
            await way.handle(Fails(), [record])
    spans = kept.get_finished_spans()
    told = told_by(*spans)
    assert not [value for value in (*ADA.values(), "ada", "003000") if value in told]
    (failed,) = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert (failed.attributes or {})["error.type"].endswith("Broken")  # type: ignore[union-attr]


async def test_what_the_sender_does_not_record_is_recorded_by_no_one() -> None:
    """Its trace goes on in the headers all the same; the ratio is for traces that begin here."""
    with recording(ratio=1.0) as (way, kept):
        await way.post(UNRECORDED)
        assert all(not headers for _key, _value, headers in way.rung.entries)
    assert kept.get_finished_spans() == ()
    with recording(ratio=1.0) as (way, kept):
        await way.post("")
    assert len(kept.get_finished_spans()) == 2


async def test_one_call_for_many_is_linked_to_each() -> None:
    """A call carries up to 200 rows, and each of its records has a trace of its own."""
    others = [SENDERS.replace("0af7", f"0af{number}") for number in range(3)]
    with recording() as (way, kept):
        for number, sender in enumerate(others):
            await way.post(sender, {**ADA, "email": f"{number}@example.org"}, id_=f"c{number}")
        await way.write()
    spans = kept.get_finished_spans()
    call = named(spans, "upsert Contact")
    assert (call.attributes or {})["tandem.rows"] == 3
    reached = {f"{call.context.trace_id:032x}", *(f"{link.context.trace_id:032x}" for link in call.links)}
    assert reached == {sender.split("-")[1] for sender in others}


def test_a_parked_record_is_an_error() -> None:
    """Whoever looks for what went wrong finds it."""
    with recording() as (way, kept):
        record = way.stage.record(topics.PLATFORM_EVENTS, b"k", b"", {"traceparent": SENDERS})
        with way.tracing.processing([record]) as spans:
            way.tracing.told(spans, [Result(Outcome.PARKED, "undecodable")])
    (span,) = kept.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


async def test_without_an_endpoint_nothing_is_recorded_or_sent_along() -> None:
    """The SDK is not even made; a doorbell has no header."""
    with open_tracing(TelemetrySettings(), stage="test") as tracing:
        assert tracing is OFF
        stage = Stage(FakeDocuments())
        record = stage.record(topics.PLATFORM_EVENTS, b"k", b"", {"traceparent": SENDERS})
        with tracing.processing([record]) as spans, tracing.calling("update", "Contact", 1):
            assert (spans, doorbell_headers(b"{}")) == ([], [])
        with pytest.raises(RuntimeError, match="off"), tracing.publishing(SENDERS, topics.PLATFORM_EVENTS):
            pass


@dataclass
class Collector:
    """Takes OTLP over HTTP."""

    url: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest()
        message.ParseFromString(await request.read())
        self.requests.append(message)
        return web.Response(content_type="application/x-protobuf")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """On a port of its own."""
    made = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    yield made
    await runner.cleanup()


async def test_spans_are_sent_by_otlp_when_a_process_ends_at_the_latest(collector: Collector) -> None:
    """In the form that a collector reads, under the name of the process."""

    def process() -> None:
        settings = TelemetrySettings(trace_otlp_endpoint=collector.url)
        with open_tracing(settings, stage="webhook") as one, one.publishing(SENDERS, topics.PLATFORM_EVENTS):
            pass

    await asyncio.to_thread(process)
    (request,) = collector.requests
    (resource,) = request.resource_spans
    service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
    assert service == "tandem-webhook"
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.trace_id.hex()) == ("send platform.events", SENDERS.split("-")[1])
