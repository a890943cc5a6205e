"""A part of a topic of facts, published again: planned in memory first, then record by record behind the live ones."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from adapters.kafka.producer import Entry
from adapters.mongo.operations import MongoOperations
from consumers.catalog import Catalog
from consumers.ports import Documents, ErasedList
from consumers.reconciler.rehearsal import Rehearsal, Rehearsed
from consumers.rules.timing import Timing
from ops.mapping_walk import Passed
from ops.replay_plan import PUBLISHED, Edge, Effect, Offset, ReplayPlan, Window, effect_of, is_asked_for, window_of
from schemas import marks
from schemas.log_record import Record

CHUNK: Final = 200
PACE_SECONDS: Final = 0.5


class CannotReplay(Exception):
    """Why nothing was replayed, or not to its end, in one line."""


class LogPart(Protocol):
    """One topic, read apart from the consumer groups. Raises `Unavailable` while Kafka does not answer."""

    async def bounds(self) -> dict[int, tuple[int, int]]:
        """By partition: the first offset there is, and the one behind the last."""

    async def at_time(self, moment: int) -> dict[int, int]:
        """By partition: the first offset of that time or later, or the end."""

    async def handled(self, group: str) -> dict[int, int]:
        """By partition: where the group goes on; missing where it has not begun."""

    async def read(self, partition: int, first: int, end: int, limit: int) -> tuple[list[Record], int]:
        """Records from `first` on and before `end`, and where to go on."""


class Publisher(Protocol):
    """Puts records into topics."""

    async def deliver_all(self, topic: str, entries: Sequence[Entry]) -> None:
        """Return once all are there for good; raises `Unavailable` where that is not known."""


Logged = Callable[[Sequence[str]], Awaitable[Mapping[str, Mapping[str, Any]]]]
"""What the log says of records, by `<topic>:<partition>:<offset>`."""


@dataclass(slots=True)
class Run:
    """What is to be replayed, and how far it has come. Kept as a row of `tandem_operations`."""

    id: str
    topic: str
    window: Window
    kinds: Sequence[str] = ()
    key: str = ""
    published: int = 0
    read: int = 0

    def row(self, *, by: str, note: str, at: int) -> dict[str, Any]:
        """As it is stored when it begins."""
        return {
            "_id": self.id,
            "what": "replay",
            "by": by,
            "note": note,
            "at": at,
            "topic": self.topic,
            "kinds": list(self.kinds),
            "key": self.key,
            **self._about(),
            "ends": {str(partition): end for partition, (_first, end) in self.window.parts.items()},
            "next": {str(partition): first for partition, (first, _end) in self.window.parts.items()},
            "state": "begun",
            "published": 0,
            "read": 0,
        }

    def _about(self) -> dict[str, str]:
        """The document that its key names, where it does: told in its story, and forgotten with it."""
        kind, _, document = self.key.partition(":")
        return {"kind": kind, "document": document} if document else {}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Run":
        """What is left of one that was begun."""
        parts = {int(partition): (row["next"][partition], end) for partition, end in row["ends"].items()}
        left = {partition: part for partition, part in parts.items() if part[0] < part[1]}
        return cls(row["_id"], row["topic"], Window(left), row["kinds"], row["key"], row["published"], row["read"])


@dataclass(frozen=True, slots=True)
class Replayer:
    """Plans and runs. `now` gives epoch milliseconds; `group` is whose handling of the topic counts.

    `erasures` is the list of erased people, of whom nothing is published again; without it nobody can be erased.
    """

    log: LogPart
    documents: Documents
    erasures: ErasedList | None
    operations: MongoOperations
    logged: Logged
    catalog: Catalog
    timing: Timing
    now: Callable[[], int]
    group: str
    pace: Callable[[], Awaitable[None]] = field(default=lambda: asyncio.sleep(PACE_SECONDS))

    async def window(self, start: Edge, stop: Edge | None) -> Window:
        """What lies between, as far as it is handled.

        Raises:
            CannotReplay: there is no such partition, or the two are of different ones.
            Unavailable: Kafka does not answer.
        """
        bounds = await self.log.bounds()
        for edge in (start, stop):
            if isinstance(edge, Offset) and edge.partition not in bounds:
                raise CannotReplay(f"there is no partition {edge.partition}: they are 0 to {max(bounds)}")
        if isinstance(start, Offset) and isinstance(stop, Offset) and start.partition != stop.partition:
            raise CannotReplay("both offsets must be of one partition")
        first = await self._offsets(start)
        end = {} if stop is None else await self._offsets(stop)
        if isinstance(stop, Offset):
            first = {stop.partition: first[stop.partition]}
        return window_of(bounds, first, end, await self.log.handled(self.group))

    async def plan(self, run: Run, passed: Passed, names: int = 0) -> ReplayPlan:
        """What would become of each record, as the documents are; nothing is changed.

        Raises:
            Unavailable: Kafka or MongoDB does not answer.
        """
        plan = ReplayPlan(names)
        async for _partition, told, _next in self._decided(run):
            for _record, effect, rehearsed in told:
                plan.add(effect, rehearsed)
            passed(len(told))
        return plan

    async def publish(
        self, run: Run, publisher: Publisher, passed: Passed, waits: Callable[[int], None], *, lag: int
    ) -> None:
        """Publish what would change something, marked, behind the live records: waits while `lag` are not handled.

        How far it has come is stored after each part, so it may end at any instant and be gone on with; what was
        published and not noted comes twice then, which is as good as once. `waits` is told the lag that is waited for.

        Raises:
            Unavailable: Kafka or MongoDB does not answer.
        """
        async for partition, told, following in self._decided(run):
            entries = [_entry(record, run.id) for record, effect, _told in told if effect in PUBLISHED]
            if entries:
                await self._let_live_ones_pass(lag, waits)
                await publisher.deliver_all(run.topic, entries)
            run.published += len(entries)
            run.read += len(told)
            noted = {
                f"next.{partition}": following,
                "published": run.published,
                "read": run.read,
                "last_at": self.now(),
            }
            await self.operations.end(run.id, noted)
            passed(len(told))
        await self.operations.end(run.id, {"state": "done", "ended_at": self.now()})

    async def _let_live_ones_pass(self, lag: int, waits: Callable[[int], None]) -> None:
        while (behind := await self._behind()) > lag:
            waits(behind)
            await self.pace()
        waits(0)

    async def _behind(self) -> int:
        """Records of the topic that the group has not handled."""
        bounds, handled = await self.log.bounds(), await self.log.handled(self.group)
        return sum(
            max(0, end - max(first, handled.get(partition, first))) for partition, (first, end) in bounds.items()
        )

    async def _decided(self, run: Run) -> AsyncIterator[tuple[int, list[tuple[Record, Effect, Rehearsed | None]], int]]:
        """Part by part: the partition, its records and what becomes of each, and the offset to go on at."""
        rehearsal = Rehearsal(self.documents, self.erasures, self.catalog, self.timing, self.now)
        for partition, (first, end) in sorted(run.window.parts.items()):
            at = first
            while at < end:
                records, following = await self.log.read(partition, at, end, CHUNK)
                yield partition, await self._effects(run, rehearsal, records), following
                at = following

    async def _effects(
        self, run: Run, rehearsal: Rehearsal, records: Sequence[Record]
    ) -> list[tuple[Record, Effect, Rehearsed | None]]:
        key = run.key.encode()
        asked = [record for record in records if (not key or record.key == key) and marks.REPLAY not in record.headers]
        told = dict(zip(map(_place, asked), await rehearsal.decide(asked), strict=True))
        logged = await self.logged(list(told))
        effects: list[tuple[Record, Effect, Rehearsed | None]] = []
        for record in records:
            rehearsed = told.get(_place(record))
            if rehearsed is None:
                marked = marks.REPLAY in record.headers
                effects.append((record, Effect.MARKED if marked else Effect.LEFT_OUT, None))
            elif not is_asked_for(rehearsed, run.kinds):
                effects.append((record, Effect.LEFT_OUT, rehearsed))
            else:
                effect = effect_of(record, rehearsed, logged.get(_place(record)), self.catalog.version)
                effects.append((record, effect, rehearsed))
        return effects

    async def _offsets(self, edge: Edge) -> dict[int, int]:
        return {edge.partition: edge.offset} if isinstance(edge, Offset) else await self.log.at_time(edge)


def new_run_id() -> str:
    """A run's name that a person can tell from others."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def check_kinds(catalog: Catalog, kinds: Sequence[str]) -> None:
    """Refuse a kind that is none.

    Raises:
        CannotReplay: it says which there are.
    """
    for kind in kinds:
        if kind not in catalog.kinds:
            raise CannotReplay(f'"{kind}" is no kind of the mapping; there are: {", ".join(catalog.kinds)}')


def _place(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def _entry(record: Record, run: str) -> Entry:
    return record.key, record.value, marks.for_replay(record.raw_headers, run, record.timestamp)
