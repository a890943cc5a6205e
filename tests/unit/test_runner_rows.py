"""Records of a key as one row: how rows gather, and which lane they gather in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes_stream import SOON, FakeStream, GatedHandler, record, running, settings

from consumers.runner.runner import Runner
from consumers.runner.waiting import ready_at


@given(
    rows=st.integers(1, 300),
    linger=st.floats(0, 60),
    fill=st.floats(0, 60),
    hold=st.booleans(),
)
def test_rows_wait_for_their_linger_and_for_a_batch_that_fills_soon(
    rows: int, linger: float, fill: float, hold: bool
) -> None:
    """Never longer than the greater of the two; a full batch goes at once, or holds for its linger."""
    ready = ready_at(100.0, rows, most=200, linger=linger, fill=fill, hold=hold) - 100.0
    if rows >= 200:
        assert ready == pytest.approx(linger if hold else 0.0)
    else:
        assert min(linger, max(linger, fill)) <= ready + 1e-6
        assert ready <= max(linger, fill) + 1e-6


def test_a_batch_is_waited_for_at_the_pace_at_which_it_fills() -> None:
    """In half a second 200 come at 400 a second: of slower ones none waits longer than its linger."""

    def goes_at(pace: float) -> float:
        """When the first row goes, of rows that come at a steady pace."""
        now, rows = 0.0, 1
        while now < ready_at(0.0, rows, most=200, linger=0.05, fill=0.5):
            now += 0.001
            rows = 1 + int(now * pace)
        return now

    assert goes_at(50) == pytest.approx(0.05, abs=0.002)
    assert goes_at(300) == pytest.approx(0.05, abs=0.002)
    assert goes_at(450) == pytest.approx(199 / 450, abs=0.005)
    assert goes_at(4_000) == pytest.approx(0.05, abs=0.002)


async def test_records_of_a_key_are_one_row_of_a_batch() -> None:
    """A batch is full when it has so many keys, and has all of their records, in order."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    runner = Runner(handler, settings(batch_size=3), linger=30 * SOON, coalesce=True)
    async with running(runner, stream):
        stream.feed(*(record(offset, f"k{offset % 6}") for offset in range(30)))
        await handler.until(lambda: len(handler.ended) == 30)
        await stream.until(lambda: stream.committed == {("t", 0): 30})
    assert [len(batch) for batch in handler.begun] == [15, 15]
    for batch in handler.begun:
        for key in {one.key for one in batch}:
            offsets = [one.offset for one in batch if one.key == key]
            assert offsets == sorted(offsets)
            assert len(offsets) == 5


async def test_a_row_is_never_in_two_hands() -> None:
    """While it is in hand its next record waits in that lane, though another is idle; other rows take the idle one."""
    stream, handler = FakeStream(), GatedHandler()
    async with running(Runner(handler, settings(batch_size=1), coalesce=True), stream):
        stream.feed(record(0, "a"))
        await handler.until(lambda: len(handler.begun) == 1)
        stream.feed(record(1, "a"), record(2, "b"))
        await handler.until(lambda: len(handler.begun) == 2)
        assert [one.key for batch in handler.begun for one in batch] == [b"a", b"b"]
        handler.let_go(0)
        await handler.until(lambda: len(handler.begun) == 3)
        assert [one.offset for one in handler.begun[2]] == [1]
        handler.let_go(1)
        handler.let_go(2)


async def test_rows_fill_one_batch_after_the_other() -> None:
    """However many lanes there are: a thousand rows are five batches of 200, and no lane is left with a rest."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    runner = Runner(handler, settings(lanes=4, batch_size=200, max_in_flight=2_000), linger=30 * SOON, coalesce=True)
    async with running(runner, stream):
        for start in range(0, 1_000, 50):
            stream.feed(*(record(offset, f"k{offset}") for offset in range(start, start + 50)))
        await handler.until(lambda: len(handler.ended) == 1_000)
    assert [len(batch) for batch in handler.begun] == [200] * 5


async def test_what_is_given_away_is_let_go_of_row_by_row() -> None:
    """Of a row with records of two partitions those of the one that stays are handled."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    runner = Runner(handler, settings(batch_size=5), linger=30 * SOON, coalesce=True)
    async with running(runner, stream):
        stream.feed(record(0, "a"), record(0, "a", partition=1), record(1, "b", partition=1))
        await stream.until(lambda: len(stream.asked) >= 2)
        await runner.on_revoked([("t", 1)])
        await handler.until(lambda: len(handler.ended) == 1)
        await stream.until(lambda: stream.committed == {("t", 0): 1})
    assert [(one.partition, one.offset) for one in handler.ended] == [(0, 0)]
