"""The runner on a stream in memory: order, back-pressure, commits, failures, stopping."""

import asyncio
from collections.abc import Sequence

import pytest
from support.fakes_stream import (
    LIMIT,
    SOON,
    FakeStream,
    GatedHandler,
    away,
    keys_of_different_lanes,
    record,
    running,
    settings,
)

from consumers.runner.runner import Runner, lane_of
from schemas.log_record import Record
from schemas.outcome import Outcome, Result


async def test_records_of_a_lane_are_handled_in_order_one_batch_at_a_time() -> None:
    """While a batch is in hand the records behind it wait, and then come together."""
    stream, handler = FakeStream(), GatedHandler()
    async with running(Runner(handler, settings()), stream):
        stream.feed(record(0))
        await handler.until(lambda: len(handler.begun) == 1)
        stream.feed(record(1), record(2))
        stream.feed(record(3))
        await stream.until(lambda: len(stream.asked) >= 3)
        assert len(handler.begun) == 1
        handler.let_go(0)
        await handler.until(lambda: len(handler.begun) == 2)
        assert [one.offset for one in handler.begun[1]] == [1, 2, 3]
        handler.let_go(1)


async def test_different_keys_are_handled_at_the_same_time() -> None:
    """A key queue whose batch is stuck does not hold up another; what is behind it is not committed."""
    stream, handler = FakeStream(), GatedHandler()
    one, other = keys_of_different_lanes(2)
    async with running(Runner(handler, settings()), stream):
        stream.feed(record(0, one), record(1, other))
        await handler.until(lambda: len(handler.begun) == 2)
        first = next(n for n, batch in enumerate(handler.begun) if batch[0].offset == 0)
        handler.let_go(1 - first)
        await handler.until(lambda: handler.offsets_ended() == [1])
        await asyncio.sleep(3 * SOON)  # several commits are due meanwhile
        assert stream.committed == {}
        handler.let_go(first)
        await stream.until(lambda: stream.committed == {("t", 0): 2})


async def test_a_batch_has_at_most_batch_size_records() -> None:
    """What waits beyond the batch size comes with the next batch."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    async with running(Runner(handler, settings(batch_size=4)), stream):
        stream.feed(*(record(offset) for offset in range(10)))
        await handler.until(lambda: len(handler.ended) == 10)
    assert [len(batch) for batch in handler.begun] == [4, 4, 2]
    assert handler.offsets_ended() == list(range(10))


async def test_a_backlog_is_one_batch() -> None:
    """Where so many wait, so many come at once; below that the batch size holds."""
    stream, handler = FakeStream(), GatedHandler()
    async with running(Runner(handler, settings(lanes=1, batch_size=4, max_in_flight=100), backlog=9), stream):
        stream.feed(record(0))
        await handler.until(lambda: len(handler.begun) == 1)
        stream.feed(*(record(offset) for offset in range(1, 16)))
        await stream.until(lambda: len(stream.asked) >= 3)
        handler.open_gate = True
        handler.let_go(0)
        await handler.until(lambda: len(handler.ended) == 16)
    assert [len(batch) for batch in handler.begun] == [1, 9, 4, 2]


async def test_fetching_pauses_when_enough_is_in_flight() -> None:
    """No more is ever taken than allowed, whatever waits in the log; it goes on when there is room."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1, batch_size=5, max_in_flight=8))
    async with running(runner, stream):
        stream.feed(*(record(offset) for offset in range(30)))
        for number in range(6):
            await handler.until(lambda number=number: len(handler.begun) == number + 1)
            assert runner.in_flight <= 8
            handler.let_go(number)
        await handler.until(lambda: len(handler.ended) >= 30 or len(handler.begun) > 6)
        handler.open_gate = True
        for gate in range(6, len(handler.begun)):
            handler.let_go(gate)
        await handler.until(lambda: len(handler.ended) == 30)
    assert max(stream.asked) <= 8
    assert handler.offsets_ended() == list(range(30))


async def test_a_long_standstill_tells_the_stream_that_we_are_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full for long, the stream is paused and asked on, so that the group does not give us up."""
    monkeypatch.setattr("consumers.runner.runner.IDLE_SECONDS", SOON)
    monkeypatch.setattr("consumers.runner.runner.FETCH_SECONDS", SOON)
    stream, handler = FakeStream(), GatedHandler()
    async with running(Runner(handler, settings(lanes=1, batch_size=1, max_in_flight=1)), stream):
        stream.feed(record(0), record(1))
        await stream.until(lambda: stream.paused)
        await stream.until(lambda: len(stream.asked) > 3 or not stream.paused)
        assert len(handler.begun) == 1
        handler.let_go(0)
        await handler.until(lambda: len(handler.begun) == 2)
        handler.let_go(1)


async def test_an_outside_part_that_is_away_means_wait_not_skip() -> None:
    """The same records are given again, in order, until they are through; only then are they committed."""
    stream, handler = FakeStream(), GatedHandler()
    told: list[tuple[str, float]] = []
    runner = Runner(
        handler, settings(lanes=1), on_unavailable=lambda what, _error, seconds: told.append((what, seconds))
    )
    async with running(runner, stream):
        stream.feed(record(0), record(1))
        for attempt in range(3):
            await handler.until(lambda attempt=attempt: len(handler.begun) == attempt + 1)
            assert stream.committed == {}
            handler.let_go(attempt, away())
        await handler.until(lambda: len(handler.begun) == 4)
        handler.let_go(3)
        await stream.until(lambda: stream.committed == {("t", 0): 2})
    assert [[one.offset for one in batch] for batch in handler.begun] == [[0, 1]] * 4
    assert told == [("handler", 0.0)] * 3


async def test_a_failing_handler_fails_the_runner_and_skips_nothing() -> None:
    """What finished before is committed, what failed is not, and the failure itself comes out."""
    stream, handler = FakeStream(), GatedHandler()
    task = asyncio.create_task(Runner(handler, settings(batch_size=1, commit_seconds=60)).run(stream, asyncio.Event()))
    stream.feed(record(0), record(1))
    await handler.until(lambda: len(handler.begun) == 1)
    handler.let_go(0)
    await handler.until(lambda: len(handler.begun) == 2)
    handler.let_go(1, KeyError("a bug"))
    with pytest.raises(KeyError, match="a bug"):
        await asyncio.wait_for(task, LIMIT)
    assert stream.committed == {("t", 0): 1}


async def test_a_result_for_every_record_or_none_counts() -> None:
    """A handler that loses count is a bug that must be seen: nothing of the batch is committed."""

    class Forgetful:
        async def handle(self, records: object) -> list[Result]:
            return [Result(Outcome.APPLIED)]

    stream = FakeStream()
    stream.feed(record(0), record(1))
    with pytest.raises(ValueError, match="1 results for 2 records"):
        await asyncio.wait_for(Runner(Forgetful(), settings()).run(stream, asyncio.Event()), LIMIT)
    assert stream.committed == {}


async def test_a_failing_stream_fails_the_runner() -> None:
    """An offset out of range, for one, is a gap: the process ends, after committing what is finished."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    task = asyncio.create_task(Runner(handler, settings(commit_seconds=60)).run(stream, asyncio.Event()))
    stream.feed(record(0))
    await handler.until(lambda: len(handler.ended) == 1)
    stream.fail(LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        await asyncio.wait_for(task, LIMIT)
    assert stream.committed == {("t", 0): 1}


async def test_a_log_that_is_away_is_asked_again() -> None:
    """Neither a fetch nor a commit that finds the log away ends the runner; the commit is made up for."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    told: list[str] = []
    runner = Runner(handler, settings(), on_unavailable=lambda what, _error, _seconds: told.append(what))
    stream.commit_failures = [away(), away()]
    async with running(runner, stream):
        stream.fail(away())
        await stream.until(lambda: stream.failure is None)
        stream.feed(record(0))
        await stream.until(lambda: stream.committed == {("t", 0): 1})
    assert sorted(told) == ["commit", "commit", "fetch"]


async def test_stopping_finishes_what_was_taken() -> None:
    """After the stop nothing is fetched; what was taken is handled and committed."""
    stream, handler = FakeStream(), GatedHandler()
    stop = asyncio.Event()
    task = asyncio.create_task(Runner(handler, settings(batch_size=1, commit_seconds=60)).run(stream, stop))
    stream.feed(record(0), record(1))
    await handler.until(lambda: len(handler.begun) == 1)
    stop.set()
    await stream.until(lambda: stream.left)
    stream.feed(record(2))
    handler.open_gate = True
    handler.let_go(0)
    await asyncio.wait_for(task, LIMIT)
    assert handler.offsets_ended() == [0, 1]
    assert stream.committed == {("t", 0): 2}


async def test_stopping_has_a_limit() -> None:
    """What is not finished by then is given up and not committed."""
    stream, handler = FakeStream(), GatedHandler()
    stop = asyncio.Event()
    one, other = keys_of_different_lanes(2)
    task = asyncio.create_task(Runner(handler, settings(stop_seconds=SOON, commit_seconds=60)).run(stream, stop))
    stream.feed(record(0, one), record(1, other))
    await handler.until(lambda: len(handler.begun) == 2)
    handler.let_go(next(n for n, batch in enumerate(handler.begun) if batch[0].offset == 0))
    await handler.until(lambda: handler.offsets_ended() == [0])
    stop.set()
    await asyncio.wait_for(task, LIMIT)
    assert stream.committed == {("t", 0): 1}


async def test_stopping_does_not_wait_for_a_part_that_is_away() -> None:
    """A batch between two tries is given up at once; it comes again after the restart."""
    stream, handler = FakeStream(), GatedHandler()
    stop = asyncio.Event()
    runner = Runner(handler, settings(retry_first_seconds=60, retry_cap_seconds=60, stop_seconds=600))
    task = asyncio.create_task(runner.run(stream, stop))
    stream.feed(record(0))
    await handler.until(lambda: len(handler.begun) == 1)
    handler.let_go(0, away())
    stop.set()
    await asyncio.wait_for(task, LIMIT)
    assert stream.committed == {}


async def test_a_cancelled_runner_commits_what_is_finished() -> None:
    """Cancelled without a stop, nothing more is done, and nothing unfinished is committed."""
    stream, handler = FakeStream(), GatedHandler()
    task = asyncio.create_task(Runner(handler, settings(batch_size=1, commit_seconds=60)).run(stream, asyncio.Event()))
    stream.feed(record(0), record(1))
    await handler.until(lambda: len(handler.begun) == 1)
    handler.let_go(0)
    await handler.until(lambda: len(handler.begun) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.committed == {("t", 0): 1}


async def test_results_are_told_by_topic() -> None:
    """A batch may hold several topics; each is counted on its own."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    told: dict[str, int] = {}

    def count(topic: str, records: Sequence[Record], results: Sequence[Result]) -> None:
        assert [each.topic for each in records] == [topic] * len(results)
        told[topic] = told.get(topic, 0) + len(results)

    async with running(Runner(handler, settings(lanes=1), on_results=count), stream):
        stream.feed(record(0), record(0, topic="u"), record(1))
        await handler.until(lambda: len(handler.ended) == 3)
    assert told == {"t": 2, "u": 1}


async def test_a_lane_may_wait_for_a_fuller_batch() -> None:
    """With a linger nothing is begun until the batch is full; a stop ends the wait."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    async with running(Runner(handler, settings(lanes=1, batch_size=3), linger=lambda: 600.0), stream):
        stream.feed(record(0), record(1))
        await stream.until(lambda: len(stream.asked) >= 2)
        assert handler.begun == []
        stream.feed(record(2), record(3))
        await handler.until(lambda: len(handler.ended) == 3)
    assert [[one.offset for one in batch] for batch in handler.begun] == [[0, 1, 2], [3]]


async def test_a_linger_ends() -> None:
    """A batch that does not fill is begun when the time is over."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    async with running(Runner(handler, settings(batch_size=3), linger=SOON), stream):
        stream.feed(record(0))
        await handler.until(lambda: len(handler.ended) == 1)


def test_a_key_has_one_lane_and_no_key_has_its_partitions() -> None:
    """The same key goes to the same lane whatever its topic; records without a key stay in order."""
    assert len({lane_of(record(n, "k", topic=f"t{n}", partition=n), 7) for n in range(20)}) == 1
    assert len({lane_of(record(0, f"k{n}"), 7) for n in range(200)}) == 7
    bare = [record(n) for n in range(2)]
    nameless = [type(one)(one.topic, one.partition, one.offset, None, b"", {}, 0) for one in bare]
    assert len({lane_of(one, 7) for one in nameless}) == 1
