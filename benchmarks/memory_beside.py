"""What the processes beside the main flow hold in memory over very many events: see `benchmarks.memory`.

- `enrich`: changes of contacts, one in ten of them of 1,000 people who were looked up and are looked up anew by it; the
  org is made up.
- `deliver`: tellings of 1,000 documents, each kept in MongoDB, posted over HTTP and ended.
- `repair`: one gap with so many changed records, told to Kafka page by page.
- `schedule`: one run that pulls so many contacts by Bulk queries, in parts by id; each is told to Kafka.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

import aiohttp
import orjson

from adapters.kafka.backlog import open_backlog
from adapters.kafka.logs import ChangeLog, Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.logs import MongoParkedRecords
from adapters.mongo.members import MongoMembers
from adapters.mongo.people_cache import MongoPeopleCache
from adapters.mongo.runs import MongoRuns
from adapters.platform.addresses import Guard, networks
from adapters.platform.poster import open_poster
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from benchmarks import holding
from benchmarks.cheap_org import record_id
from benchmarks.feed import Kept
from benchmarks.rss import Samples
from consumers.deliver.courier import Courier
from consumers.deliver.keeper import Keeper
from consumers.enrichment.changes import EnrichmentChanges
from consumers.enrichment.gathering import MOST
from consumers.enrichment.guarded import GuardedDocuments
from consumers.enrichment.memberships import Memberships
from consumers.enrichment.settings import EnrichmentSettings
from consumers.enrichment.worker import EnrichmentWorker
from consumers.repair.repairer import Published, Repairer
from consumers.rules.deliveries import DeliveryPolicy
from consumers.rules.timing import Timing
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from listener.changes.ownership import Ownership
from ops.processes.repair import GROUPS
from ops.schedule_settings import ScheduleSettings
from ops.sync.asking import new_run
from ops.sync.parts import SyncParts
from ops.sync.walk import Advance
from ops.sync.worker import LEASE_NAME, Worker
from schemas import cloudevents, telling, topics
from schemas.change import Change, ChangeType
from schemas.codec import encode
from schemas.enrichment import EnrichmentRequest
from schemas.gap import GapReason
from schemas.log_record import Record
from schemas.mapping import Mapping as MappingOfAll
from schemas.outcome import Result
from schemas.people import PeopleQuery, Row
from schemas.polling import ModifiedRow
from schemas.position import CommitPosition
from schemas.presets import preset
from schemas.stream import Gap
from schemas.sync_run import RunRequest, RunState

PEOPLE: Final = 1_000
ONE_IN: Final = 10
"""So many changes for one of a person who was looked up."""
ROWS_A_PAGE: Final = 2_000
IN_HAND: Final = 2_000
"""So many tellings wait for their delivery at most, and so many people for their look."""
ORG: Final = "00D"
A_DAY: Final = 86_400.0


class Numbered:
    """A `RecordStream` of so many records, made when they are taken; none while there is no room."""

    def __init__(self, count: int, make: Callable[[int], Record], room: Callable[[], bool] = lambda: True) -> None:
        self._numbers: Iterator[int] = iter(range(count))
        self._make = make
        self._room = room

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        """As the port."""
        taken = [self._make(number) for number in itertools.islice(self._numbers, max_records)] if self._room() else []
        await asyncio.sleep(0 if taken else min(timeout, 0.01))
        return taken

    def pause(self) -> None:
        """As the port."""

    def resume(self) -> None:
        """As the port."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """As the port."""


class Asked:
    """Requests for looks, and the stream of them."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, str]] = []
        self._offsets = itertools.count()

    async def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        """As the port of requests."""
        self.waiting += requests

    def record(self, kind: str, id_: str) -> Record:
        """One of them, as Kafka would have it."""
        key, value = topics.document_key(kind, id_), encode(EnrichmentRequest(kind=kind, id=id_))
        return Record(topics.ENRICHMENT_REQUESTS, 0, next(self._offsets), key, value, {}, holding.now())

    async def fetch(self, max_records: int, timeout: float) -> Sequence[Record]:
        """As the port of streams."""
        taken, self.waiting = self.waiting[:max_records], self.waiting[max_records:]
        await asyncio.sleep(0 if taken else min(timeout, 0.01))
        return [self.record(*one) for one in taken]

    def pause(self) -> None:
        """As the port."""

    def resume(self) -> None:
        """As the port."""

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """As the port."""


class Known:
    """Salesforce, asked about people: each has one contact."""

    async def look(self, queries: Sequence[PeopleQuery], emails: Sequence[str]) -> Sequence[Sequence[Row]]:
        """As the port."""
        return [[_person(query, email) for email in emails if query.sobject == "Contact"] for query in queries]


def _person(query: PeopleQuery, email: str) -> Row:
    number = int(email.partition("@")[0].removeprefix("person"))
    found = {"Id": record_id(number), query.by: email, "Title": f"Head of Events {time.monotonic_ns()}"}
    return {**dict.fromkeys(query.fields), **found}


def _registered(number: int) -> Record:
    body = {
        "type": "participant.registered",
        "timestamp": "2026-11-22T10:00:00.000Z",
        "data": {"id": f"p-{number}", "fields": {"email": f"person{number}@example.com", "last_name": "Georgescu"}},
    }
    headers = {cloudevents.ID: f"msg_{number:024d}", cloudevents.RECEIVED_AT: str(holding.now())}
    key = topics.document_key("participant", f"p-{number}")
    return Record(topics.PLATFORM_EVENTS, 0, number, key, orjson.dumps(body), headers, holding.now())


def _changed(number: int) -> Record:
    """A contact has another title: of nobody whom we know, or of somebody who was looked up."""
    at = holding.now()
    change = Change(
        entity="Contact",
        record_id=record_id(number // ONE_IN % PEOPLE if number % ONE_IN == 0 else PEOPLE + number),
        type=ChangeType.UPDATE,
        position=CommitPosition(at, number + 1, 0),
        transaction_key=f"bench-{number}",
        fields={"Title": f"Head of Events {number}"},
    )
    key = topics.record_key(change.record_id)
    return Record(topics.SALESFORCE_CHANGES, 0, number, key, encode(change), {}, at)


async def enrich(_kafka: str, mongodb: str, _org: str, records: int) -> Samples:
    """The handlers of `tandem enrich`, both."""
    settings, runner_settings = EnrichmentSettings(), RunnerSettings()
    samples, stop, asked = Samples(records), asyncio.Event(), Asked()
    async with holding.store(mongodb, preset("hackathon")) as (database, catalog):
        documents, parked = MongoDocuments(database), MongoParkedRecords(database)
        guarded = GuardedDocuments(documents, now=holding.now, timing=Timing())
        worker = EnrichmentWorker(
            catalog=lambda: catalog,
            documents=documents,
            guarded=guarded,
            people=Known(),
            cache=MongoPeopleCache(database),
            parked=parked,
            now=holding.now,
            retry=settings.retry(),
            found_for=settings.found_ms,
            missing_for=settings.missing_ms,
        )
        changes = EnrichmentChanges(
            catalog=lambda: catalog,
            enriched=documents,
            memberships=Memberships(documents, MongoMembers(database), guarded),
            guarded=guarded,
            cache=MongoPeopleCache(database),
            requests=asked,
            now=holding.now,
        )
        deciding = holding.reconciler(database, catalog, Kept())
        for number in range(PEOPLE):
            await deciding.handle([_registered(number)])
            await worker.handle([asked.record("participant", f"p-{number}")])

        def count(_topic: str, _records: object, results: Sequence[Result]) -> None:
            samples.add(len(results))

        requests = Runner(worker, runner_settings.model_copy(update={"lanes": 1, "batch_size": MOST}), coalesce=True)
        forgetting = Runner(changes, runner_settings, on_results=count)
        stream = Numbered(records, _changed, lambda: len(asked.waiting) < IN_HAND)
        async with asyncio.TaskGroup() as group:
            group.create_task(requests.run(asked, stop))
            group.create_task(forgetting.run(stream, stop))
            await holding.until(lambda: samples.done and not asked.waiting)
            stop.set()
    return samples


def _told(number: int) -> Record:
    """What a change in Salesforce made of a document."""
    at, row = holding.now(), f"cust-{number % PEOPLE:06d}"
    fields = {"title": f"Head of Events {number}", "department": "Marketing"}
    told = {"_id": telling.telling_id("customer", row, number), "kind": "customer", "document": row, "at": at}
    rest = {"type": "customer.changed", "revision": number, "fields": fields, "cause": {"commit": at}}
    key, value, headers = telling.record_of(told | rest)
    return Record(topics.PLATFORM_CHANGES, 0, number, key, value, {name: text.decode() for name, text in headers}, at)


async def deliver(_kafka: str, mongodb: str, org: str, records: int) -> Samples:
    """The keeper and the courier of `tandem deliver`, and a platform that takes everything."""
    samples, stop, taken = Samples(records), asyncio.Event(), 0

    def keeping(_topic: str, _records: object, results: Sequence[Result]) -> None:
        nonlocal taken
        taken += len(results)

    guard = Guard(networks("127.0.0.0/8"))
    async with (
        holding.store(mongodb) as (database, _catalog),
        open_poster([b"k" * 32], guard, seconds=15.0, at_once=16, now=holding.now) as poster,
    ):
        deliveries, endpoints = MongoDeliveries(database, timedelta(days=30)), MongoEndpoints(database, f"{org}/hook")
        courier = Courier(
            deliveries=deliveries,
            endpoints=endpoints,
            poster=poster,
            now=holding.now,
            policy=DeliveryPolicy(),
            told=lambda *_: samples.add(),
        )
        keeper = Keeper(deliveries, endpoints, MongoParkedRecords(database), holding.now)
        runner = Runner(keeper, RunnerSettings(), on_results=keeping)
        stream = Numbered(records, _told, lambda: taken - samples.count < IN_HAND)
        async with asyncio.TaskGroup() as group:
            group.create_task(courier.work(stop))
            group.create_task(runner.run(stream, stop))
            await holding.until(lambda: samples.done)
            stop.set()
    return samples


class Modified:
    """Salesforce, asked which records have changed: so many."""

    def __init__(self, records: int) -> None:
        self._records = records

    async def changed(
        self, sobject: str, since: int, after: ModifiedRow | None
    ) -> AsyncIterator[Sequence[ModifiedRow]]:
        """As the port."""
        for first in range(0, self._records, ROWS_A_PAGE):
            numbers = range(first, min(self._records, first + ROWS_A_PAGE))
            yield [ModifiedRow(record_id(number), since + number, deleted=False) for number in numbers]


async def repair(kafka: str, mongodb: str, _org: str, records: int) -> Samples:
    """The repair of one gap, as `tandem repair` does it."""
    samples = Samples(records)
    async with (
        holding.store(mongodb) as (database, catalog),
        open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer,
        open_backlog(KafkaSettings(bootstrap_servers=kafka), GROUPS) as backlog,
    ):
        lost = Gap("/data/ChangeEvents", GapReason.POSITION_REFUSED, since=1_700_000_000_000, until=holding.now())
        await MongoGaps(database, ORG).record(lost)
        gaps = MongoGapRows(database, ORG)
        repairer = Repairer(
            catalog=lambda: catalog,
            gaps=gaps,
            looks=Modified(records),
            changes=ChangeLog(producer),
            backlog=backlog,
            documents=MongoDocuments(database),
            org_id=ORG,
            overlap=0,
            now=holding.now,
            on_page=lambda _gap, _sobject, found: samples.add(found.published - samples.count),
        )
        (gap,) = await gaps.unrepaired()
        end = await repairer.repair(gap)
        assert isinstance(end, Published)  # nobody reconciles here
        assert end.found.published == records
    return samples


async def schedule(kafka: str, mongodb: str, org: str, records: int) -> Samples:
    """One run, worked at as `tandem schedule` does."""
    raw = preset("customers").model_dump(mode="json")
    raw["kinds"]["customer"]["on_unlinked"] = "create"
    samples, login = Samples(records), SalesforceSettings(client_id="bench", client_secret="bench", login_url=org)
    async with (
        holding.store(mongodb, MappingOfAll.model_validate(raw)) as (database, catalog),
        open_producer(KafkaSettings(bootstrap_servers=kafka)) as producer,
        open_salesforce(login, now=holding.now) as salesforce,
        open_backlog(KafkaSettings(bootstrap_servers=kafka), GROUPS) as backlog,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(f"{org}/contacts/{records}") as reply:
            reply.raise_for_status()
        parts = SyncParts(
            database=database,
            changes=ChangeLog(producer),
            doorbells=Doorbells(producer),
            backlog=backlog,
            salesforce=salesforce,
            catalog=lambda: catalog,
            timing=Timing(),
            settings=ScheduleSettings().model_copy(update={"bulk_rows": 1}),  # the cheap org has no other way
            channels=("/data/ChangeEvents",),
        )
        leases, runs = MongoLeases(database), MongoRuns(database)
        await leases.acquire(f"changes:{await parts.org_id()}", "a subscriber", A_DAY)
        request = RunRequest.model_validate({"id": "bench", "what": "contacts", "by": "bench", "direction": "pull"})
        run = new_run(request, catalog, now=holding.now())
        await runs.add(run)

        async def no_hindrance(*_of: Any) -> str:
            return ""

        def moved(_step: Any, advance: Advance) -> None:
            samples.add(advance.passed)

        worker = Worker(
            runs=runs,
            walk=parts.walk,
            hindrance=no_hindrance,
            ownership=Ownership(
                leases=leases, name=LEASE_NAME, owner="bench", seconds=60.0, clock=time.monotonic, pause=asyncio.sleep
            ),
            now=holding.now,
            finish=parts.finish,
            moved=moved,
        )
        await worker.work(asyncio.Event())
        ended = await runs.get(run.id)
        assert ended is not None
        assert ended.state is RunState.DONE, ended
    return samples


BESIDE: Final[Mapping[str, Callable[[str, str, str, int], Awaitable[Samples]]]] = {
    "enrich": enrich,
    "deliver": deliver,
    "repair": repair,
    "schedule": schedule,
}
