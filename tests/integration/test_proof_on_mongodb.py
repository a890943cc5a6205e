"""The proof once more with the real reconciler and writer, two of each at once, on real MongoDB.

The same causal oracle judges: it is told what the document showed, by `seen`, and what the record held at each edit.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.oracle import Ledger
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.reconciler.reconciler import Reconciler
from consumers.writer.writer import Writer
from schemas import topics
from schemas.log_record import Record

pytestmark = pytest.mark.integration

TWO_WAY = {"title": "Title", "department": "Department", "first_name": "FirstName"}
WAITS = (1, 40, 700, 2_500, 6_000)


@dataclass
class Contention:
    """Two reconcilers and two writers on one stage; whatever a seed says happens to one customer."""

    stage: Stage
    rng: random.Random
    posts: list[Record] = field(default_factory=list)
    heard: int = 0
    changes: list[Record] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        self.reconcilers: list[Reconciler] = [self.stage.new_reconciler() for _ in range(2)]
        self.writers: list[Writer] = [self.stage.new_writer() for _ in range(2)]

    async def edit_on_the_platform(self, path: str) -> str:
        """Somebody edits a field of the document as it is now, and the platform says which revision that was."""
        self.stage.now += 1
        document = await self.stage.document()
        value = f"value {len(self.ledger.edits)}"
        seen = self.ledger.with_value(TWO_WAY[path], document.get(path), "salesforce")
        self.ledger.add("platform", TWO_WAY[path], value, order=self.stage.now, saw=[seen])
        self.posts.append(self.stage.event({path: value}, changed=[path], seen=document["revision"]))
        return value

    def edit_in_salesforce(self, name: str) -> str:
        """Somebody edits the record as it is now."""
        self.stage.now += 1
        contact = self.stage.contact()
        value = f"value {len(self.ledger.edits)}"
        seen = self.ledger.with_value(name, contact.get(name), "platform")
        self.ledger.add("salesforce", name, value, order=self.stage.now, saw=[seen])
        self.stage.salesforce.edit("Contact", contact["Id"], {name: value})
        return value

    def take_changes(self) -> list[Record]:
        """What the stream has brought, at times from a little earlier on again."""
        waiting, self.stage.changes[:] = self.stage.changes[:], []
        self.changes.extend(self.stage.change(change) for change in waiting)
        start = max(0, self.heard - self.rng.choice((0, 0, 3)))
        batch = self.changes[start:]
        self.heard = len(self.changes)
        return batch

    async def work(self) -> None:
        """Both reconcilers and both writers at once, on the same document."""
        posts = [self.posts.pop(self.rng.randrange(len(self.posts))) for _ in range(min(2, len(self.posts)))]
        again = posts[:1] if self.rng.random() < 0.3 else []
        changes = self.take_changes()
        bells, self.stage.doorbells.rung[:] = self.stage.doorbells.rung[:], []
        rung = [self.stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in bells]
        work = [self.reconcilers[0].handle(posts), self.reconcilers[1].handle(changes + again)]
        work += [writer.handle(rung) for writer in self.writers if rung]
        await asyncio.gather(*work)

    async def happen(self) -> None:
        """One thing."""
        match self.rng.randrange(8):
            case 0 | 1:
                await self.edit_on_the_platform(self.rng.choice(list(TWO_WAY)))
            case 2 | 3:
                self.edit_in_salesforce(self.rng.choice(list(TWO_WAY.values())))
            case 4:
                self.stage.now += self.rng.choice(WAITS)
            case 5:
                lands: Any = self.rng.choice(("never", "at_once", "later"))
                self.stage.salesforce.fail_next_call(lands=lands)
            case _:
                await self.work()

    async def rest(self) -> None:
        """Everything delivered, nothing due."""
        salesforce = self.stage.salesforce
        salesforce._call_faults.clear()
        while salesforce._late:
            salesforce.land_late()
        for _round in range(200):
            self.stage.now += 700
            await self.stage.sweep.ring_due()
            busy = bool(self.posts or self.stage.changes or self.stage.doorbells.rung)
            await self.work()
            if not busy and not await self.stage.documents.due("customers", self.stage.now + 40_000, 1):
                return
        raise AssertionError("does not come to rest")


@pytest.fixture
async def stage(database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """On the real MongoDB."""
    await prepare(database, ["customers"])
    return Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))


@pytest.mark.parametrize("seed", range(10))
async def test_two_of_each_converge_on_mongodb(
    stage: Stage, database: AsyncDatabase[dict[str, Any]], seed: int
) -> None:
    """Both sides equal, one record, no call at rest, losers audited, an edit in the quiet wins on either side."""
    contention = Contention(stage, random.Random(seed))
    await stage.post({"last_name": "Lovelace"})
    await stage.settle()
    for _step in range(40):
        await contention.happen()
    await contention.rest()
    await judge(contention, database)
    calls = len(stage.salesforce.calls)
    await contention.rest()
    assert len(stage.salesforce.calls) == calls
    for side in ("platform", "salesforce"):
        stage.now += 60_000
        if side == "platform":
            wanted = await contention.edit_on_the_platform("title")
        else:
            wanted = contention.edit_in_salesforce("Title")
        await contention.rest()
        assert (await stage.document())["title"] == stage.contact()["Title"] == wanted
    await judge(contention, database)


async def judge(contention: Contention, database: AsyncDatabase[dict[str, Any]]) -> None:
    """What the oracle says of document, record and audit as they are."""
    stage = contention.stage
    document, contact = await stage.document(), stage.contact()
    assert len(stage.salesforce.rows["Contact"]) == 1
    assert not document["_sync"].get("audit")
    audit = await database["salesforce_sync_logs"].find({"type": "audit"}).to_list()
    for path, name in TWO_WAY.items():
        assert document.get(path) == contact.get(name), path
        contention.ledger.judge_survivor(name, document.get(path))
        contention.ledger.judge_losers(name, {document.get(path)}, audit)
    assert await database["tandem_parked"].count_documents({}) == 0
