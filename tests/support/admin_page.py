"""The admin page on a real MongoDB, with stages that make what it shows; Kafka is a log in memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp
import structlog
from aiohttp.test_utils import TestServer
from argon2.profiles import CHEAPEST
from pydantic import SecretStr
from pymongo.asynchronous.database import AsyncDatabase

from adapters.encryption.secret_hash import SecretHashes
from adapters.kafka.producer import Entry
from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.collections import INDEXES, prepare
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.erasures import MongoErasures
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.history import outcomes_of
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.overview import MongoOverview
from adapters.mongo.processes import MongoProcesses
from adapters.mongo.runs import MongoRuns
from adapters.mongo.users import MongoSessions, MongoUsers
from adapters.platform.settings import DeliverSettings
from consumers.catalog import Catalog
from listener.api.connection import CannotAsk, CannotConnect
from listener.changes.racing import end
from ops.admin.app import application
from ops.admin.parts import AdminParts
from ops.admin.settings import AdminSettings
from ops.errands.opened import Workshop, keep_all
from ops.finding import Finding, State
from ops.held import NothingHeld
from ops.replay import Replayer
from schemas import topics
from schemas.connection import Connection
from schemas.log_record import Record
from schemas.mapping import Mapping
from schemas.operators import Role, User
from schemas.unavailable import Unavailable
from support.redriving import Log, Operator, parking_at
from support.review_stage import reviewing_mapping, reviews_of
from support.sync_stage import TIMING

PASSWORD = "correct horse battery"

HASHED = SecretHashes(CHEAPEST).hash(PASSWORD)
"""As cheap to verify as to make: what real ones cost, every sign-in of every test would."""


@dataclass
class Ends:
    """Satisfies `ops.admin.parts.Stages`."""

    away: bool = False
    topics: dict[str, tuple[int, int]] = field(
        default_factory=lambda: {
            topics.PLATFORM_EVENTS: (12_000, 3),
            topics.SALESFORCE_CHANGES: (8_000, 0),
            topics.SALESFORCE_WRITES: (9_000, 12),
            topics.PLATFORM_CHANGES: (7_900, 2),
            topics.ENRICHMENT_REQUESTS: (410, 0),
        }
    )

    async def by_topic(self) -> dict[str, tuple[int, int]]:
        if self.away:
            raise Unavailable("Kafka does not answer")
        return self.topics


@dataclass
class FakeOrg:
    """Satisfies `ops.admin.parts.Org`."""

    against: list[str] = field(default_factory=list)
    untold: str = ""
    found: list[Finding] = field(default_factory=lambda: [Finding("Salesforce", State.GOOD, "logged in")])
    holds: dict[str, Any] = field(default_factory=dict)

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[list[str], str]:
        assert before != after
        return self.against, self.untold

    async def findings(self, mapping: Mapping) -> list[Finding]:
        assert mapping.kinds
        return self.found

    async def begin_consent(self, owner: str) -> str:
        assert owner
        raise CannotAsk("the settings tell the flow client_credentials, for which nobody has to agree")

    async def finish_consent(self, answer: str, owner: str) -> Connection:
        assert owner
        raise CannotConnect("no attempt of this state is under way")

    async def held(self, kind: str, document_id: str) -> dict[str, Any]:
        if not self.holds:
            raise NothingHeld(f"nothing is held of {kind} {document_id}")
        return self.holds


@dataclass
class Facts:
    """Satisfies `ops.replay.LogPart`: records in one partition, all of them handled; and takes what comes again."""

    records: list[Record] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)
    away: bool = False

    def hold(self, records: Sequence[Record]) -> None:
        """As the topic has them."""
        self.records += [replace(each, partition=0, offset=at) for at, each in enumerate(records, len(self.records))]

    async def bounds(self) -> dict[int, tuple[int, int]]:
        if self.away:
            raise Unavailable("Kafka does not answer")
        return {0: (0, len(self.records))}

    async def at_time(self, moment: int) -> dict[int, int]:
        return {0: sum(record.timestamp < moment for record in self.records)}

    async def handled(self, group: str) -> dict[int, int]:
        assert group
        return {0: len(self.records)}

    async def read(self, partition: int, first: int, end: int, limit: int) -> tuple[list[Record], int]:
        assert partition == 0
        found = self.records[first : min(end, first + limit)]
        return found, first + len(found)

    async def deliver_all(self, topic: str, entries: Sequence[Entry]) -> None:
        assert topic in (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
        self.again += entries


@dataclass
class AdminWorld:
    """The page's server, its parts, and the stages beside it."""

    operator: Operator
    parts: AdminParts
    ends: Ends
    log: Log
    org: FakeOrg
    facts: Facts
    url: str = ""

    async def user(self, name: str, role: Role) -> User:
        """Somebody who may sign in with `PASSWORD`."""
        user = User(name, role, HASHED, created_at=self.operator.stage.now)
        assert await self.parts.users.add(user)
        return user

    def workshop(self) -> Workshop:
        """Where errands are done, with the topic in memory; nobody has to take a version up."""
        stage = self.operator.stage

        @asynccontextmanager
        async def replayer(_topic: str) -> AsyncIterator[Replayer]:
            yield Replayer(
                log=self.facts,
                documents=stage.documents,
                erasures=self.parts.erasures,
                operations=self.parts.operations,
                logged=partial(outcomes_of, self.operator.database),
                catalog=stage.catalog,
                timing=TIMING,
                now=lambda: stage.now,
                group="test",
            )

        return Workshop(
            database=self.operator.database,
            replayer=replayer,
            publisher=self.facts,
            timing=TIMING,
            log=structlog.get_logger(),
            taken_up=0.0,
            seconds=0.05,
            now=lambda: stage.now,
        )

    async def work(self) -> None:
        """Do all errands that there are to be done."""
        for keeper in self.workshop().keepers():
            await keeper.look()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Errands are done as long as the block runs."""
        async with asyncio.TaskGroup() as group:
            task = group.create_task(keep_all(self.workshop()))
            yield
            await end([task])

    async def erased(self) -> set[str]:
        """Of the people of these tests those of whom nothing is taken in any more."""
        assert self.parts.erasures is not None
        return await self.parts.erasures.among([f"customer:{name}" for name in ("ada", "cust-1", "cust-7")])

    @asynccontextmanager
    async def visit(self, name: str = "") -> AsyncIterator["Visitor"]:
        """A browser's cookies; signed in if a name is given."""
        async with aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            visitor = Visitor(http)
            if name:
                assert await visitor.sign_in(name) == 303
            yield visitor


class Visitor:
    """Somebody with a browser that follows no redirect by itself."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.last = ""
        self.sent_to = ""

    async def sign_in(self, name: str, password: str = PASSWORD) -> int:
        return await self.post("/admin/login", {"name": name, "password": password}, csrf=False)

    async def get(self, path: str, **headers: str) -> int:
        async with self.http.get(path, allow_redirects=False, headers=headers) as reply:
            return await self._take(reply)

    async def post(self, path: str, form: dict[str, str] | None = None, *, csrf: bool = True, **headers: str) -> int:
        """With the token of the page that was last looked at."""
        token = re.search(r'name="csrf" value="([^"]+)"', self.last)
        sent = {**(form or {}), **({"csrf": token[1]} if token and csrf else {})}
        async with self.http.post(path, data=sent, allow_redirects=False, headers=headers) as reply:
            return await self._take(reply)

    async def json(self, path: str) -> Any:
        async with self.http.get(path, headers={"Accept": "application/json"}) as reply:
            return await reply.json(content_type=None)

    async def _take(self, reply: aiohttp.ClientResponse) -> int:
        self.last = await reply.text() if reply.status != 303 else self.last
        self.sent_to = reply.headers.get("Location", "")
        return reply.status


LONG_SECONDS = 2**31 - 1
"""The longest that MongoDB takes."""


async def _keep_everything(database: AsyncDatabase[dict[str, Any]]) -> None:
    """The world's clock stands in the past: by MongoDB's own, visits and audit rows would be over within a minute."""
    for collection, declared in INDEXES.items():
        for index in declared:
            if "expireAfterSeconds" in index.document:
                kept = {"name": index.document["name"], "expireAfterSeconds": LONG_SECONDS}
                await database.command("collMod", collection, index=kept)


@asynccontextmanager
async def open_admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """On a database of the test's own, with a mapping that has a person choose phone and title."""
    await prepare(database, ["customers"])
    operator = await Operator.at(database)
    await _keep_everything(database)
    mappings = MongoMappings(database)
    operator.stage.catalog = Catalog(await mappings.seed(reviewing_mapping()))
    ends, log, org = Ends(), Log(), FakeOrg()

    async def ready() -> dict[str, str]:
        return {}

    parts = AdminParts(
        settings=AdminSettings(secure_cookies=False, refresh_seconds=0.05),
        database=database,
        documents=operator.stage.documents,
        users=MongoUsers(database),
        sessions=MongoSessions(database),
        operations=MongoOperations(database),
        gaps=MongoGapRows(database),
        overview=MongoOverview(database),
        processes=MongoProcesses(database),
        runs=MongoRuns(database),
        deliveries=MongoDeliveries(database),
        endpoints=MongoEndpoints(database, "https://platform.example/told"),
        api_keys=MongoApiKeys(database),
        mappings=mappings,
        erasures=MongoErasures(database, b"k" * 32),
        reviews=reviews_of(operator.stage, operator.stage.documents),
        parking=lambda: parking_at(database, operator.stage),
        publisher=log,
        org=org,
        deliver=DeliverSettings(secrets=SecretStr("whsec_" + "A" * 32), allowed_networks="127.0.0.0/8"),
        stages=ends,
        mapping=lambda: operator.stage.catalog.mapping,
        catalog=lambda: operator.stage.catalog,
        ready=ready,
        now=lambda: operator.stage.now,
        repair_overlap=600_000,
        timing=TIMING,
        log=operator.stage.log,
    )
    async with TestServer(application(parts)) as server:
        yield AdminWorld(operator, parts, ends, log, org, Facts(), str(server.make_url("/")))
