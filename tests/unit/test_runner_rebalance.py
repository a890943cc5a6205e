"""Partitions come and go while records are in hand."""

import asyncio

from support.fakes_stream import (
    LIMIT,
    SOON,
    FakeStream,
    GatedHandler,
    away,
    keys_of_different_lanes,
    partitions,
    record,
    running,
    settings,
)

from consumers.runner.runner import Runner

NEVER = 60


async def test_what_is_in_hand_is_finished_and_committed_before_a_partition_is_given_away() -> None:
    """The revocation waits for the batch in hand, commits it, and drops what was not begun."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1, batch_size=2, commit_seconds=NEVER))
    async with running(runner, stream):
        stream.feed(*(record(offset) for offset in range(5)))
        await handler.until(lambda: len(handler.begun) == 1)
        revoking = asyncio.create_task(runner.on_revoked(partitions(0)))
        await asyncio.sleep(SOON)
        assert not revoking.done()
        handler.let_go(0)
        await asyncio.wait_for(revoking, LIMIT)
        assert stream.committed == {("t", 0): 2}
        assert runner.in_flight == 0
    assert len(handler.begun) == 1


async def test_other_partitions_are_not_disturbed() -> None:
    """Only what is given away is dropped; a batch of other partitions is not waited for."""
    stream, handler = FakeStream(), GatedHandler()
    one, other = keys_of_different_lanes(2)
    runner = Runner(handler, settings(batch_size=1, commit_seconds=NEVER))
    async with running(runner, stream):
        stream.feed(record(0, one, partition=1), record(0, other), record(1, one, partition=1), record(1, other))
        await handler.until(lambda: len(handler.begun) == 2)
        mine = next(n for n, batch in enumerate(handler.begun) if batch[0].partition == 0)
        handler.let_go(mine)
        await handler.until(lambda: len(handler.begun) == 3)
        revoking = asyncio.create_task(runner.on_revoked(partitions(0)))
        handler.let_go(2)
        await asyncio.wait_for(revoking, LIMIT)
        assert stream.committed == {("t", 0): 2}
        assert runner.in_flight == 2
        handler.open_gate = True
        handler.let_go(1 - mine)
    assert stream.committed == {("t", 0): 2, ("t", 1): 2}


async def test_a_revocation_does_not_wait_beyond_its_limit_and_late_results_are_not_committed() -> None:
    """The partition is somebody else's by then: what finishes late must not move their offset."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1, revoke_seconds=SOON))
    async with running(runner, stream):
        stream.feed(record(0))
        await handler.until(lambda: len(handler.begun) == 1)
        await asyncio.wait_for(runner.on_revoked(partitions(0)), LIMIT)
        handler.let_go(0)
        await handler.until(lambda: len(handler.ended) == 1)
    assert stream.committed == {}


async def test_a_partition_that_comes_back_begins_anew_behind_what_is_still_in_hand() -> None:
    """The record comes again, is handled again after the first handling ended, and only the second is committed."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1, revoke_seconds=SOON))
    async with running(runner, stream):
        stream.feed(record(0), record(1))
        await handler.until(lambda: len(handler.begun) == 1)
        await asyncio.wait_for(runner.on_revoked(partitions(0)), LIMIT)
        await runner.on_assigned(partitions(0))
        stream.feed(record(0), record(1), record(2))
        await stream.until(lambda: runner.in_flight == 5)
        handler.let_go(0)
        await handler.until(lambda: len(handler.begun) == 2)
        assert stream.committed == {}
        handler.let_go(1)
        await stream.until(lambda: stream.committed == {("t", 0): 3})
    assert handler.offsets_ended() == [0, 1, 0, 1, 2]


async def test_a_batch_that_waits_for_a_part_that_is_away_is_let_go_at_once() -> None:
    """Nothing is being done about it, so a revocation need not wait; it is not committed."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1, retry_first_seconds=NEVER, retry_cap_seconds=NEVER))
    async with running(runner, stream):
        stream.feed(record(0), record(0, partition=1))
        await handler.until(lambda: len(handler.begun) == 1)
        handler.let_go(0, away())
        await asyncio.wait_for(runner.on_revoked(partitions(0)), LIMIT)
        assert runner.in_flight == 1
        await asyncio.wait_for(runner.on_revoked(partitions(1)), LIMIT)
        assert runner.in_flight == 0
        stream.feed(record(5, partition=2))
        await handler.until(lambda: len(handler.begun) == 2)
        handler.let_go(1)
        await stream.until(lambda: stream.committed == {("t", 2): 6})


async def test_a_try_that_fails_during_a_revocation_is_not_repeated_for_what_is_given_away() -> None:
    """The rest of the batch goes on alone."""
    stream, handler = FakeStream(), GatedHandler()
    runner = Runner(handler, settings(lanes=1))
    async with running(runner, stream):
        stream.feed(record(0), record(7, partition=1))
        await handler.until(lambda: len(handler.begun) == 1)
        revoking = asyncio.create_task(runner.on_revoked(partitions(0)))
        await asyncio.sleep(0)
        handler.let_go(0, away())
        await asyncio.wait_for(revoking, LIMIT)
        await handler.until(lambda: len(handler.begun) == 2)
        assert [one.partition for one in handler.begun[1]] == [1]
        handler.let_go(1)
        await stream.until(lambda: stream.committed == {("t", 1): 8})


async def test_a_revocation_that_cannot_commit_gives_away_all_the_same() -> None:
    """Commits are for not doing things twice; the next owner does them again."""
    stream, handler = FakeStream(), GatedHandler(open_gate=True)
    runner = Runner(handler, settings(commit_seconds=NEVER))
    async with running(runner, stream):
        stream.feed(record(0))
        await handler.until(lambda: len(handler.ended) == 1)
        stream.commit_failures = [away()]
        await asyncio.wait_for(runner.on_revoked(partitions(0)), LIMIT)
    assert stream.committed == {}
