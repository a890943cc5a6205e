"""Every route of the API with the outside in memory: what is said is stored at once, and Salesforce is three rows."""

from collections.abc import Mapping as Certificate
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.mongo.mappings import next_version
from adapters.salesforce.caller_soql import QueryRefused as Faulty
from adapters.salesforce.caller_soql import built_query, checked_soql
from adapters.salesforce.query_scope import QueryScope
from adapters.salesforce.soql import Select
from consumers.catalog import Catalog
from listener.api.connection import CannotAsk, CannotConnect, ConnectionRoutes, State
from listener.api.contact_bodies import Document
from listener.api.contacts import Contacts, Ended
from listener.api.deliveries import DeliveryRoutes
from listener.api.erasures import ErasureRoutes
from listener.api.exports import ExportRoutes, NothingHeld
from listener.api.mappings import MappingRoutes, Plan, Published, Version
from listener.api.participants import Participants
from listener.api.queries import QueryRefused, QueryRoutes, Rows
from listener.api.routes import Group
from listener.api.runs import CannotRun, SyncRuns
from ops.sync import asking
from schemas.cloudevents import Headers
from schemas.delivery import DeliveryState, Endpoint
from schemas.mapping import Mapping
from schemas.mapping_reading import check_mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.record_query import RecordQuery
from schemas.sync_run import Run, RunRequest, RunState
from schemas.unavailable import Unavailable
from support.enrichment_world import EnrichmentWorld, hackathon_stage
from support.fake_erasures import FakeErasures
from support.fakes_api import NOW

RECORD = "003000000000001AAA"
MADE = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class FakePeople:
    """Documents, identities and the log in one: an event is applied as it is appended, if `applies`."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    outcomes: dict[str, Ended] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    outcome: Ended | None = field(default_factory=lambda: Ended(Outcome.APPLIED, ""))
    status: str = "synced"
    away: bool = False
    store_away: bool = False
    """Once the event is in."""

    async def append(self, *, key: bytes, value: bytes, headers: Headers) -> None:
        """As the log."""
        if self.away:
            raise Unavailable("Kafka does not answer")
        event = orjson.loads(value)
        told = {name: text.decode() for name, text in headers}
        self.events.append({**event, "key": key.decode(), "id": told["ce_id"], "source": told["ce_source"]})
        if self.outcome is None:
            return
        self.outcomes[told["ce_id"]] = self.outcome
        if self.outcome.outcome is Outcome.PARKED:
            return
        document = self.documents.setdefault(event["data"]["id"], {"_id": event["data"]["id"], "revision": 0})
        document["revision"] += 1
        document["salesforce"] = {"syncStatus": self.status, "lastSyncedAt": 1_796_000_000_000, "recordId": RECORD}
        for path, written in event["data"]["fields"].items():
            *outer, last = path.split(".")
            at = document
            for part in outer:
                at = at.setdefault(part, {})
            at[last] = written

    async def ping(self) -> None:
        """As the log."""

    async def read(self, collection: str, document_id: str) -> Document | None:
        """As the port."""
        del collection
        return self.documents.get(document_id)

    async def linked(self, collection: str, record_id: str) -> Sequence[Document]:
        """As the port."""
        del collection
        return [each for each in self.documents.values() if each.get("salesforce", {}).get("recordId") == record_id]

    async def matching(self, collection: str, path: str, text: str) -> Sequence[Document]:
        """As the port."""
        del collection
        return [each for each in self.documents.values() if str(each.get(path)).casefold() == text.casefold()]

    async def ended(self, kind: str, document_id: str, event_id: str) -> Ended | None:
        """As the port."""
        del kind, document_id
        if self.store_away:
            raise Unavailable("MongoDB does not answer")
        return self.outcomes.get(event_id)

    async def reserve(self, kind: str, email: str, document_id: str, instead_of: str | None = None) -> str:
        """As the port."""
        name = f"{kind}:{email}"
        if self.given.get(name, instead_of) == instead_of:
            self.given[name] = document_id
        return self.given[name]


@dataclass
class FakeRuns:
    """As `listener.api.runs.Runs`."""

    runs: dict[str, Run] = field(default_factory=dict)

    async def ask(self, request: RunRequest, now: int) -> Run:
        """As the port."""
        try:
            run = asking.new_run(request, Catalog(preset("ticketing")), now=now)
        except asking.CannotRun as reason:
            raise CannotRun(str(reason)) from None
        return self.runs.setdefault(run.id, run)

    async def get(self, run_id: str) -> Run | None:
        """As the port."""
        return self.runs.get(run_id)

    async def newest(self, limit: int, behind: Run | None) -> Sequence[Run]:
        """As the port."""
        order = list(reversed(self.runs.values()))
        return order[0 if behind is None else order.index(behind) + 1 :][:limit]

    async def cancel(self, run_id: str) -> bool:
        """As the port."""
        run = self.runs[run_id]
        if not run.state.ended:
            self.runs[run_id] = run.model_copy(update={"state": RunState.CANCELLED, "ended_at": run.asked_at})
        return not run.state.ended


@dataclass
class FakeQueries:
    """As `listener.api.queries.Queries`: three rows, two on a page."""

    mapping: Mapping
    asked: list[str] = field(default_factory=list)
    fails: Exception | None = None
    owners: dict[str, str] = field(default_factory=dict)

    async def soql(self, text: str, owner: str) -> Rows:
        """As the port."""
        try:
            return self._rows(checked_soql(text, QueryScope(self.mapping)), owner)
        except Faulty as faulty:
            raise QueryRefused(faulty.faults) from None

    async def question(self, query: RecordQuery, owner: str) -> Rows:
        """As the port."""
        return self._rows(self._select(query), owner)

    def built(self, query: RecordQuery) -> str:
        """As the port."""
        return str(self._select(query))

    async def following(self, cursor: str, owner: str) -> Rows | None:
        """As the port."""
        if self.owners.get(cursor) != owner:
            return None
        return Rows(self.asked[-1], "Contact", 3, [{"Id": "3"}])

    def _select(self, query: RecordQuery) -> Select:
        try:
            return built_query(query, QueryScope(self.mapping))
        except Faulty as faulty:
            raise QueryRefused(faulty.faults) from None

    def _rows(self, select: Select, owner: str) -> Rows:
        if self.fails is not None:
            raise self.fails
        self.asked.append(str(select))
        self.owners["page-2"] = owner
        return Rows(str(select), select.sobject, 3, [{"Id": "1"}, {"Id": "2", "Account": {"Name": "Acme"}}], "page-2")


@dataclass
class FakeMappings:
    """As `listener.api.mappings.Mappings`."""

    published: list[tuple[Mapping, Version]] = field(default_factory=list)
    against: tuple[str, ...] = ()
    untold: str = ""

    def __post_init__(self) -> None:
        first = preset("ticketing").model_copy(update={"version": 1})
        self.published.append((first, Version(1, MADE, "tandem", "seeded")))

    async def current(self) -> Mapping:
        """As the port."""
        return self.published[-1][0]

    async def get(self, version: int) -> Mapping | None:
        """As the port."""
        return self.published[version - 1][0] if version <= len(self.published) else None

    async def versions(self) -> Sequence[Version]:
        """As the port."""
        return [version for _mapping, version in reversed(self.published)]

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[Sequence[str], str]:
        """As the port."""
        assert before != after
        return self.against, self.untold

    async def plan(self, before: Mapping, after: Mapping) -> Plan:
        """As the port."""
        next_version(before, after)
        return Plan(("customer: 0 documents looked at",), 1, 2)

    async def publish(self, mapping: Mapping, expected: int, by: str, note: str) -> Mapping:
        """As the port."""
        check_mapping(mapping)
        before = await self.current()
        if before.version != expected:
            raise Published(f"the mapping is at version {before.version}, not at {expected}")
        made = next_version(before, mapping)
        self.published.append((made, Version(made.version, MADE, by, note)))
        return made


@dataclass
class FakeConnecting:
    """As `listener.api.connection.Connecting`: the code `good` connects, once."""

    needed: bool = True
    connected: bool = False
    answers: list[str] = field(default_factory=list)

    async def begin(self) -> str:
        """As the port."""
        if not self.needed:
            raise CannotAsk("the settings tell the flow client_credentials")
        return "https://login.salesforce.com/services/oauth2/authorize?state=s"

    async def finish(self, answer: str) -> State:
        """As the port."""
        self.answers.append(answer)
        if self.connected or "code=good" not in answer:
            raise CannotConnect("no attempt of this <state> is under way")
        self.connected = True
        return await self.state()

    async def state(self) -> State:
        """As the port."""
        if not self.connected:
            return State(connected=False, reason="not_connected")
        return State(
            connected=True,
            instance_url="https://acme.my.salesforce.com",
            user="admin@acme.example",
            org_id="00D000000000001AAA",
            last_sync_at=1_736_937_000_000,
        )


@dataclass
class FakeErasureDesk:
    """As `listener.api.erasures.ErasureDesk`: what is asked for is removed at once."""

    set_up: bool = True
    asked: dict[tuple[str, str], str] = field(default_factory=dict)

    def knows(self, kind: str) -> bool:
        """As the port."""
        return kind == "customer"

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> None:
        """As the port."""
        del now
        self.asked.setdefault((kind, document_id), by)

    async def certificate(self, kind: str, document_id: str) -> Certificate[str, Any] | None:
        """As the port."""
        if (kind, document_id) not in self.asked:
            return None
        passes = [{"at": NOW, "removed": {"salesforce.Contact": 1}, "left": []}]
        about = {"document": document_id, "records": []}
        return {"_id": "a1b2", "kind": kind, "state": "removed", "asked_at": NOW, "passes": passes, **about}


@dataclass
class FakeExportDesk:
    """As `listener.api.exports.ExportDesk`: whoever is a customer is held, but for `nobody`."""

    asked: list[tuple[str, str, int, str]] = field(default_factory=list)
    away: bool = False

    async def held(self, kind: str, document_id: str, now: int, by: str) -> dict[str, Any]:
        """As the port."""
        if self.away:
            raise Unavailable("MongoDB does not answer")
        if kind != "customer" or document_id == "nobody":
            raise NothingHeld("nothing is held of this person")
        self.asked.append((kind, document_id, now, by))
        name = f"{kind}:{document_id}"
        return {
            "documents": {name: {"_id": document_id, "revision": 1}},
            "salesforce": {f"{kind}:{RECORD}": {"Email": "ana@example.com"}},
            "salesforce_sync_logs": [{"kind": kind, "document": document_id}],
        }


@dataclass
class FakeDeliveries:
    """As `listener.api.deliveries.Deliveries`: one that was taken, one that was given up, and one that waits."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    there: Endpoint | None = field(default_factory=lambda: Endpoint("https://platform.example/hooks?key=secret"))

    def __post_init__(self) -> None:
        for number, state in enumerate(DeliveryState):
            tried = {"at": NOW, "status": 500 if state is DeliveryState.FAILED else 200, "why": "", "milliseconds": 7}
            self.rows[f"told-{number}"] = {
                "_id": f"told-{number}",
                "type": "customer.changed",
                "kind": "customer",
                "document": f"cust-{number}",
                "revision": number + 1,
                "body": b'{"type": "customer.changed", "data": {"fields": {"phone": "+40712000222"}}}',
                "made_at": NOW + number,
                "next_at": NOW,
                "state": state,
                "tries": 0 if state is DeliveryState.PENDING else 1,
                "attempts": [] if state is DeliveryState.PENDING else [tried],
            }

    async def listed(
        self,
        *,
        state: str,
        kind: str,
        document_id: str,
        limit: int,
        behind: Certificate[str, Any] | None = None,
        among: Sequence[str] | None = None,
    ) -> Sequence[dict[str, Any]]:
        """As the port."""
        wanted = {"state": state, "kind": kind, "document": document_id}
        found = [
            row
            for row in reversed(self.rows.values())
            if all(not value or row[name] == value for name, value in wanted.items())
            and (among is None or row["kind"] in among)
            and (behind is None or row["made_at"] < behind["made_at"])
        ]
        return found[:limit]

    async def get(self, delivery_id: str) -> dict[str, Any] | None:
        """As the port."""
        return self.rows.get(delivery_id)

    async def counts(self) -> dict[str, int]:
        """As the port."""
        states = [row["state"] for row in self.rows.values()]
        return {state: states.count(state) for state in states}

    async def failed_ids(self, limit: int) -> list[str]:
        """As the port."""
        return [id_ for id_, row in self.rows.items() if row["state"] is DeliveryState.FAILED][:limit]

    async def redeliver(self, ids: Sequence[str], now: int, by: str) -> int:
        """As the port."""
        there = [id_ for id_ in ids if id_ in self.rows]
        for id_ in there:
            self.rows[id_] |= {"state": DeliveryState.PENDING, "next_at": now, "tries": 0}
        if there:
            self.asked.append((by, there))
        return len(there)

    async def endpoint(self) -> Endpoint | None:
        """As the port."""
        return self.there


@dataclass
class ApiWorld:
    """All of them."""

    people: FakePeople = field(default_factory=FakePeople)
    runs: FakeRuns = field(default_factory=FakeRuns)
    mappings: FakeMappings = field(default_factory=FakeMappings)
    connecting: FakeConnecting = field(default_factory=FakeConnecting)
    queries: FakeQueries = field(default_factory=lambda: FakeQueries(preset("ticketing")))
    clock: list[float] = field(default_factory=lambda: [0.0])
    erasures: FakeErasureDesk = field(default_factory=FakeErasureDesk)
    erased: FakeErasures = field(default_factory=FakeErasures)
    exports: FakeExportDesk = field(default_factory=FakeExportDesk)
    exports_per_hour: int = 100_000
    deliveries: FakeDeliveries = field(default_factory=FakeDeliveries)
    site: EnrichmentWorld = field(default_factory=lambda: EnrichmentWorld(hackathon_stage()))

    def groups(self) -> list[Group]:
        """Every route of the product's document."""

        def tick() -> float:
            self.clock[0] += 1
            return self.clock[0]

        contacts = Contacts(
            mapping=lambda: self.mappings.published[-1][0],
            documents=self.people,
            identities=self.people,
            log=self.people,
            wait_seconds=2,
            clock=tick,
            erased=self.erased,
        )
        return [
            ConnectionRoutes(self.connecting).group(),
            contacts.group(),
            SyncRuns(self.runs).group(),
            QueryRoutes(self.queries).group(),
            MappingRoutes(self.mappings).group(),
            Participants(self.site.enrolment).group(),
            ErasureRoutes(self.erasures).group(),
            ExportRoutes(self.exports, per_hour=self.exports_per_hour).group(),
            DeliveryRoutes(self.deliveries, lambda: self.mappings.published[-1][0]).group(),
        ]
