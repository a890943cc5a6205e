"""The whole of Tandem in one test process: five stages on real Kafka and MongoDB, the org, and a platform that posts.

One at a time: topics and consumer groups have one name each, so a world begins at the end of the topics and has a
database of its own. Every post is journaled, and at the end the demo's observer judges what became of it all.
"""

import contextlib
import io
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from standardwebhooks import Webhook

from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from consumers.rules.kinds import compile_kind
from consumers.rules.stored import value_at
from ops.processes import reconcile, write
from schemas import topics
from schemas.presets import preset
from simulator.observer.backlog import Backlog, open_backlog
from simulator.observer.readers import Evidence, MongoWitness, OrgWitness
from simulator.observer.verdict import Verdict
from simulator.org.app import RunningOrg, running_org
from simulator.org.edits import Edit, Edits, make_edits
from simulator.org.faults import Fault, FaultKind
from simulator.org.settings import OrgSettings
from support.environment import where
from support.running import MAIN, PATIENT_SECONDS, Stages, until
from support.servers import unique_database

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SOURCE = "tickets"
READ_BY = {
    "reconcile": (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES),
    "write": (topics.SALESFORCE_WRITES,),
}
"""What each of the two consumer groups works off."""
QUICK = {
    "BUDGET_PROBE_SECONDS": "1",
    "BUDGET_SHARE_SECONDS": "0.5",
    "CHANGES_BACKOFF_SECONDS": "0.05",
    "CHANGES_BACKOFF_CAP_SECONDS": "0.3",
    "CHANGES_BUSY_SECONDS": "0.1",
    "CHANGES_BUSY_CAP_SECONDS": "0.3",
    "CHANGES_SENT_AWAY_SECONDS": "0",
    "CHANGES_REQUEST_SECONDS": "2",
    "CHANGES_POLL_SLACK_SECONDS": "1",
    "CHANGES_REFUSED_CHANNEL_SECONDS": "0.5",
    "CHANGES_LEASE_SECONDS": "3",
    "KAFKA_PARTITIONS": "3",
    "KAFKA_SESSION_TIMEOUT": "6",
    "MERGE_EVENT_DELAY_SECONDS": "3",
    "MAPPING_PRESET": "customers",
    "MERGE_ANSWER_SECONDS": "4",
    "MERGE_VISIBLE_AFTER_SECONDS": "0.2",
    "SCHEDULE_LOOK_SECONDS": "0.1",
    "SCHEDULE_LEASE_SECONDS": "2",
    "REPAIR_LEASE_SECONDS": "2",
    "REPAIR_LOOK_SECONDS": "0.2",
    "REPAIR_RETRY_CAP_SECONDS": "0.5",
    "RUNNER_COMMIT_SECONDS": "0.05",
    "RUNNER_STOP_SECONDS": "5",
    "RUNNER_REVOKE_SECONDS": "5",
    "RUNNER_RETRY_CAP_SECONDS": "0.3",
    "SALESFORCE_CALL_TIMEOUT_SECONDS": "3",
    "WEBHOOK_PORT": "0",
    "WEBHOOK_SHUTDOWN_SECONDS": "2",
    "WRITER_LINGER_SECONDS": "0.02",
    "WRITER_ORG_WAIT_SECONDS": "0.5",
    "WRITER_SWEEP_SECONDS": "0.1",
}
"""Every wait as short as the promises allow."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The webhook's answer."""

    status: int
    told: Any


@dataclass
class Whole(Stages):
    """A world that runs. `org` is open to tests: `org.org.faults`, `org.cometd.faults`."""

    org: RunningOrg
    http: aiohttp.ClientSession
    database: AsyncDatabase[Document]
    backlog: Backlog
    journal: list[dict[str, Any]] = field(default_factory=list)
    pool: list[str] = field(default_factory=list)
    """Customers at rest that no test has taken yet."""

    def __post_init__(self) -> None:
        self.mapping = preset("customers")
        self.kind = compile_kind("customer", self.mapping)
        self.org_witness = OrgWitness(self.http, self.org.base_url)
        self.mongo_witness = MongoWitness(self.database)
        self._names = itertools.count(1)
        self._run = uuid.uuid4().hex[:6]

    def names(self, count: int) -> list[str]:
        """Document ids that nobody has had."""
        return [f"c-{self._run}-{next(self._names)}" for _ in range(count)]

    def take(self, count: int = 1) -> list[str]:
        """Customers of the pool, which is at rest on both sides."""
        taken, self.pool = self.pool[:count], self.pool[count:]
        assert len(taken) == count, "the pool is empty"
        return taken

    def forget_all_but_pool(self) -> None:
        """What happened to customers of earlier tests is not judged again."""
        pool = set(self.pool)
        self.journal = [row for row in self.journal if row.get("document_id", "") in pool or row["row"] == "posted"]

    # The platform

    async def webhook_url(self) -> str:
        """Where webhooks are posted to."""
        await until(lambda: self.stages["webhook"].notes.last("listening"), "the webhook listens")
        listening = self.stages["webhook"].notes.last("listening") or {}
        return f"http://127.0.0.1:{listening['port']}/webhooks/{SOURCE}"

    async def send(self, body: bytes, event_id: str, *, at: datetime | None = None) -> Answer:
        """Post signed bytes."""
        sent_at = at or datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": Webhook(SECRET).sign(event_id, sent_at, body.decode()),
        }
        async with self.http.post(await self.webhook_url(), data=io.BytesIO(body), headers=headers) as reply:
            return Answer(reply.status, await reply.json())

    async def post(
        self,
        document: str,
        fields: Mapping[str, Any],
        *,
        type_: str = "customer.updated",
        changed: Sequence[str] | None = None,
        event_id: str = "",
        times: int = 1,
        occurred_at: int | None = None,
        expect: int = 202,
        look: bool = True,
    ) -> Answer:
        """One event of the platform, journaled, posted `times` times under the same id; its author looks first."""
        if look:
            await self.look(document)
        event_id = event_id or f"msg_{uuid.uuid4().hex}"
        occurred_at = wall_ms() if occurred_at is None else occurred_at
        moment = datetime.fromtimestamp(occurred_at // 1000, UTC)
        data: dict[str, Any] = {"id": document, "fields": dict(fields)}
        if changed is not None:
            data["changed"] = list(changed)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{occurred_at % 1000:03}Z"
        body = orjson.dumps({"type": type_, "timestamp": stamp, "data": data})
        sent = {"row": "sent", "event_id": event_id, "type": type_, "document_id": document, "occurred_at": occurred_at}
        told = {"fields": dict(fields), "edits": list(changed or fields), "changed": changed, "seen": None}
        self.journal.append(sent | told)
        for _ in range(times):
            answer = await self.send(body, event_id)
            posted = {"row": "posted", "event_id": event_id, "at": wall_ms(), "status": answer.status}
            self.journal.append(posted)
            assert answer.status == expect, answer
        return answer

    async def rename(self, document: str, **fields: Any) -> None:
        """An edit by someone on the platform who names what was changed."""
        await self.post(document, fields, changed=list(fields))

    async def new(self, count: int = 1, **fields: Any) -> list[str]:
        """New customers, on both sides and at rest."""
        names = self.names(count)
        await self.post_new(names, **fields)
        await self.rest()
        return names

    async def post_new(self, names: Sequence[str], **fields: Any) -> None:
        """New customers, posted only."""
        for name in names:
            values = {"last_name": f"Last {name}", "email": f"{name}@example.org"} | fields
            await self.post(name, values, type_="customer.created")

    # Salesforce

    def edit(self, document: str, **fields: Any) -> None:
        """A Salesforce user's edit of the record."""
        self.edits([Edit(key={self.kind.external_id: document}, fields=fields)])

    @contextlib.contextmanager
    def untold(self) -> Iterator[None]:
        """The events of what is done meanwhile are lost; while nobody is subscribed, who would be told before that."""
        assert "subscribe" not in self.stages
        bus = self.org.org.bus
        before = bus.latest() or 0
        yield
        bus._database.execute("DELETE FROM bus WHERE replay_id > ?", (before,))

    def edits(self, edits: Sequence[Edit], *, together: bool = False, origin: str | None = None) -> None:
        """Several, all of which must succeed."""
        options = {} if origin is None else {"origin": origin}
        results = make_edits(self.org.org, Edits(edits=tuple(edits), together=together, **options))
        assert all(result["success"] for result in results), results

    def plant(self, kind: FaultKind, **options: Any) -> Fault:
        """A fault of OAuth or REST."""
        return self.org.org.faults.plant(Fault(kind=kind, **options))

    def calls(self, *parts: str) -> int:
        """API calls whose verb, resource and client, as one text, hold each of these."""
        usage = self.org.org.usage.calls
        return sum(count for key, count in usage.items() if all(part in " ".join(key) for part in parts))

    # Looking

    async def document(self, document: str) -> Document:
        """It, or empty."""
        return await self.database["customers"].find_one({"_id": document}) or {}

    async def records(self, document: str = "") -> list[Document]:
        """Live Contacts, of one document or all."""
        rows = await self.org_witness.records("Contact")
        return [dict(row) for row in rows if not document or row.get(self.kind.external_id) == document]

    async def record(self, document: str) -> Document:
        """The only one of a document."""
        (row,) = await self.records(document)
        return row

    async def audit(self, document: str) -> list[Document]:
        """Its audit rows, oldest first."""
        rows = self.database["salesforce_sync_logs"].find({"type": "audit", "document": document})
        return await rows.sort("at").to_list()

    async def parked(self, **which: Any) -> list[Document]:
        """Parked records."""
        return await self.database["tandem_parked"].find(which).to_list()

    async def gaps(self) -> list[Document]:
        """Gaps that were recorded."""
        return await self.database["tandem_gaps"].find({}).to_list()

    async def closed_gaps(self, **which: Any) -> list[Document]:
        """Those that are of this sort, once they are closed; at least one."""

        async def closed() -> bool:
            rows = await self.database["tandem_gaps"].find(which).to_list()
            return bool(rows) and all(row["state"] == "closed" for row in rows)

        await until(closed, f"the gaps are closed: {which}")
        return await self.database["tandem_gaps"].find(which).to_list()

    async def position(self) -> int:
        """Where the stream stands; -1 where nothing was stored."""
        found = await self.database["tandem_positions"].find_one({"channel": {"$not": {"$regex": "^/poll/"}}})
        return -1 if found is None else int(found["replay_id"])

    async def both(self, document: str, path: str) -> Any:
        """What both sides show at a path, where they show the same under the mapping."""
        shown, record = await self.document(document), await self.record(document)
        rule = self.kind.by_path[path]
        value = value_at(shown, rule)
        assert rule.same(value, record[rule.name]), (path, value, record[rule.name])
        return value

    def connected(self, name: str = "subscribe") -> bool:
        """Whether the stream is held by a live session."""
        del name
        return any(session.hold is not None for session in self.org.cometd.sessions.live())

    # Rest

    async def rest(self, seconds: float = PATIENT_SECONDS) -> None:
        """Wait until nothing moves and nothing says that it will."""
        before: Any = None

        async def still() -> bool:
            nonlocal before
            signs = await self._signs()
            same = signs == before
            before = signs
            return same and signs[-1] == (0, 0, 0)

        try:
            await until(still, "", seconds=seconds, every=0.12)
        except AssertionError:
            due = await self.database["customers"].find({"_sync.due_at": {"$exists": True}}).to_list()
            notes = [one.notes.rows[-4:] for one in self.stages.values()]
            left = {topic: each.unfinished for topic, each in (await self.backlog.read()).items() if each.unfinished}
            raise AssertionError(f"no rest: {before}, {left}, {due[:1]}, {notes}") from None
        await self.look()

    async def look(self, document: str = "") -> None:
        """The platform sees one or all of its documents as they are now."""
        async for shown in self.database["customers"].find({"_id": document} if document else {}):
            fields = {rule.dotted: value_at(shown, rule) for rule in self.kind.fields}
            seen = {"document_id": shown["_id"], "revision": shown["revision"], "at": wall_ms(), "fields": fields}
            self.journal.append({"row": "seen"} | seen)

    async def _signs(self) -> tuple[Any, ...]:
        bus = self.org.org.bus
        here = {running.partition("-")[0] for running in self.stages}
        brought = frozenset(self.org.org.settings.cometd.entities)
        unread = len(bus.after(await self.position(), brought, 10)) if "subscribe" in here else 0
        pulse = await self.mongo_witness.pulse("customers")
        commits = self.calls() - self.calls("queryAll") - self.calls("limits")
        watched = [topic for name, its in READ_BY.items() if name in here for topic in its]
        left = await self.backlog.read()
        unfinished = sum(left[topic].unfinished for topic in watched)
        due = await self.database["customers"].count_documents({"_sync.due_at": {"$exists": True}})
        return (bus.latest(), pulse.revisions, commits, (unread, unfinished, due))

    async def verdict(self) -> Verdict:
        """What the demo's observer says of all that the journal holds."""
        evidence = Evidence(
            journal=self.journal,
            commits=await self.org_witness.commits(),
            records={"Contact": await self.org_witness.records("Contact")},
            documents={"customers": await self.mongo_witness.documents("customers")},
            audit=await self.mongo_witness.audit(),
        )
        verdict = evidence.judge(self.mapping)
        spoken_of = {row["document_id"] for row in self.journal if row["row"] == "sent"}
        verdict.findings = [finding for finding in verdict.findings if finding.document in spoken_of]
        return verdict

    async def clean(self) -> Verdict:
        """Come to rest, and have nothing lost, doubled, echoed or different."""
        await self.rest()
        verdict = await self.verdict()
        assert verdict.clean, [finding.tell(explain=True) for finding in verdict.findings]
        return verdict


def wall_ms() -> int:
    """Now, epoch milliseconds."""
    return time.time_ns() // 1_000_000


@contextlib.asynccontextmanager
async def whole(
    kafka_bootstrap: str,
    client: AsyncMongoClient[Document],
    folder: Path,
    *,
    mongodb_uri: str,
    start: Sequence[str] = MAIN,
    settings: Mapping[str, str] | None = None,
    **org: Any,
) -> AsyncIterator[Whole]:
    """A world with these stages, settings (over `QUICK`) and habits of the org, with a user's edits and no triggers."""
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_org(OrgSettings(**org)))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        database = await stack.enter_async_context(unique_database(client))
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.chdir(folder)  # nobody's .env
        named = {
            **where(kafka=kafka_bootstrap, mongodb=mongodb_uri, database=database.name, org=running),
            f"WEBHOOK_SECRETS_{SOURCE.upper()}": SECRET,
        }
        for name, value in (QUICK | named | dict(settings or {})).items():
            environment.setenv(name, value)
        await begin_at_the_end(kafka_bootstrap)
        # Other worlds on this Kafka have left groups that nobody goes on with.
        looked_at = open_backlog({"bootstrap_servers": kafka_bootstrap}, topics.ALL, (reconcile.GROUP, write.GROUP))
        backlog = await stack.enter_async_context(looked_at)
        world = Whole(running, http, database, backlog)
        stack.push_async_callback(world.close)
        for name in start:
            world.start(name)
        yield world


async def begin_at_the_end(bootstrap: str) -> None:
    """Make the topics, and let both consumer groups go on behind whatever earlier worlds left in theirs."""
    await make_topics(KafkaSettings(bootstrap_servers=bootstrap, partitions=3))
    for group, its in ((reconcile.GROUP, READ_BY["reconcile"]), (write.GROUP, READ_BY["write"])):
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            places = [TopicPartition(topic, one) for topic in its for one in await _partitions(consumer, topic)]
            consumer.assign(places)
            await consumer.commit(await consumer.end_offsets(places))
        finally:
            await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    found: set[int] | None = None

    async def known() -> bool:
        nonlocal found
        await consumer._client.force_metadata_update()
        await consumer.topics()
        found = consumer.partitions_for_topic(topic)
        return bool(found)

    await until(known, f"the partitions of {topic} are known")
    return found or set()
