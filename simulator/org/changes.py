"""The event bus: change events in the order of their commits, kept for a while, read again from any known place.

It lives in the org's own database, so a commit and its events are stored together or not at all. Everything runs on
one event loop: `publish` is called within the org's transaction, and a waiter runs only after it.
"""

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.org.clock import Clock, system_clock

RETENTION_MS = 72 * 3600 * 1000
"""Change events are kept for 72 hours (Change Data Capture guide, "Event Message Durability")."""

_PRUNE_EVERY_MS = 1000


@dataclass(frozen=True, slots=True)
class StoredChange:
    """One event on the bus."""

    replay_id: int
    entity: str
    """The sObject: `Contact`."""
    at: int
    """When it was put on the bus, epoch milliseconds."""
    payload: dict[str, Any]
    """The event's `payload` with its `ChangeEventHeader`, rendered as CometD sends it."""


class ChangeBus:
    """Events by replay id. Replay ids grow and are not contiguous."""

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        clock: Clock = system_clock,
        retention_ms: int = RETENTION_MS,
        seed: int = 1,
    ) -> None:
        """`database` is the org's own, in autocommit mode; it is closed by whoever opened it."""
        self._database = database
        self._clock = clock
        self._retention_ms = retention_ms
        self._random = random.Random(seed)
        self._published = asyncio.Event()
        self._pruned_at = 0
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS bus (replay_id INTEGER PRIMARY KEY, entity TEXT NOT NULL, at INTEGER NOT NULL,"
            " visible_at INTEGER NOT NULL, payload BLOB NOT NULL)"
        )
        self._database.execute("CREATE INDEX IF NOT EXISTS bus_at ON bus (at)")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS bus_end (one INTEGER PRIMARY KEY, replay_id INTEGER, at INTEGER,"
            " visible_at INTEGER)"
        )
        last = self._database.execute("SELECT replay_id, at, visible_at FROM bus_end").fetchone()
        # A new bus begins past every id that an earlier one can have given, so that none is taken for its own.
        first = (clock() // 100, 0, 0)
        self._replay_id: int
        self._at: int
        self._visible_at: int
        self._replay_id, self._at, self._visible_at = last or first

    def publish(self, entity: str, payload: dict[str, Any], at: int, visible_at: int) -> StoredChange:
        """Put one event on the bus; subscribers see it from `visible_at` on, never before an earlier event."""
        return self.publish_all([(entity, payload)], at, visible_at)[0]

    def publish_all(self, events: Iterable[tuple[str, dict[str, Any]]], at: int, visible_at: int) -> list[StoredChange]:
        """Put (entity, payload) events on the bus in this order, all at the same time."""
        self._at = max(self._at, at)
        self._visible_at = max(self._visible_at, visible_at)
        stored = []
        for entity, payload in events:
            self._replay_id += self._random.randint(1, 7)
            stored.append(StoredChange(self._replay_id, entity, self._at, payload))
        self._database.executemany(
            "INSERT INTO bus (replay_id, entity, at, visible_at, payload) VALUES (?, ?, ?, ?, ?)",
            [(one.replay_id, one.entity, one.at, self._visible_at, orjson.dumps(one.payload)) for one in stored],
        )
        self._database.execute(
            "INSERT OR REPLACE INTO bus_end VALUES (1, ?, ?, ?)", (self._replay_id, self._at, self._visible_at)
        )
        published, self._published = self._published, asyncio.Event()
        published.set()
        return stored

    def after(self, replay_id: int | None, entities: Iterable[str] | None, limit: int) -> list[StoredChange]:
        """Up to `limit` visible events after this one (None: from the oldest kept), in order.

        `entities` limits them to these sObjects; None means all.
        """
        self._prune()
        condition, names = _of_entities(entities)
        rows = self._database.execute(
            f"SELECT replay_id, entity, at, payload FROM bus WHERE replay_id > ? AND visible_at <= ?{condition}"
            " ORDER BY replay_id LIMIT ?",
            (-1 if replay_id is None else replay_id, self._clock(), *names, limit),
        )
        return [StoredChange(number, entity, at, orjson.loads(payload)) for number, entity, at, payload in rows]

    def count_after(self, replay_id: int, entities: Iterable[str]) -> int:
        """How many visible events of these sObjects come after this one."""
        self._prune()
        condition, names = _of_entities(entities)
        (count,) = self._database.execute(
            f"SELECT count(*) FROM bus WHERE replay_id > ? AND visible_at <= ?{condition}",
            (replay_id, self._clock(), *names),
        ).fetchone()
        return int(count)

    def knows(self, replay_id: int) -> bool:
        """Whether an event of this id was given and is kept still."""
        self._prune()
        row = self._database.execute(
            "SELECT 1 FROM bus WHERE replay_id = ? AND visible_at <= ?", (replay_id, self._clock())
        ).fetchone()
        return row is not None

    def latest(self) -> int | None:
        """The newest visible event's id."""
        return self._edge("DESC")

    def earliest(self) -> int | None:
        """The oldest kept visible event's id."""
        return self._edge("ASC")

    async def wait(self, after: int | None, entities: Iterable[str] | None, timeout: float) -> bool:
        """Wait until a visible event after this one is there; False when `timeout` seconds passed first."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        condition, names = _of_entities(entities)
        while True:
            published = self._published
            (visible_at,) = self._database.execute(
                f"SELECT min(visible_at) FROM bus WHERE replay_id > ?{condition}",
                (-1 if after is None else after, *names),
            ).fetchone()
            until_visible = None if visible_at is None else (visible_at - self._clock()) / 1000
            if until_visible is not None and until_visible <= 0:
                return True
            left = deadline - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(published.wait(), left if until_visible is None else min(left, until_visible))
            except TimeoutError:
                continue

    def forget(self, up_to: int | None = None) -> int:
        """Expire every event up to and with this replay id (None: all); how many there were."""
        condition, parameters = ("", ()) if up_to is None else (" WHERE replay_id <= ?", (up_to,))
        return self._database.execute(f"DELETE FROM bus{condition}", parameters).rowcount

    def _edge(self, direction: str) -> int | None:
        self._prune()
        row: tuple[int] | None = self._database.execute(
            f"SELECT replay_id FROM bus WHERE visible_at <= ? ORDER BY replay_id {direction} LIMIT 1", (self._clock(),)
        ).fetchone()
        return row[0] if row else None

    def _prune(self) -> None:
        now = self._clock()
        if now - self._pruned_at < _PRUNE_EVERY_MS and self._retention_ms > _PRUNE_EVERY_MS:
            return
        self._pruned_at = now
        self._database.execute("DELETE FROM bus WHERE at < ?", (now - self._retention_ms,))


def _of_entities(entities: Iterable[str] | None) -> tuple[str, Sequence[str]]:
    if entities is None:
        return "", ()
    names = sorted(entities)
    return f" AND entity IN ({','.join('?' * len(names))})", names
