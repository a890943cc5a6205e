"""Removes a person from both systems and from everything that is kept beside; any instant is a good one to die.

The order: the names are in the list of erased people before anything is removed, so that nothing comes in again; the
ids of the records are kept before the documents that name them go; and all is done a second time when no call that was
under way can land any more.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from adapters.mongo.erasures import MongoErasures
from adapters.mongo.removal import MongoRemoval
from consumers.catalog import Catalog
from consumers.ports import Records
from consumers.writer.kept import by_place
from ops.erasure.finder import Finder, Found, Thing, spelled
from schemas.erasure import Erasure, ErasureState, Removed, record_name, thing_name
from schemas.records import Failure, RowResult
from schemas.unavailable import Unavailable

HELD_MILLISECONDS: Final = 300_000
LEFT_MILLISECONDS: Final = 3_600_000
"""What Salesforce would not delete is tried again after so long, until a person has made it possible."""
ROWS_A_CALL: Final = 200
NEVER: Final = "never: the topic's retention has no end"


class RecycleBin(Protocol):
    """What removes deleted records for good."""

    async def empty(self, record_ids: Sequence[str]) -> tuple[int, Mapping[str, str]]:
        """How many were removed, and by id a code for each that stays."""


@dataclass(frozen=True, slots=True)
class Eraser:
    """`retentions` gives milliseconds by topic, negative for ever; `now` epoch milliseconds.

    `settle` is after how many milliseconds a removed person is looked for once more.
    """

    erasures: MongoErasures
    removal: MongoRemoval
    records: Records
    recycle_bin: RecycleBin
    catalog: Callable[[], Catalog]
    retentions: Callable[[], Awaitable[Mapping[str, int]]]
    now: Callable[[], int]
    settle: int

    async def work(self) -> int:
        """Do what is due; how many passes.

        Raises:
            Unavailable: MongoDB, Kafka or Salesforce does not answer. What was taken is due again in some minutes.
        """
        passes = 0
        while (erasure := await self.erasures.take(self.now(), self.now() + HELD_MILLISECONDS)) is not None:
            await self.erase(erasure)
            passes += 1
        return passes

    async def at_once(self, kind: str, document_id: str, by: str) -> None:
        """Ask, and make the pass that is to be made now: none beside another's, and no last one before its time.

        Raises:
            Unavailable: as `work`; it may be asked for again at once.
        """
        now = self.now()
        await self.erasures.ask_again(kind, document_id, now, by)
        taken = await self.erasures.take(now, now + HELD_MILLISECONDS, self.erasures.id_of(kind, document_id))
        if taken is None:
            return
        try:
            await self.erase(taken)
        except Unavailable:
            await self.erasures.let_go(taken, self.now())
            raise

    async def erase(self, erasure: Erasure) -> Removed:
        """One pass. Raises as `work`."""
        last = is_last(erasure, now=self.now(), settle=self.settle)
        catalog, removed = self.catalog(), Removed()
        kind = catalog.kinds.get(erasure.kind)
        if kind is None:
            removed.left.append(f"the mapping has no kind {erasure.kind} any more")
            found = Found([(erasure.kind, erasure.document_id)], {})
        else:
            found = await Finder(self.removal, self.records).find(
                kind, erasure.document_id, catalog, things=erasure.things, records=erasure.records
            )
        names = [thing_name(*thing) for thing in found.things] + [record_name(each) for each in found.record_ids]
        await self.erasures.add(names, self.now())
        records = [(name, each) for name, ids in found.records.items() for each in ids]
        await self.erasures.found(erasure, found.things, records)
        # Before the documents go, which alone tell the addresses.
        for name, count in (await self.removal.forget_mentions(found.mentions())).items():
            removed.add(f"mongodb.{name}", count)
        await self._remove_documents(found, catalog, removed)
        await self._remove_records(found, catalog, removed)
        collections = {each.name: each.collection for each in catalog.kinds.values()}
        rows = await self.removal.remove_rows(found.things, collections, found.record_ids, found.looked_up())
        for name, count in rows.items():
            removed.add(f"mongodb.{name}", count)
        now = self.now()
        topics = {name: _until(kept, now) for name, kept in (await self.retentions()).items()}
        again_at = now + self.settle if not last else None
        if removed.left:
            again_at = now + max(self.settle, LEFT_MILLISECONDS)
        await self.erasures.passed(erasure, removed, topics, now=now, again_at=again_at)
        return removed

    async def apply(self, by: str) -> list[Thing]:
        """Have everybody in the list forgotten again of whom something is kept, as after a restore; whom.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        back: list[Thing] = []
        for kind in self.catalog().kinds.values():
            pages = [self.removal.ids(kind.collection), self.removal.things(kind.name)]
            for ids in pages:
                async for page in ids:
                    erased = await self.erasures.among([thing_name(kind.name, each) for each in page])
                    back += [(kind.name, each) for each in page if thing_name(kind.name, each) in erased]
        for thing in dict.fromkeys(back):
            await self.erasures.ask_again(*thing, self.now(), by)
        return list(dict.fromkeys(back))

    async def _remove_documents(self, found: Found, catalog: Catalog, removed: Removed) -> None:
        for name, ids in _by_kind(found.things).items():
            kind = catalog.kinds.get(name)
            if kind is not None:
                removed.add(f"mongodb.{kind.collection}", await self.removal.remove_documents(kind.collection, ids))
        for kind in catalog.kinds.values():
            for rule in kind.lookups:
                values = [each for thing in found.things if thing[0] in rule.lookup for each in spelled(thing)]
                if values and not rule.required:
                    count = await self.removal.forget_lookup(kind.collection, rule.dotted, rule.name, values)
                    removed.add(f"mongodb.{kind.collection}.{rule.dotted}", count)

    async def _remove_records(self, found: Found, catalog: Catalog, removed: Removed) -> None:
        """What names the person first, since a Contact with members of campaigns may not be deleted before them."""
        for name in reversed(list(_by_kind(found.things))):
            kind = catalog.kinds.get(name)
            if kind is None:
                continue
            for place, ids in by_place(kind, found.records.get(name, ())):
                removed.add(f"salesforce.{place.sobject}", 0)
                for start in range(0, len(ids), ROWS_A_CALL):
                    some = ids[start : start + ROWS_A_CALL]
                    answers = await self.records.delete(place.sobject, some)
                    _note(answers, place.sobject, removed)
                    emptied, left = await self.recycle_bin.empty(some)
                    removed.add("salesforce.recycle_bin", emptied)
                    removed.left += [f"{place.sobject} in the recycle bin: {code}" for code in left.values()]


def is_last(erasure: Erasure, *, now: int, settle: int) -> bool:
    """Whether nothing that was under way when the person was removed can land after a pass that begins now."""
    return erasure.state is ErasureState.REMOVED and now >= erasure.passes[-1]["at"] + settle


def _note(answers: Sequence[RowResult], sobject: str, removed: Removed) -> None:
    """Count what was deleted, and name what Salesforce keeps.

    Raises:
        Unavailable: for a row it was not tried, or nobody knows: the whole pass is made again.
    """
    for answer in answers:
        if answer.succeeded:
            removed.add(f"salesforce.{sobject}", 1)
        elif answer.failure in (Failure.NOT_RUN, Failure.UNKNOWN):
            raise Unavailable(f"Salesforce did not delete: {answer.code}")
        elif answer.failure is not Failure.GONE:
            removed.left.append(f"{sobject}: {answer.code}")


def _by_kind(things: Sequence[Thing]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, document_id in things:
        found.setdefault(kind, []).append(document_id)
    return found


def _until(kept: int, now: int) -> str:
    if kept < 0:
        return NEVER
    return datetime.fromtimestamp((now + kept) / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
