"""The buffer between the stream and the subscriber."""

import asyncio

import pytest
from support.fakes_changes import settle

from listener.changes.buffer import Buffer, Event, PositionRefused

A, B, C, D = (Event("/data/A", number, {}, 0) for number in range(4))


def test_items_stay_until_they_are_dealt_with() -> None:
    """Looking takes nothing away; what is discarded is the oldest."""
    buffer = Buffer(high=10, low=2)
    refused = PositionRefused("/data/A", 1, "400::…")
    buffer.put([A, B])
    buffer.put([refused])
    assert buffer.peek(2) == buffer.peek(2) == [A, B]
    buffer.discard(1)
    assert buffer.peek(10) == [B, refused]
    assert len(buffer) == 2


def test_the_marks() -> None:
    """Full from the high mark on, until the low mark is reached; putting is always possible."""
    buffer = Buffer(high=3, low=1)
    buffer.put([A, B])
    assert not buffer.full
    buffer.put([C, D])
    assert buffer.full
    assert len(buffer) == 4
    buffer.discard(2)
    assert buffer.full
    buffer.discard(1)
    assert not buffer.full


def test_the_marks_of_bytes() -> None:
    """A few large events fill it as many small ones do, and one that is larger than all of it passes through."""
    buffer = Buffer(high=10, low=2, high_bytes=1_000)
    large = Event("/data/A", 9, {}, 0, size=400)
    buffer.put([A, large, large])
    assert not buffer.full
    buffer.put([large])
    assert buffer.full
    buffer.discard(3)
    assert buffer.full
    buffer.discard(1)
    assert not buffer.full
    buffer.put([Event("/data/A", 9, {}, 0, size=5_000)])
    assert buffer.full
    buffer.discard(1)
    assert not buffer.full


async def test_waiting() -> None:
    """Waiting for something to take, and for room."""
    buffer = Buffer(high=2, low=0)
    filled = asyncio.create_task(buffer.filled())
    await settle()
    assert not filled.done()
    buffer.put([A, B])
    await filled
    room = asyncio.create_task(buffer.room())
    await settle()
    assert not room.done()
    buffer.discard(2)
    await room
    filled = asyncio.create_task(buffer.filled())
    await settle()
    assert not filled.done()
    filled.cancel()
    await asyncio.gather(filled, return_exceptions=True)


def test_marks_the_wrong_way_round() -> None:
    """The low mark must be below the high one."""
    with pytest.raises(ValueError, match="below"):
        Buffer(high=5, low=5)
