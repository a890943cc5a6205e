"""One trace from a change in Salesforce to what the platform is told of it; Bulk jobs, and look-ups of people."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.enrichment_world import FakePeople, enrichment_world
from support.fake_deliveries import FakeDeliveries, FakeEndpoints
from support.fake_documents import FakeDocuments
from support.sync_stage import TIMING, Stage
from support.traced import ADA, SENDERS, UNRECORDED, Kept, Way, named, recording, told_by

from adapters.kafka.logs import ChangeLog, EnrichmentRequests, PlatformChanges
from adapters.telemetry.spans import document_headers, speaks_of
from adapters.telemetry.tracing import OFF
from consumers.deliver.courier import Courier
from consumers.deliver.keeper import Keeper
from consumers.reconciler.reconciler import Reconciler
from consumers.rules.deliveries import DeliveryPolicy
from listener.changes.records import record_of
from ops.processes.counted import CountedBulk
from ops.processes.traced import RegistrationTraces, TracedPeople, TracedPoster
from schemas import cloudevents, topics
from schemas.bulk import BulkLoad, BulkOperation, BulkOutcome
from schemas.delivery import Answer, Endpoint
from schemas.people import LookFailed
from schemas.records import Failure, RecordUpdate, RowResult
from schemas.registration import Registration
from schemas.unavailable import Unavailable

ORG = "00D000000000001EAA"
LOAD = BulkLoad("Contact", BulkOperation.UPDATE, "Token__c")
ACME = "https://acme.example/hook?token=of-ours"
TAKEN = Answer(200)


@dataclass
class Platform:
    """Satisfies `consumers.deliver.ports.Poster`."""

    answer: Answer
    traceparents: list[str] = field(default_factory=list)

    async def post(self, url: str, event_id: str, body: bytes, traceparent: str = "") -> Answer:
        self.traceparents.append(traceparent)
        return self.answer


class WayBack(Way):
    """Subscriber, reconciler and deliveries, each within the spans that its process makes."""

    def __init__(self, tracing: Any, answer: Answer) -> None:
        self.tracing, self.stage = tracing, Stage(FakeDocuments())
        stage = self.stage
        self.changed, self.told = Kept(topics.SALESFORCE_CHANGES), Kept(topics.PLATFORM_CHANGES)
        self.log = ChangeLog(self.changed, begun=tracing.beginning)  # type: ignore[arg-type]
        stage.reconciler = Reconciler(
            catalog=lambda: stage.catalog,
            documents=stage.documents,
            log=stage.log,
            parked=stage.parked,
            doorbells=stage.doorbells,
            gaps=stage.gaps,
            now=lambda: stage.now,
            timing=TIMING,
            tellings=PlatformChanges(self.told, headers=document_headers),  # type: ignore[arg-type]
            on_spoken_of=speaks_of,
        )
        self.deliveries, endpoints = FakeDeliveries(), FakeEndpoints(Endpoint(ACME))
        self.keeper = Keeper(self.deliveries, endpoints, stage.parked, lambda: stage.now)
        self.platform = Platform(answer)
        self.courier = Courier(
            deliveries=self.deliveries,
            endpoints=endpoints,
            poster=TracedPoster(self.platform, tracing),
            now=lambda: stage.now,
            policy=DeliveryPolicy(),
        )

    async def hear(self) -> None:
        """From the event to the reconciler, as the subscriber hands it on."""
        waiting, self.stage.changes[:] = self.stage.changes[:], []
        await self.log.append([record_of(change, ORG, received_at=self.stage.now - 40) for change in waiting])
        await self.handle(self.stage.reconciler, self.changed.taken(self.stage))

    async def edit(self) -> None:
        """Ada is in both systems, untraced; then somebody in Salesforce changes her title and the platform is told."""
        await self.stage.post(ADA, id_="ada@example.org")
        await self.stage.settle()
        self.told.entries.clear()
        (record_id,) = self.stage.salesforce.rows["Contact"]
        self.stage.salesforce.edit("Contact", record_id, {"Title": "Countess"})
        await self.hear()
        await self.handle(self.keeper, self.told.taken(self.stage))
        await self.courier.once()


async def edited(ratio: float, answer: Answer = TAKEN) -> tuple[WayBack, InMemorySpanExporter]:
    with recording(ratio) as (way, kept):
        back = WayBack(way.tracing, answer)
        await back.edit()
    return back, kept


async def test_one_trace_leads_from_a_change_in_salesforce_to_the_post_to_the_platform() -> None:
    """It begins when the event came, and goes on in the platform's own trace by the header of the webhook."""
    back, kept = await edited(1.0)
    spans = kept.get_finished_spans()
    post = named(spans, "POST")
    trace = [span for span in spans if span.context.trace_id == post.context.trace_id]
    sent, processed = named(trace, "send salesforce.changes"), named(trace, "process salesforce.changes")
    told = named(trace, "process platform.changes")
    assert sent.parent is None
    assert sent.start_time == (back.stage.now - 40) * 1_000_000
    assert [(one.parent or sent.context).span_id for one in (processed, told, post)] == [
        sent.context.span_id,
        processed.context.span_id,
        processed.context.span_id,
    ]
    assert [one.kind for one in (sent, processed, post)] == [SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT]
    assert (post.attributes or {})["http.response.status_code"] == 200
    (sent_along,) = back.platform.traceparents
    assert sent_along.startswith(f"00-{post.context.trace_id:032x}-{post.context.span_id:016x}-")
    assert sent_along[-1] in "13579bdf"


async def test_a_change_that_is_not_sampled_is_told_without_a_trace() -> None:
    """No span, no header, and nothing kept with the delivery."""
    back, kept = await edited(0.0)
    assert kept.get_finished_spans() == ()
    assert back.platform.traceparents == [""]
    assert [one.traceparent for one in back.deliveries.rows.values()] == [""]


async def test_a_post_that_fails_is_an_error_and_names_nobody() -> None:
    """Neither the URL, which may hold a token, nor the document, nor what changed."""
    _back, kept = await edited(1.0, Answer(503, "http_503"))
    spans = kept.get_finished_spans()
    assert (named(spans, "POST").status.status_code, (named(spans, "POST").attributes or {})["error.type"]) == (
        StatusCode.ERROR,
        "http_503",
    )
    told = told_by(*spans)
    assert not [word for word in (*ADA.values(), "Countess", "ada", "003000", "acme", ORG) if word in told]


async def test_a_doorbell_after_a_change_goes_on_with_its_trace() -> None:
    """The change names a record; the doorbell that it leads to names the document."""
    with recording(1.0) as (way, _kept):
        record = way.stage.record(topics.SALESFORCE_CHANGES, b"003A", b"", {"traceparent": SENDERS})
        with way.tracing.processing([record]):
            assert document_headers("customer", "c1") == []
            speaks_of("customer", "c1", [0])
            ((name, value),) = document_headers("customer", "c1")
    assert (name, value.split(b"-")[1]) == ("traceparent", SENDERS.split("-")[1].encode())


async def test_sending_that_fails_is_told_in_each_trace() -> None:
    """And what the log was not given is given to it once more, in a trace of its own."""

    class Away:
        async def deliver_all(self, topic: str, entries: Any) -> None:
            raise Unavailable("ada@example.org")

    with recording(1.0) as (way, kept):
        back = WayBack(way.tracing, Answer(200))
        back.log = ChangeLog(Away(), begun=way.tracing.beginning)  # type: ignore[arg-type]
        await back.stage.post(ADA)
        await back.stage.answer_doorbells()
        with pytest.raises(Unavailable):
            await back.hear()
    (span,) = kept.get_finished_spans()
    assert ((span.attributes or {})["error.type"], "ada" in told_by(span)) == ("Unavailable", False)


@dataclass
class Jobs:
    """Satisfies as much of `consumers.ports.BulkRecords` as carries rows."""

    open = state = abandon = discard = None

    async def send(self, _job: str, _load: BulkLoad, rows: Any) -> Sequence[BulkOutcome]:
        return [
            BulkOutcome("ada", RowResult(failure=Failure.NOT_RUN)) async for row in rows if row.values["Key"] == "ada"
        ]

    async def outcomes(self, _job: str, _load: BulkLoad) -> Any:
        for key in ("grace", "mary"):
            yield BulkOutcome(key, RowResult("003000000000001AAA"))


async def rows_of_a_job() -> Any:
    for key in ("ada", "grace", "mary"):
        yield RecordUpdate({"Key": key, "Title": "Countess"})


@pytest.mark.parametrize(("ratio", "names"), [(1.0, ["bulk update Contact", "bulk results Contact"]), (0.0, [])])
async def test_a_bulk_job_is_part_of_its_records_traces_and_its_results_begin_one(
    ratio: float, names: list[str]
) -> None:
    """Rows that were sent, and those that were told of, whoever asked after the job."""
    with recording(ratio) as (way, kept):
        jobs = CountedBulk(Jobs(), lambda *_what: None, way.tracing)  # type: ignore[arg-type]
        rung = {"traceparent": SENDERS if ratio else UNRECORDED}
        with way.tracing.processing([way.stage.record(topics.SALESFORCE_WRITES, b"customer:ada", b"", rung)]):
            await jobs.send("750A", LOAD, rows_of_a_job())
        assert len([one async for one in jobs.outcomes("750A", LOAD)]) == 2
    spans = [span for span in kept.get_finished_spans() if span.kind is SpanKind.CLIENT]
    assert [span.name for span in spans] == names
    for span, rows in zip(spans, (2, 2), strict=False):
        assert (span.attributes or {})["tandem.rows"] == rows
        assert not [word for word in ("ada", "Countess", "750A", "003000") if word in told_by(span)]
    if spans:
        assert f"{spans[0].context.trace_id:032x}" == SENDERS.split("-")[1]
        assert spans[1].parent is None


def registration(email: str) -> Registration:
    return Registration({"email": email, "name": "Ana Pop"}, traceparent=SENDERS)


async def test_a_look_up_is_part_of_the_registrations_trace() -> None:
    """From the caller's span by the event, and by whoever waits, to the call; two who wait share one call."""
    with recording() as (way, kept):
        people = TracedPeople(FakePeople(), way.tracing)
        async with enrichment_world(people=people, traces=RegistrationTraces(way.tracing)) as world:
            await world.enrolment.register(registration("ana@acme.example"))
            (event,) = world.log.records
    spans = kept.get_finished_spans()
    sent, waited = named(spans, "send platform.events"), named(spans, "look up participant")
    call = named(spans, "look up Contact,Lead")
    assert [(one.parent or one.context).span_id for one in (waited, call)] == [
        sent.context.span_id,
        waited.context.span_id,
    ]
    assert f"{sent.context.trace_id:032x}" == SENDERS.split("-")[1]
    assert (waited.attributes or {})["tandem.outcome"] == "not_found"
    assert dict(event.headers)["traceparent"].split(b"-")[2] == f"{sent.context.span_id:016x}".encode()
    told = told_by(*spans)
    assert not [word for word in ("ana", "acme", "Pop") if word in told]


async def test_what_is_left_to_the_background_goes_on_with_the_trace() -> None:
    """The request has the trace of who registered, and the call that is made for it is part of that."""
    with recording() as (way, kept):
        fake, asked = FakePeople(failing=LookFailed("SERVER_UNAVAILABLE")), Kept(topics.ENRICHMENT_REQUESTS)
        async with enrichment_world(
            people=TracedPeople(fake, way.tracing),
            requests=EnrichmentRequests(asked, headers=document_headers),  # type: ignore[arg-type]
            traces=RegistrationTraces(way.tracing),
        ) as world:
            await world.enrolment.register(registration("ana@acme.example"))
            fake.failing = None
            await way.handle(world.worker, asked.taken(world.stage))
    spans = kept.get_finished_spans()
    first, second = sorted(
        (span for span in spans if span.name == "look up Contact,Lead"), key=lambda one: one.start_time or 0
    )
    assert (first.status.status_code, (first.attributes or {})["error.type"]) == (
        StatusCode.ERROR,
        "SERVER_UNAVAILABLE",
    )
    worked = named(spans, "process enrichment.requests")
    assert second.parent is not None
    assert second.parent.span_id == worked.context.span_id
    assert worked.parent is not None
    assert worked.parent.span_id == named(spans, "look up participant").context.span_id


async def test_a_shared_call_is_linked_to_all_who_wait() -> None:
    """And nobody's address is kept once they have their answer."""
    others = [SENDERS.replace("0af7", f"0af{number}") for number in range(3)]
    with recording() as (way, kept):
        traces = RegistrationTraces(way.tracing)
        people = TracedPeople(FakePeople(), way.tracing)
        emails = [f"p{number}@acme.example" for number in range(3)]
        with (
            traces.waiting(others[0], "participant", "p0", emails[0]),
            traces.waiting(others[1], "participant", "p1", emails[1]),
            traces.waiting(others[2], "participant", "p2", emails[2]),
        ):
            await people.look([], emails)
        assert way.tracing._waiting == {}
    spans = kept.get_finished_spans()
    call = next(span for span in spans if span.kind is SpanKind.CLIENT)
    reached = {f"{call.context.trace_id:032x}", *(f"{link.context.trace_id:032x}" for link in call.links)}
    assert reached == {other.split("-")[1] for other in others}


async def test_without_traces_the_callers_goes_on_all_the_same() -> None:
    """As a webhook's does: for whoever records it."""
    async with enrichment_world(people=TracedPeople(FakePeople(), OFF), traces=RegistrationTraces(OFF)) as world:
        told = await world.enrolment.register(registration("ana@acme.example"))
        (event,) = world.log.records
    assert told.created
    assert dict(event.headers)[cloudevents.TRACEPARENT].split(b"-")[1] == SENDERS.split("-")[1].encode()
