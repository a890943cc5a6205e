"""Registrations with all in memory: people in Salesforce, documents, log, topic and cache. No org is started."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from consumers.catalog import Catalog
from consumers.enrichment.changes import EnrichmentChanges
from consumers.enrichment.enrolment import Enrolment
from consumers.enrichment.gathering import GatherPolicy
from consumers.enrichment.guarded import GuardedDocuments
from consumers.enrichment.lookups import LookupPolicy, Lookups
from consumers.enrichment.memberships import Memberships
from consumers.enrichment.ports import Traces
from consumers.enrichment.worker import EnrichmentSweep, EnrichmentWorker
from consumers.rules.retry import RetryPolicy
from schemas import topics
from schemas.change import Change, ChangeType
from schemas.codec import encode
from schemas.enrichment import EnrichmentRequest
from schemas.outcome import Outcome, Result
from schemas.people import LookFailed, PeopleQuery, PersonRows, Row
from schemas.position import CommitPosition
from schemas.presets import preset
from schemas.record_id import to_18
from schemas.registration import Registered, Registration
from schemas.unavailable import Unavailable
from support.fake_documents import FakeDocuments
from support.fake_erasures import FakeErasures
from support.fakes_webhook import FakeEventLog
from support.sync_stage import TIMING, Stage

PATIENT = LookupPolicy(gather=GatherPolicy(first=0.001, next=0.01), late=60.0, again=30.0)
"""Nothing runs out while a test looks."""
FOUND_FOR, MISSING_FOR = 900_000, 60_000


@dataclass
class FakeIdentities:
    """`tandem_identities`."""

    rows: dict[tuple[str, str], str] = field(default_factory=dict)

    async def reserve(self, kind: str, email: str, document_id: str, instead_of: str | None = None) -> str:
        if instead_of is not None and self.rows.get((kind, email)) == instead_of:
            self.rows[kind, email] = document_id
        return self.rows.setdefault((kind, email), document_id)


@dataclass
class FakePeopleCache:
    """`salesforce_object_cache`."""

    rows: dict[tuple[str, str], tuple[PersonRows, int]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    away: bool = False

    async def get(self, kind: str, emails: Sequence[str], now: int) -> dict[str, PersonRows]:
        if self.away:
            raise Unavailable("away")
        held = {email: self.rows[kind, email] for email in emails if (kind, email) in self.rows}
        return {email: one for email, (one, until) in held.items() if until > now}

    async def put(self, kind: str, found: Mapping[str, PersonRows], until: Mapping[str, int]) -> None:
        if self.away:
            raise Unavailable("away")
        late = await self.overtaken(found)
        self.rows |= {(kind, email): (one, until[email]) for email, one in found.items() if email not in late}

    async def overtaken(self, found: Mapping[str, PersonRows]) -> set[str]:
        if self.away:
            raise Unavailable("away")
        names = {email: (email, *one.record_ids()) for email, one in found.items()}
        return {e for e, several in names.items() if any(self.dropped.get(n, 0) > found[e].at for n in several)}

    async def drop(self, *, now: int, records: Sequence[str] = (), emails: Sequence[str] = ()) -> int:
        self.dropped |= dict.fromkeys((*records, *emails), now)
        gone = [
            key
            for key, (one, _until) in self.rows.items()
            if key[1] in emails or not set(records).isdisjoint(one.record_ids())
        ]
        for key in gone:
            del self.rows[key]
        return len(gone)


@dataclass
class FakeRequests:
    """`enrichment.requests`: what was asked for and is not taken yet."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    away: bool = False
    stuck: bool = False
    """The log acknowledges nothing."""

    async def ask(self, requests: Sequence[tuple[str, str]]) -> None:
        if self.away:
            raise Unavailable("away")
        if self.stuck:
            await asyncio.Event().wait()
        self.asked += requests


@dataclass
class FakePeople:
    """People in Salesforce by object, each a row by paths. `failing` is what is answered instead; while `open` is not
    set no call is answered. One behaviour suite runs on this and on an org."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"Contact": [], "Lead": []})
    failing: LookFailed | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[list[str]] = field(default_factory=list)
    slow: int = 0
    """So many calls are never answered."""

    def __post_init__(self) -> None:
        self.open.set()

    def add(self, sobject: str, **fields: Any) -> str:
        """Somebody of this object; the id. A parent's field is `Account__Name`."""
        number = sum(map(len, self.rows.values()))
        record_id = to_18(f"{'00Q' if sobject == 'Lead' else '003'}dL{number:010d}")
        row = {name.replace("__c", "~").replace("__", ".").replace("~", "__c"): value for name, value in fields.items()}
        self.rows[sobject].append({"Id": record_id, "CreatedDate": f"2026-01-{number + 1:02d}", **row})
        return record_id

    async def look(self, queries: Sequence[PeopleQuery], emails: Sequence[str]) -> Sequence[Sequence[Row]] | LookFailed:
        self.calls.append(list(emails))
        if self.slow:
            self.slow -= 1
            await asyncio.Event().wait()
        await self.open.wait()
        if self.failing is not None:
            return self.failing
        wanted = {email.casefold() for email in emails}
        return [
            [
                {name: row.get(name) for name in query.fields}
                for row in self.rows[query.sobject]
                if str(row.get(query.by, "")).casefold() in wanted
                and not (query.only_unconverted and row.get("IsConverted"))
            ]
            for query in queries
        ]


@dataclass
class EnrichmentWorld:
    """What a registration meets."""

    stage: Stage
    people: FakePeople = field(default_factory=FakePeople)
    deadline: float = 60.0
    policy: LookupPolicy = field(default_factory=lambda: PATIENT)
    traces: Traces | None = None
    log: FakeEventLog = field(default_factory=FakeEventLog)
    identities: Any = field(default_factory=FakeIdentities)
    cache: Any = field(default_factory=FakePeopleCache)
    members: Any = None
    """Registrations and whom they name; the documents, where not given."""
    requests: FakeRequests = field(default_factory=FakeRequests)
    ends: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        stage = self.stage
        self.documents = stage.documents
        self.guarded = GuardedDocuments(stage.documents, now=lambda: stage.now, timing=TIMING)
        self.lookups = Lookups(
            self.people,
            cache=self.cache,
            now=lambda: stage.now,
            policy=self.policy,
            notice=lambda word, **_more: self.notices.append(word),
        )
        self.enrolment = Enrolment(
            catalog=lambda: stage.catalog,
            documents=stage.documents,
            guarded=self.guarded,
            identities=self.identities,
            log=self.log,
            requests=self.requests,
            lookups=self.lookups,
            now=lambda: stage.now,
            deadline=self.deadline,
            on_answer=lambda end, _seconds: self.ends.append(end),
            notice=lambda word, **_more: self.notices.append(word),
            traces=self.traces,
            erased=stage.erasures,
        )
        self.worker = EnrichmentWorker(
            catalog=lambda: stage.catalog,
            documents=stage.documents,
            guarded=self.guarded,
            people=self.people,
            cache=self.cache,
            parked=stage.parked,
            now=lambda: stage.now,
            retry=RetryPolicy(tries=5, org_wait=1_000),
            found_for=FOUND_FOR,
            missing_for=MISSING_FOR,
        )
        self.changes = EnrichmentChanges(
            catalog=lambda: stage.catalog,
            enriched=stage.documents,  # type: ignore[arg-type]
            memberships=Memberships(stage.documents, self.members or stage.documents, self.guarded),
            guarded=self.guarded,
            cache=self.cache,
            requests=self.requests,
            now=lambda: stage.now,
        )
        self.sweep = EnrichmentSweep(
            catalog=lambda: stage.catalog, due=stage.documents, requests=self.requests, now=lambda: stage.now
        )

    @property
    def due(self) -> FakeDocuments:
        """The documents, as the sweep asks for them."""
        assert isinstance(self.stage.documents, FakeDocuments)
        return self.stage.documents

    async def register(self, *, verified: bool = False, id_: str = "", event: str = "", **fields: Any) -> Registered:
        asked = Registration(fields, id=id_, verified=verified, event_id=event)
        return await self.enrolment.register(asked)

    async def hear_registrations(self) -> list[Result]:
        """Hand what the log was given to the reconciler, as Kafka would."""
        stage = self.stage
        appended, self.log.records[:] = self.log.records[:], []
        records = [
            stage.record(topics.PLATFORM_EVENTS, one.key, one.value, {name: raw.decode() for name, raw in one.headers})
            for one in appended
        ]
        return await stage.reconciler.handle(records) if records else []

    async def work(self) -> list[Result]:
        """Hand every request to the worker."""
        stage = self.stage
        asked, self.requests.asked[:] = self.requests.asked[:], []
        records = [
            stage.record(
                topics.ENRICHMENT_REQUESTS,
                topics.document_key(kind, id_),
                encode(EnrichmentRequest(kind=kind, id=id_)),
            )
            for kind, id_ in asked
        ]
        return await self.worker.handle(records) if records else []

    async def hear(self, entity: str, record_id: str, type_: str = "UPDATE", **fields: Any) -> Outcome:
        """One change, handed to the handler of changes; how it ended."""
        stage = self.stage
        change = Change(
            entity=entity,
            record_id=record_id,
            type=ChangeType(type_),
            position=CommitPosition(stage.now, 1, 1),
            transaction_key="t",
            fields=fields,
        )
        record = stage.record(topics.SALESFORCE_CHANGES, topics.record_key(record_id), encode(change))
        (result,) = await self.changes.handle([record])
        return result.outcome

    async def stored(self, id_: str) -> dict[str, Any]:
        return await self.stage.document(id_, "participants")

    async def post(self, type_: str, id_: str, **fields: Any) -> Result:
        """An event of the platform's, as the webhook tells it."""
        return await self.stage.post(fields, id_=id_, type_=type_)


def hackathon_stage() -> Stage:
    """Documents in memory, by the hackathon preset; nobody is erased yet."""
    stage = Stage(FakeDocuments(), erasures=FakeErasures())
    stage.catalog = Catalog(preset("hackathon"))
    return stage


@asynccontextmanager
async def enrichment_world(**given: Any) -> AsyncIterator[EnrichmentWorld]:
    """A world in which nobody is registered yet."""
    made = EnrichmentWorld(hackathon_stage(), **given)
    try:
        yield made
    finally:
        await made.lookups.close()
