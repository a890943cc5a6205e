"""The bounded buffer between the stream, which must not wait, and the subscriber, which may."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from schemas.change import Change
from schemas.stream import Position, ReplayId

HIGH_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came. `data` is the message's data, unread; `received_at` is our clock, epoch milliseconds."""

    channel: str
    replay_id: ReplayId | None
    data: Any
    received_at: int
    size: int = 0
    """How many bytes it came in, about."""


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
    marks, of items and of the bytes that they came in, and one reply. Items are looked at (`peek`) and taken out
    (`discard`) in two steps without a wait between, so a cancelled consumer loses nothing.
    """

    def __init__(self, *, high: int, low: int, high_bytes: int = HIGH_BYTES) -> None:
        """`high`, `high_bytes`: from this many items, or bytes, on it is full. `low`: from this few items and a quarter
        of those bytes on there is room again."""
        if not 0 <= low < high:
            raise ValueError("the low mark must be below the high mark")
        self._high = high
        self._low = low
        self._high_bytes = high_bytes
        self._bytes = 0
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """True from a high mark on until the low marks are reached."""
        return not self._room.is_set()

    def put(self, items: Iterable[Item]) -> None:
        """Append all, whatever the marks say."""
        for item in items:
            self._items.append(item)
            self._bytes += _size(item)
        if self._items:
            self._filled.set()
        if len(self._items) >= self._high or self._bytes >= self._high_bytes:
            self._room.clear()

    async def filled(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    async def room(self) -> None:
        """Wait, if it is full, until the low marks are reached."""
        await self._room.wait()

    def peek(self, limit: int) -> list[Item]:
        """The first items, at most `limit`, which stay where they are."""
        return list(islice(self._items, limit))

    def discard(self, count: int) -> None:
        """Take the first `count` items out: they are dealt with."""
        for _ in range(count):
            self._bytes -= _size(self._items.popleft())
        if not self._items:
            self._filled.clear()
        if len(self._items) <= self._low and self._bytes <= self._high_bytes // 4:
            self._room.set()


def _size(item: Item) -> int:
    """Of events, which may be large; what a poll finds is the names of records."""
    return item.size if isinstance(item, Event) else 0
