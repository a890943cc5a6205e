"""The list of erased people (`tandem_erased`: keyed hashes), and erasures with their certificates (`tandem_erasures`).

Both are in a database of their own, so that no restore of the other brings anybody back.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne

from adapters.mongo.answering import answering
from adapters.mongo.client import Database, open_database
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.overview import MOST
from adapters.mongo.settings import MongoSettings
from schemas.erasure import Erasure, ErasureState, Removed, erased_hash, thing_name

ERASED = "tandem_erased"
ERASURES = "tandem_erasures"
NAMES_AT_ONCE: Final = 1_000

Row = dict[str, Any]


class MongoErasures:
    """Satisfies `consumers.ports.Erasures`. Every method raises `Unavailable` as `answering`."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._erased = database[ERASED]
        self._erasures = database[ERASURES]
        self._key = key
        self._some = False
        """Whether anybody was ever found in the list: nobody is taken off it."""

    async def prepare(self) -> None:
        """Make the index."""
        with answering():
            await self._erasures.create_indexes([IndexModel([("state", ASCENDING), ("due_at", ASCENDING)], name="due")])

    async def among(self, names: Sequence[str]) -> set[str]:
        """Those of the names that were erased.

        While the list is empty that is all that is asked of it, each time anew: no name is hashed and looked up.
        """
        if not self._some and not await self._has_some():
            return set()
        found: set[str] = set()
        for start in range(0, len(names), NAMES_AT_ONCE):
            hashes = {erased_hash(self._key, name): name for name in names[start : start + NAMES_AT_ONCE]}
            with answering():
                rows = await self._erased.find({"_id": {"$in": list(hashes)}}, {"_id": 1}).to_list()
            found |= {hashes[row["_id"]] for row in rows}
        return found

    async def _has_some(self) -> bool:
        with answering():
            self._some = await self._erased.find_one({}, {"_id": 1}) is not None
        return self._some

    async def add(self, names: Sequence[str], now: int) -> None:
        """From now on these count as erased."""
        if not names:
            return
        kept = [
            UpdateOne({"_id": erased_hash(self._key, name)}, {"$setOnInsert": {"at": now}}, upsert=True)
            for name in names
        ]
        with answering():
            await self._erased.bulk_write(kept, ordered=False)

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> bool:
        """Have a person forgotten: nothing more is taken in of them from now on. False where that was asked before."""
        name = thing_name(kind, document_id)
        await self.add([name], now)
        asked = {"kind": kind, "document": document_id, "asked_at": now, "by": by, "due_at": now}
        first = {**asked, "state": ErasureState.ASKED, "passes": []}
        with answering():
            ended = await self._erasures.update_one(
                {"_id": erased_hash(self._key, name)}, {"$setOnInsert": first}, upsert=True
            )
        return ended.upserted_id is not None

    async def ask_again(self, kind: str, document_id: str, now: int, by: str) -> None:
        """As `ask`; one that was done is begun anew, as after a restore."""
        if await self.ask(kind, document_id, now, by):
            return
        again = {"kind": kind, "document": document_id, "state": ErasureState.ASKED, "due_at": now}
        again["asked_again_at"] = now
        with answering():
            await self._erasures.update_one(
                {"_id": erased_hash(self._key, thing_name(kind, document_id)), "state": ErasureState.DONE},
                {"$set": again},
            )

    async def take(self, now: int, held_until: int, erasure_id: str = "") -> Erasure | None:
        """One that is due and that nobody holds, held until then; None where there is none.

        With an id that one: due, not begun yet, or with something left that may be removed by now.
        """
        wanted: Row = {"state": {"$ne": ErasureState.DONE}, "due_at": {"$lte": now}}
        if erasure_id:
            last_left = {"$ifNull": [{"$last": "$passes.left"}, []]}
            worth = [
                {"due_at": {"$lte": now}},
                {"state": ErasureState.ASKED},
                {"$expr": {"$gt": [{"$size": last_left}, 0]}},
            ]
            unheld = {"$or": [{"held_until": None}, {"held_until": {"$lte": now}}]}
            wanted = {"_id": erasure_id, "state": wanted["state"], "$and": [{"$or": worth}, unheld]}
        with answering():
            row = await self._erasures.find_one_and_update(
                wanted,
                {"$set": {"due_at": held_until, "held_until": held_until}},
                sort=[("due_at", ASCENDING)],
                return_document=ReturnDocument.AFTER,
            )
        return None if row is None else _erasure(row)

    async def let_go(self, erasure: Erasure, now: int) -> None:
        """A pass that was taken has not come to its end, and is due again."""
        with answering():
            await self._erasures.update_one(
                {"_id": erasure.id, "held_until": {"$ne": None}}, {"$set": {"due_at": now, "held_until": None}}
            )

    async def found(
        self, erasure: Erasure, things: Sequence[tuple[str, str]], records: Sequence[tuple[str, str]]
    ) -> None:
        """These are the person's: kept before anything is removed, since the documents name them."""
        kept = {
            name: {"$each": [{"kind": kind, "id": each} for kind, each in named]}
            for name, named in (("things", things), ("records", records))
        }
        with answering():
            await self._erasures.update_one({"_id": erasure.id}, {"$addToSet": kept})

    async def passed(
        self, erasure: Erasure, removed: Removed, topics: Mapping[str, str], *, now: int, again_at: int | None
    ) -> None:
        """A pass has ended. With no further one the person's own names go, and the certificate is left."""
        told = {"at": now, "removed": removed.counts, "left": removed.left}
        values: Row = {"topics": dict(topics), "state": ErasureState.REMOVED, "due_at": again_at, "held_until": None}
        update: Row = {"$push": {"passes": told}, "$set": values}
        if again_at is None:
            values |= {"state": ErasureState.DONE, "done_at": now}
            update["$unset"] = {"document": "", "things": "", "records": "", "due_at": "", "held_until": ""}
            del values["due_at"], values["held_until"]
        with answering():
            await self._erasures.update_one({"_id": erasure.id}, update)

    async def certificate(self, kind: str, document_id: str) -> Row | None:
        """What is known of an erasure, whatever its state."""
        with answering():
            return await self._erasures.find_one({"_id": self.id_of(kind, document_id)})

    async def unfinished(self) -> int:
        """How many are not done."""
        with answering():
            return await self._erasures.count_documents({"state": {"$ne": ErasureState.DONE}})

    async def late(self, before: int) -> int:
        """How many that were asked for, or asked for again, before then (epoch milliseconds) are not done."""
        states = [str(state) for state in ErasureState if state is not ErasureState.DONE]
        asked = {"asked_at": {"$lt": before}, "asked_again_at": {"$not": {"$gte": before}}}
        with answering():
            return await self._erasures.count_documents({"state": {"$in": states}, **asked}, limit=MOST)

    def id_of(self, kind: str, document_id: str) -> str:
        """The id of a person's erasure, and of the certificate: it names nobody."""
        return erased_hash(self._key, thing_name(kind, document_id))


@asynccontextmanager
async def open_erasures(settings: ErasedSettings, main: MongoSettings) -> AsyncIterator[MongoErasures | None]:
    """The list, open for as long as the block runs; None where no key is set.

    Raises:
        Unavailable, Refused: as `open_database`.
    """
    key = settings.secret()
    if key is None:
        yield None
        return
    async with open_database(settings.mongo(main)) as database:
        erasures = MongoErasures(database, key)
        await erasures.prepare()
        yield erasures


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row["_id"],
        kind=row["kind"],
        document_id=row["document"],
        asked_at=row["asked_at"],
        state=ErasureState(row["state"]),
        things=tuple((each["kind"], each["id"]) for each in row.get("things", ())),
        records=tuple((each["kind"], each["id"]) for each in row.get("records", ())),
        passes=tuple(row.get("passes", ())),
    )
