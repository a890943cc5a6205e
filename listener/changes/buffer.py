"""The bounded buffer between the stream, which must not wait, and the subscriber, which may."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from schemas.change import Change
from schemas.stream import Position, ReplayId


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came. `data` is the message's data, unread; `received_at` is our clock, epoch milliseconds."""

    channel: str
    replay_id: ReplayId | None
    data: Any
    received_at: int


@dataclass(frozen=True, slots=True)
class PositionRefused:
    """The server does not know this replay id any more. The source waits for `resume` before it goes on."""

    channel: str
    replay_id: ReplayId
    error: str


@dataclass(frozen=True, slots=True)
class Polled:
    """A change that a poll found, and where the poll stands once it is safe in the log."""

    channel: str
    change: Change
    position: Position
    received_at: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A poll has come to its end: whatever was modified until there is in the buffer before this."""

    channel: str
    position: Position


Item = Event | PositionRefused | Polled | Reached


class Buffer:
    """Items in order of arrival, for one consumer.

    Putting never waits: the source looks at `full` and stops asking for more, so the memory is bounded by the high
    mark and one reply. Items are looked at (`peek`) and taken out (`discard`) in two steps without a wait between, so
    a cancelled consumer loses nothing.
    """

    def __init__(self, *, high: int, low: int) -> None:
        """`high`: from this many items on it is full. `low`: from this few on there is room again."""
        if not 0 <= low < high:
            raise ValueError("the low mark must be below the high mark")
        self._high = high
        self._low = low
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """True from the high mark on until the low mark is reached."""
        return not self._room.is_set()

    def put(self, items: Iterable[Item]) -> None:
        """Append all, whatever the marks say."""
        self._items.extend(items)
        if self._items:
            self._filled.set()
        if len(self._items) >= self._high:
            self._room.clear()

    async def filled(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    async def room(self) -> None:
        """Wait, if it is full, until the low mark is reached."""
        await self._room.wait()

    def peek(self, limit: int) -> list[Item]:
        """The first items, at most `limit`, which stay where they are."""
        return list(islice(self._items, limit))

    def discard(self, count: int) -> None:
        """Take the first `count` items out: they are dealt with."""
        for _ in range(count):
            self._items.popleft()
        if not self._items:
            self._filled.clear()
        if len(self._items) <= self._low:
            self._room.set()
