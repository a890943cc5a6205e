"""The witnesses themselves: the journal's file, the org's admin pages, and MongoDB. They read and do nothing else."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure

from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.history import Row
from simulator.observer.judge import judge
from simulator.observer.verdict import Verdict

AUDIT_LOG: Final = "salesforce_sync_logs"
GAPS: Final = "tandem_gaps"
PARKED: Final = "tandem_parked"
POSITIONS: Final = "tandem_positions"
_PAGE: Final = 5_000
_CONFLICTS: Final = {"type": "audit", "rule": {"$regex": "^1[38]"}}
"""Settled by a policy (merge rules 13 and 18), not what a trigger made of a write."""


def read_lines(path: Path) -> list[Row]:
    """The rows of the platform's journal; none where it has not begun to write. A last line that is cut is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [orjson.loads(line) for line in lines if line.endswith(b"\n")]


class OrgWitness:
    """The org's own log and records, by its admin pages at `base_url`."""

    def __init__(self, http: aiohttp.ClientSession, base_url: str, *, page: int = _PAGE) -> None:
        self._http = http
        self._base_url = base_url
        self._page = page

    async def commits(self, after: int = 0) -> list[Row]:
        """Every row of the commit log whose number is greater than `after`, in order.

        Raises:
            aiohttp.ClientError: the org does not answer as it should.
        """
        return [row async for row in self._pages("/admin/commits", str(after), "number")]

    async def records(self, sobject: str) -> list[Row]:
        """Every live record.

        Raises:
            aiohttp.ClientError: as `commits`.
        """
        return [row async for row in self._pages(f"/admin/records/{sobject}", "", "Id")]

    async def _pages(self, path: str, after: str, key: str) -> AsyncIterator[Row]:
        while True:
            query = {"after": after, "limit": str(self._page)}
            async with self._http.get(f"{self._base_url}{path}", params=query) as response:
                response.raise_for_status()
                rows = orjson.loads(await response.read())
            for row in rows:
                yield row
            if not rows:
                return
            after = str(rows[-1][key])


@dataclass(frozen=True, slots=True)
class Pulse:
    """How many documents there are, all their revisions summed, how many are not in step yet, and the ids of those that
    are not and that wait for no other document's record.

    Not in step is a document that says so, one that has a time at which it is to be looked at (as after a write whose
    answer never came), or one that holds audit rows which are not in the log yet. One that says it is kept back, and is
    not looked at again soon, is in step: whether it should be kept back, the judge finds out.
    """

    documents: int
    revisions: int
    pending: int
    late: frozenset[str] = frozenset()


_NOT_SOON_MS = 3_600_000

MongoGone = ConnectionFailure
"""What readers raise while MongoDB is away."""


class MongoWitness:
    """The documents and the audit rows as MongoDB holds them."""

    def __init__(self, database: AsyncDatabase[dict[str, Any]]) -> None:
        self._database = database

    async def documents(self, collection: str) -> list[Row]:
        """Every document of a collection."""
        return [row async for row in self._database[collection].find()]

    async def audit(self) -> list[Row]:
        """Every audit row."""
        return [row async for row in self._database[AUDIT_LOG].find({"type": "audit"})]

    async def newest_conflicts(self, limit: int) -> list[Row]:
        """The audit rows of conflicts settled last, newest first."""
        return [row async for row in self._database[AUDIT_LOG].find(_CONFLICTS).sort("at", -1).limit(limit)]

    async def newest_documents(self, collection: str, limit: int) -> list[Row]:
        """The documents that changed last, newest first."""
        newest = self._database[collection].find({}, {"_sync": False}).sort("salesforce.lastSyncedAt", -1)
        return [row async for row in newest.limit(limit)]

    async def pulse(self, collection: str) -> Pulse:
        """Whether anything moves in a collection."""
        has_time = {"$ne": [{"$ifNull": ["$_sync.due_at", None]}, None]}
        late = {"$gt": ["$_sync.due_at", {"$add": [{"$toLong": "$$NOW"}, _NOT_SOON_MS]}]}
        kept_back = {"$and": [{"$eq": ["$salesforce.syncStatus", "filtered"]}, late]}
        waits = {"$and": [has_time, {"$not": [kept_back]}]}
        undrained = {"$ne": [{"$ifNull": ["$_sync.audit", []]}, []]}
        says_so = {"$eq": ["$salesforce.syncStatus", "pending"]}
        not_in_step = {"$or": [says_so, waits, undrained]}
        by_itself = {"$eq": [{"$ifNull": ["$_sync.awaited", None]}, None]}
        sums = {
            "documents": {"$sum": 1},
            "revisions": {"$sum": "$revision"},
            "pending": {"$sum": {"$cond": [not_in_step, 1, 0]}},
            "late": {"$push": {"$cond": [{"$and": [not_in_step, by_itself]}, "$_id", "$$REMOVE"]}},
        }
        cursor = await self._database[collection].aggregate([{"$group": {"_id": None, **sums}}])
        async for row in cursor:
            return Pulse(row["documents"], row["revisions"], row["pending"], frozenset(row["late"]))
        return Pulse(0, 0, 0)

    async def gaps(self) -> list[Row]:
        """Every gap that was recorded."""
        return [row async for row in self._database[GAPS].find({})]

    async def open_gaps(self) -> int:
        """How many gaps are not closed."""
        return await self._database[GAPS].count_documents({"state": {"$ne": "closed"}})

    async def parked(self) -> list[Row]:
        """Every record that was parked."""
        return [row async for row in self._database[PARKED].find({})]

    async def position(self) -> int:
        """How far the change stream has been taken in: a replay id, 0 where it has not begun."""
        found = await self._database[POSITIONS].find_one({"channel": {"$not": {"$regex": "^/poll/"}}})
        return 0 if found is None else max(0, int(found["replay_id"]))

    async def count_conflicts(self) -> int:
        """How many conflicts have been settled."""
        return await self._database[AUDIT_LOG].count_documents(_CONFLICTS)


@asynccontextmanager
async def open_mongo(uri: str, database: str) -> AsyncIterator[MongoWitness]:
    """The witness of a database; majority reads, so that nothing is seen that a failover could take back."""
    async with AsyncMongoClient[dict[str, Any]](uri, tz_aware=True, readConcernLevel="majority") as client:
        yield MongoWitness(client[database])


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the witnesses said. `records` are by sObject, `documents` by collection."""

    journal: Sequence[Row]
    commits: Sequence[Row]
    records: Mapping[str, Sequence[Row]]
    documents: Mapping[str, Sequence[Row]]
    audit: Sequence[Row]
    gaps: Sequence[Row] = ()

    def judge(self, mapping: FieldsMapping, *, resting_since: int | None = None) -> Verdict:
        """The verdict; `resting_since` as in `judge`."""
        return judge(
            self.journal,
            self.commits,
            self.records,
            self.documents,
            self.audit,
            mapping,
            resting_since=resting_since,
            gaps=self.gaps,
        )

    def save(self, folder: Path) -> None:
        """Keep it in files of JSON lines, to look into what was found. It holds personal data."""
        named = {"commits": self.commits, "audit": self.audit, "gaps": self.gaps, **self.records, **self.documents}
        for name, rows in named.items():
            lines = [orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in rows]
            (folder / f"{name}.jsonl").write_bytes(b"".join(lines))


async def hear(journal: Path, org: OrgWitness, mongo: MongoWitness, mapping: FieldsMapping) -> Evidence:
    """Hear every witness.

    Raises:
        aiohttp.ClientError, pymongo.errors.PyMongoError: one cannot be heard.
    """
    kinds = mapping.kinds.values()
    return Evidence(
        journal=read_lines(journal),
        commits=await org.commits(),
        records={sobject: await org.records(sobject) for sobject in mapping.objects()},
        documents={kind.collection: await mongo.documents(kind.collection) for kind in kinds},
        audit=await mongo.audit(),
        gaps=await mongo.gaps(),
    )
