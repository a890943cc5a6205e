"""The subscriber: one owner, the log before the position, nothing skipped. Time moves only when a test moves it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fakes_changes import (
    FakeChangeLog,
    FakeGaps,
    FakeLeases,
    FakePositions,
    FakeSource,
    FakeTime,
    settle,
)
from support.scripted_bayeux import change_payload

from listener.changes.aging import Age, age_at_start, age_at_work
from listener.changes.buffer import Event, PositionRefused
from listener.changes.health import Health, State
from listener.changes.ports import ChangeRecord, Gap, Lease, Position, Unavailable
from listener.changes.records import UNDECODABLE_KEY
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber
from schemas.stream import EARLIEST

ORG = "00D000000000001EAA"
CHANNEL = "/data/ChangeEvents"


def event(number: int, channel: str = CHANNEL) -> Event:
    """A change of one contact, committed at a time that its number tells."""
    data = {"schema": "s", "payload": change_payload(number), "event": {"replayId": number}}
    return Event(channel, number, data, 1)


def committed(number: int) -> Position:
    """The position behind such an event."""
    return Position(number, 1_700_000_000_000 + number)


class World:
    """Everything around subscribers, which share it."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.log = FakeChangeLog()
        self.positions = FakePositions()
        self.leases = FakeLeases(self.time.clock)
        self.gaps = FakeGaps()
        self.alarms: list[Gap] = []

    @property
    def appended(self) -> list[str]:
        """The keys in the log, in order."""
        return [record.key.decode() for record in self.log.records]


class Closely:
    """Looks at everything closely; `outage` is true while it cannot keep what it is to keep."""

    def __init__(self) -> None:
        self.received_keys: list[str] = []
        self.outage = False

    async def received(self, records: Sequence[ChangeRecord]) -> None:
        if self.outage:
            raise Unavailable("the log of decisions is away")
        self.received_keys += [record.key.decode() for record in records]


class Process:
    """One subscriber at work."""

    def __init__(self, world: World, owner: str, *, closely: Closely | None = None, **settings: Any) -> None:
        self.source = FakeSource()
        self.health = Health()
        self.stop = asyncio.Event()
        options: dict[str, Any] = {
            "lease_seconds": 30,
            "backoff_seconds": 1,
            "backoff_cap_seconds": 8,
            "retention_hours": 1e6,
        } | settings
        self.subscriber = Subscriber(
            source=self.source,
            log=world.log,
            positions=world.positions,
            leases=world.leases,
            gaps=world.gaps,
            settings=ChangesSettings(**options),
            health=self.health,
            org_id=ORG,
            owner=owner,
            alarm=world.alarms.append,
            closely=closely,
            clock=world.time.clock,
            wall=world.time.wall,
            pause=world.time.sleep,
            chance=lambda: 0.0,
        )
        self.task = asyncio.create_task(self.subscriber.run(self.stop))

    async def put(self, *items: Event | PositionRefused) -> None:
        """Let the stream bring these."""
        self.source.put(*items)
        await settle()

    async def end(self) -> None:
        """Stop it and see it out."""
        self.stop.set()
        async with asyncio.timeout(30):
            await self.task


@asynccontextmanager
async def working(
    world: World, owner: str = "a", *, closely: Closely | None = None, **settings: Any
) -> AsyncIterator[Process]:
    """A subscriber that has the lease, if it is to be had; killed at the end if it still runs."""
    process = Process(world, owner, closely=closely, **settings)
    await settle()
    try:
        yield process
    finally:
        process.task.cancel()
        await asyncio.gather(process.task, return_exceptions=True)


def keys(*numbers: int) -> list[str]:
    """The keys of these events' records."""
    return [f"003{number:012}AAA" for number in numbers]


async def test_from_the_stream_into_the_log_then_the_position() -> None:
    """The first start is at the oldest there is; the position follows the log."""
    world = World()
    async with working(world) as process:
        assert process.source.started == [{}]
        await process.put(event(1), event(2))
        assert world.appended == keys(1, 2)
        assert process.health.schemas == {"Contact": "s"}
        assert world.positions.stored == {CHANNEL: committed(2)}
        assert len(process.source.buffer or ()) == 0
        assert process.health.counts["records"] == 2
        assert process.health.commit_timestamps == {CHANNEL: 1_700_000_000_002}


async def test_a_start_from_the_stored_position() -> None:
    """It is written back under the new epoch, so that the owner before cannot move it any more."""
    world = World()
    world.positions.stored = {CHANNEL: Position(41, 1_000)}
    async with working(world) as process:
        assert process.source.started == [{CHANNEL: 41}]
        assert world.positions.stored == {CHANNEL: Position(41, 1_000)}
        assert world.positions.epochs == {CHANNEL: 1}
        assert process.health.commit_timestamps == {CHANNEL: 1_000}


async def test_the_position_waits_for_the_log() -> None:
    """While the log has not acknowledged, the position stays and the events stay in the buffer."""
    world = World()
    world.log.gate.clear()
    async with working(world) as process:
        await process.put(event(1))
        await process.put(event(2))
        assert world.log.waiting == 1
        assert world.positions.stored == {}
        assert len(process.source.buffer or ()) == 2
        world.log.gate.set()
        await settle()
        assert world.appended == keys(1, 2)
        assert world.positions.stored == {CHANNEL: committed(2)}


async def test_a_log_that_is_away() -> None:
    """The same batch again after growing waits: nothing is skipped, and the buffer fills to its marks."""
    world = World()
    world.log.outage.down = True
    async with working(world, high_mark=3, low_mark=1) as process:
        await process.put(event(1), event(2), event(3))
        assert process.source.buffer is not None
        assert process.source.buffer.full
        for seconds in (0.6, 1.1, 2.1, 4.1):
            await world.time.advance(seconds)
        assert process.health.counts["unavailable"] == 5
        assert "append to the log" in process.health.last_error
        assert world.positions.stored == {}
        world.log.outage.down = False
        await world.time.advance(4.1)
        assert world.appended == keys(1, 2, 3)
        assert world.positions.stored == {CHANNEL: committed(3)}
        assert not process.source.buffer.full


async def test_a_store_that_is_away_when_the_position_moves() -> None:
    """The batch is in the log once; the position is tried until it is taken."""
    world = World()
    async with working(world) as process:
        world.positions.outage.left = 3
        await process.put(event(1))
        assert world.positions.stored == {}
        await process.put(event(2))
        await world.time.advance(10)
        assert world.appended == keys(1, 2)
        assert world.positions.stored == {CHANNEL: committed(2)}


async def test_a_store_that_is_away_at_the_start() -> None:
    """Neither the lease nor the position can be had: it waits for both."""
    world = World()
    world.leases.outage.left = 2
    world.positions.outage.left = 2
    world.positions.stored = {CHANNEL: committed(7)}
    async with working(world) as process:
        assert process.source.started == []
        assert not process.health.ready(world.time.now)
        await world.time.advance(10)
        assert process.source.started == [{CHANNEL: 7}]


async def test_a_crash_between_the_log_and_the_position() -> None:
    """The events come again and are in the log twice; none is missing."""
    world = World()
    world.positions.stored = {CHANNEL: committed(1)}
    async with working(world) as process:
        world.positions.outage.down = True
        await process.put(event(2), event(3))
        assert world.appended == keys(2, 3)
    world.positions.outage.down = False
    async with working(world) as process:
        await world.time.advance(40)
        assert process.source.started == [{CHANNEL: 1}]
        await process.put(event(2), event(3), event(4))
    assert world.appended == keys(2, 3, 2, 3, 4)


async def test_a_refused_position_is_a_recorded_gap(caplog: pytest.LogCaptureFixture) -> None:
    """From the last good commit to now, with an alarm; then everything there is, never only what is new."""
    world = World()
    async with working(world) as process:
        await process.put(event(1), event(2), PositionRefused(CHANNEL, 2, "400::The replayId {2} …"))
        since = 1_700_000_000_002
        assert world.gaps.rows == {(CHANNEL, "position_refused", since, 2): world.time.wall()}
        assert world.alarms == [Gap(CHANNEL, "position_refused", since, world.time.wall(), 2)]
        assert process.source.resumed == [(CHANNEL, EARLIEST)]
        assert world.positions.stored == {CHANNEL: committed(2)}
        assert process.health.counts["gaps"] == 1
        await process.put(event(3))
        assert world.appended == keys(1, 2, 3)


async def test_a_gap_that_cannot_be_recorded_holds_the_stream() -> None:
    """The stream goes on only once the gap is kept: no gap is silent."""
    world = World()
    async with working(world) as process:
        world.gaps.outage.left = 2
        await process.put(PositionRefused(CHANNEL, 9, "400::"))
        assert process.source.resumed == []
        assert world.alarms == []
        await world.time.advance(5)
        assert len(world.gaps.rows) == 1
        assert process.source.resumed == [(CHANNEL, EARLIEST)]


async def test_an_event_that_cannot_be_read_is_kept_and_passed() -> None:
    """It is in the log under its own key, and those behind it are not held up."""
    world = World()
    async with working(world) as process:
        odd = Event(CHANNEL, 2, {"payload": {"x": 1}, "event": {"replayId": 2}}, 1)
        await process.put(event(1), odd, event(3))
        assert world.appended == [*keys(1), UNDECODABLE_KEY.decode(), *keys(3)]
        assert process.health.counts["undecodable"] == 1
        assert world.positions.stored == {CHANNEL: committed(3)}


async def test_the_lease_is_renewed_by_the_clock() -> None:
    """It is held for as long as it is renewed, however long that is."""
    world = World()
    async with working(world) as process:
        await world.time.advance(300)
        assert process.source.running == 1
        assert process.health.counts["lease_losses"] == 0
        assert await world.leases.acquire(f"changes:{ORG}", "b", 30) is None


async def test_a_second_one_stands_by_and_takes_over() -> None:
    """It is ready all the while; when the first is killed, it goes on from its position within the lease's time."""
    world = World()
    async with working(world, "a") as first, working(world, "b") as second:
        await first.put(event(1))
        assert second.health.state is State.STANDBY
        assert second.health.ready(world.time.now)
        assert second.source.started == []
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
        world.leases.held[f"changes:{ORG}"] = (Lease(f"changes:{ORG}", "a", 1), world.time.now + 30)  # as kill -9
        await world.time.advance(29)
        assert second.source.started == []
        await world.time.advance(12)
        assert second.source.started == [{CHANNEL: 1}]


async def test_a_stop_hands_over_at_once() -> None:
    """The lease is let go, so that the next need not wait for it to run out."""
    world = World()
    async with working(world, "a") as first, working(world, "b") as second:
        await first.put(event(1))
        await first.end()
        assert first.health.state is State.STOPPED
        assert first.source.running == 0
        await world.time.advance(11)
        assert second.source.started == [{CHANNEL: 1}]


async def test_a_stop_finishes_the_batch_in_hand() -> None:
    """What is being appended is seen through, and its position written."""
    world = World()
    async with working(world) as process:
        world.log.gate.clear()
        await process.put(event(1), event(2))
        process.stop.set()
        await settle()
        assert not process.task.done()
        world.log.gate.set()
        await process.end()
        assert world.positions.stored == {CHANNEL: committed(2)}


async def test_a_stop_does_not_wait_for_a_log_that_is_away() -> None:
    """The batch is left undone, and so is its position: it comes again."""
    world = World()
    world.log.outage.down = True
    async with working(world) as process:
        await process.put(event(1))
        await process.end()
        assert world.positions.stored == {}
        assert world.leases.held == {}


async def test_a_stop_while_standing_by() -> None:
    """There is nothing to finish."""
    world = World()
    async with working(world, "a"), working(world, "b") as second:
        await second.end()
        assert second.health.state is State.STOPPED


@pytest.mark.parametrize("away", [False, True], ids=["taken_by_another", "store_away"])
async def test_a_lost_lease_stops_at_once(caplog: pytest.LogCaptureFixture, *, away: bool) -> None:
    """In the middle of an append: the stream is left, the position stays, and it stands by."""
    world = World()
    async with working(world) as process:
        world.log.gate.clear()
        await process.put(event(1))
        if away:
            world.leases.outage.down = True
            await world.time.advance(29)
            assert process.source.running == 1
            await world.time.advance(2)
        else:
            world.leases.held[f"changes:{ORG}"] = (Lease(f"changes:{ORG}", "b", 2), world.time.now + 1_000)
            await world.time.advance(11)
        assert process.source.running == 0
        assert world.log.waiting == 0
        assert world.positions.stored == {}
        assert process.health.counts["lease_losses"] == 1
        assert "lease is lost" in caplog.text


async def test_a_fenced_position_stops_at_once() -> None:
    """A later owner has written: this one stops, though its own lease has not run out."""
    world = World()
    async with working(world) as process:
        await process.put(event(1))
        world.positions.epochs[CHANNEL] = 99
        world.positions.stored[CHANNEL] = committed(50)
        world.leases.held[f"changes:{ORG}"] = (Lease(f"changes:{ORG}", "b", 99), world.time.now + 1_000)
        await process.put(event(2))
        assert process.source.running == 0
        assert process.health.state is State.STANDBY
        assert process.health.counts["lease_losses"] == 1
        assert world.positions.stored == {CHANNEL: committed(50)}


async def test_a_broken_source_is_not_survived_in_silence() -> None:
    """What nobody expected ends the process, and lets the lease go."""
    world = World()

    class Broken(FakeSource):
        async def run(self, start: Any, buffer: Any) -> None:
            raise RuntimeError("a bug")

    process = Process(world, "a")
    process.task.cancel()
    await asyncio.gather(process.task, return_exceptions=True)
    process.subscriber._source = Broken()
    with pytest.raises(RuntimeError, match="a bug"):
        await process.subscriber.run(asyncio.Event())
    assert world.leases.held == {}


async def test_no_value_of_a_record_is_in_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Neither when it is kept nor when it cannot be read or appended."""
    world = World()
    world.log.outage.left = 1
    with caplog.at_level(logging.DEBUG):
        async with working(world) as process:
            payload = change_payload(1, Email="someone@example.org")
            await process.put(Event(CHANNEL, 1, {"payload": payload, "event": {}}, 1))
            await process.put(Event(CHANNEL, 2, {"payload": {"Email": "someone@example.org"}}, 1))
            await world.time.advance(5)
    assert len(world.log.records) == 2
    assert "someone" not in caplog.text


HOUR = 3_600_000


def frame_comes(process: Process, world: World, *, session: int = 1) -> None:
    """A heartbeat of the live subscription."""
    process.health.counts["sessions"] = session
    process.health.state = State.CONNECTED
    process.health.last_frame = world.time.now


async def test_a_quiet_position_is_renewed_while_the_subscription_lives() -> None:
    """Two thirds of the way to being forgotten it becomes -2, which is never refused; until then it stays."""
    world = World()
    began = world.time.wall()
    quiet = Position(41, began - 47 * HOUR)
    world.positions.stored = {CHANNEL: quiet}
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        for _minute in range(59):
            await world.time.advance(60)
            frame_comes(process, world)
        assert world.positions.stored == {CHANNEL: quiet}
        for _minute in range(3):
            await world.time.advance(60)
            frame_comes(process, world)
        renewed = world.positions.stored[CHANNEL]
        assert renewed.replay_id == EARLIEST
        assert world.time.wall() - 3 * 60_000 <= renewed.commit_timestamp <= world.time.wall()
        assert process.health.counts["renewals"] == 1
        assert process.health.commit_timestamps[CHANNEL] == renewed.commit_timestamp
        assert not world.gaps.rows
        await process.put(event(7))
        assert world.positions.stored == {CHANNEL: committed(7)}


@pytest.mark.parametrize("hours", [0, 48, 49, 60, 61, 72, 73, 1_000])
def test_the_age_of_a_position_decides_alone(hours: int) -> None:
    """By the retention; one that tells no time, or is missing, has no age, and is replaced once all is heard."""
    position, now, keeps = Position(1, 10**12), 10**12 + hours * HOUR, 72 * HOUR
    assert age_at_start(position, now=now, retention=keeps) is (Age.EXPIRED if hours > 72 else Age.YOUNG)
    heard = age_at_work(position, now=now, retention=keeps, all_heard=True)
    unheard = age_at_work(position, now=now, retention=keeps, all_heard=False)
    assert heard is (Age.RENEW if hours > 48 else Age.YOUNG)
    assert unheard is (Age.COMPARE if hours > 60 else Age.YOUNG)
    assert age_at_start(Position(1, 0), now=now, retention=keeps) is Age.YOUNG
    for ageless in (None, Position(1, 0)):
        assert age_at_work(ageless, now=now, retention=keeps, all_heard=True) is Age.RENEW
        assert age_at_work(ageless, now=now, retention=keeps, all_heard=False) is Age.YOUNG


async def test_a_session_that_has_only_begun_renews_nothing() -> None:
    """What it has to replay may be on its way: a frame must have come since a look that saw it."""
    world = World()
    world.positions.stored = {CHANNEL: Position(41, world.time.wall() - 50 * HOUR)}
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        for session in range(1, 6):
            frame_comes(process, world, session=session)
            await world.time.advance(61)
        assert world.positions.stored[CHANNEL].replay_id == 41


async def test_an_event_that_waits_is_in_the_way_of_a_renewal() -> None:
    """Of its own channel; the position moves with it when it is safe."""
    world = World()
    world.positions.stored = {CHANNEL: Position(41, world.time.wall() - 50 * HOUR)}
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        frame_comes(process, world)
        await world.time.advance(61)
        world.log.gate.clear()
        await process.put(event(7), event(8))
        frame_comes(process, world)
        await world.time.advance(61)
        assert world.positions.stored[CHANNEL].replay_id == 41
        world.log.gate.set()
        await settle()
        assert world.positions.stored[CHANNEL] == committed(8)


async def test_an_old_position_without_a_subscription_is_a_gap_once() -> None:
    """Five sixths of the way nobody waits any more: the window is compared, and the position stays to be tried."""
    world = World()
    old = Position(41, world.time.wall() - 61 * HOUR)
    world.positions.stored = {CHANNEL: old}
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        process.health.state = State.BACKING_OFF
        for _minute in range(5):
            await world.time.advance(61)
        (gap,) = world.alarms
        assert (gap.channel, gap.reason, gap.since) == (CHANNEL, "position_aging", old.commit_timestamp)
        assert world.positions.stored == {CHANNEL: old}


async def test_a_position_beyond_the_retention_at_the_start_is_a_gap_and_begins_at_the_oldest() -> None:
    """A subscriber that was down too long: the server might not even refuse it, and what it forgot it does not tell."""
    world = World()
    old = Position(41, world.time.wall() - 73 * HOUR)
    world.positions.stored = {CHANNEL: old}
    world.positions.outage.left = 2
    async with working(world, retention_hours=72) as process:
        await world.time.advance(10)
        assert process.source.started == [{CHANNEL: EARLIEST}]
        (gap,) = world.alarms
        expected = ("position_expired", old.commit_timestamp, 41)
        assert (gap.reason, gap.since, gap.refused_replay_id) == expected
        assert world.positions.stored == {CHANNEL: Position(EARLIEST, gap.until)}
        assert len(world.gaps.rows) == 1
    async with working(world, owner="b", retention_hours=72) as process:
        await world.time.advance(31)
        assert process.source.started == [{CHANNEL: EARLIEST}]
        assert len(world.alarms) == 1


async def frames_come(process: Process, world: World, minutes: int = 3) -> None:
    """So many minutes of heartbeats, and a look of the subscriber's in each."""
    for _minute in range(minutes):
        await world.time.advance(1)
        frame_comes(process, world)
        await world.time.advance(59)


async def test_a_channel_that_was_quiet_from_the_first_day_has_a_position() -> None:
    """From the first look that knows the session to be proven; it is renewed like any other."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        await frames_come(process, world, 1)
        assert world.positions.stored == {}, "what the session has to replay may be on its way"
        await world.time.advance(1)
        frame_comes(process, world)
        heard = world.time.wall()
        await world.time.advance(59)
        assert world.positions.stored == {CHANNEL: Position(EARLIEST, heard)}
        assert world.positions.epochs == {CHANNEL: 1}
        assert process.health.commit_timestamps == {CHANNEL: heard}
        await frames_come(process, world, 10)
        assert world.positions.stored == {CHANNEL: Position(EARLIEST, heard)}, "only when it is old"
        await world.time.advance(48 * 3_600)
        await frames_come(process, world)
        assert world.positions.stored[CHANNEL].commit_timestamp > heard + 48 * HOUR
        await process.put(event(7))
        assert world.positions.stored == {CHANNEL: committed(7)}


async def test_the_same_channel_after_five_days_down_is_a_recorded_gap() -> None:
    """`position_expired`, from when it was last known to have brought everything; then the oldest event there is."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        await frames_come(process, world)
        await process.end()
    first = world.positions.stored[CHANNEL]
    await world.time.advance(5 * 24 * 3_600)
    async with working(world, owner="b", retention_hours=72) as process:
        (gap,) = world.alarms
        assert gap == Gap(CHANNEL, "position_expired", first.commit_timestamp, world.time.wall(), EARLIEST)
        assert len(world.gaps.rows) == 1
        assert process.source.started == [{CHANNEL: EARLIEST}]


async def test_the_same_channel_after_two_days_down_is_no_gap() -> None:
    """All that it has brought meanwhile is retained, and -2 asks for it."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        await frames_come(process, world)
        await process.end()
    await world.time.advance(2 * 24 * 3_600)
    async with working(world, owner="b", retention_hours=72) as process:
        assert process.source.started == [{CHANNEL: EARLIEST}]
        assert world.alarms == []


@pytest.mark.parametrize("why", ["backing_off", "refused", "polled"])
async def test_a_channel_that_nobody_followed_has_no_position_and_no_gap(why: str) -> None:
    """Neither where no session stands, nor where the org refuses it, nor where all objects are polled."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        process.health.refused_channels = {CHANNEL: "403::"} if why == "refused" else {}
        process.health.out_of_deliveries = why == "polled"
        for _minute in range(5):
            frame_comes(process, world)
            if why == "backing_off":
                process.health.state = State.BACKING_OFF
            await world.time.advance(60)
        await process.end()
    assert world.positions.stored == {}
    await world.time.advance(5 * 24 * 3_600)
    async with working(world, owner="b", retention_hours=72) as process:
        assert process.source.started == [{}]
        assert world.alarms == []


async def test_a_channel_that_is_added_later_has_a_position_too() -> None:
    """Beside one that has had one all along, which stays where it is."""
    world = World()
    leads, old = "/data/LeadChangeEvent", Position(41, world.time.wall() - HOUR)
    world.positions.stored = {CHANNEL: old}
    async with working(world, retention_hours=72, lease_seconds=600, channels=(CHANNEL, leads)) as process:
        assert process.source.started == [{CHANNEL: 41}]
        await frames_come(process, world)
        assert world.positions.stored[CHANNEL] == old
        assert world.positions.stored[leads].replay_id == EARLIEST


async def test_an_event_that_waits_is_in_the_way_of_a_first_position() -> None:
    """The one before it told no replay id, so it left none; this one's own is stored once it is safe."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600, batch_records=1) as process:
        await frames_come(process, world, 1)
        world.log.gate.clear()
        await process.put(Event(CHANNEL, None, event(7).data, 1), event(8))
        await frames_come(process, world, 2)
        world.log.gate.set()
        await settle()
        assert world.appended == keys(7, 8)
        assert world.positions.stored == {CHANNEL: committed(8)}
        assert process.health.counts["renewals"] == 0


async def test_a_first_position_says_no_more_than_the_look_knew() -> None:
    """An event that comes while another channel's position cannot be stored is behind what this one's says."""
    world = World()
    leads = "/data/LeadChangeEvent"
    async with working(world, retention_hours=72, lease_seconds=600, channels=(CHANNEL, leads)) as process:
        await frames_come(process, world, 1)
        world.positions.outage.down = True
        await world.time.advance(50)
        frame_comes(process, world)
        await world.time.advance(11)  # the look has begun with the first channel's position, and cannot store it
        frame_comes(process, world)
        heard = world.time.wall()
        await process.put(event(7, leads))
        world.positions.outage.down = False
        world.log.gate.clear()
        await world.time.advance(9)
        assert process.health.counts["renewals"] == 2
        assert world.positions.stored[leads].commit_timestamp < heard, "no more than the look knew"
        frame_comes(process, world)
        await world.time.advance(61)
        world.log.gate.set()
        await settle()
        assert world.positions.stored[leads] == committed(7)


async def test_an_old_owner_cannot_write_the_first_position() -> None:
    """One that has not heard yet that its lease is another's, who has stored what he heard: it stops at once."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as old:
        await frames_come(old, world, 1)
        lease = Lease(f"changes:{ORG}", "b", 2)
        world.leases.held[lease.name] = (lease, world.time.now + 1_000)
        theirs = Position(EARLIEST, world.time.wall())
        await world.positions.write(CHANNEL, theirs, lease)
        await frames_come(old, world, 1)
        assert old.health.counts["lease_losses"] == 1
        assert old.health.state is State.STANDBY
        assert world.positions.stored == {CHANNEL: theirs}
        assert world.positions.epochs == {CHANNEL: 2}


async def test_one_that_stands_by_writes_no_first_position_and_takes_over_the_one_there_is() -> None:
    """Under its own epoch, so that the owner before cannot move it any more."""
    world = World()
    async with working(world, "a", retention_hours=72) as first, working(world, "b", retention_hours=72) as second:
        second.health.counts["sessions"], second.health.last_frame = 1, world.time.now
        await frames_come(first, world)
        stored = world.positions.stored[CHANNEL]
        assert world.positions.epochs == {CHANNEL: 1}
        first.task.cancel()
        await asyncio.gather(first.task, return_exceptions=True)
        await world.time.advance(11)
        assert second.source.started == [{CHANNEL: EARLIEST}]
        assert world.positions.stored == {CHANNEL: stored}
        assert world.positions.epochs == {CHANNEL: 2}


async def test_a_first_position_that_cannot_be_stored_is_tried_until_it_is() -> None:
    """It says what was heard when the look was made, whatever has come meanwhile."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        await frames_come(process, world, 1)
        await world.time.advance(1)
        frame_comes(process, world)
        heard = world.time.wall()
        world.positions.outage.down = True
        await world.time.advance(90)
        assert "renew the position" in process.health.last_error
        assert world.positions.stored == {}
        frame_comes(process, world)
        world.positions.outage.down = False
        await world.time.advance(9)
        assert world.positions.stored == {CHANNEL: Position(EARLIEST, heard)}


async def test_a_position_whose_events_told_no_time_gets_one() -> None:
    """Its first event could not be read: only once everything behind it has come is it known how far it stands."""
    world = World()
    async with working(world, retention_hours=72, lease_seconds=600) as process:
        await process.put(Event(CHANNEL, 2, {"payload": {"x": 1}, "event": {"replayId": 2}}, world.time.wall()))
        assert world.positions.stored == {CHANNEL: Position(2, 0)}
        await frames_come(process, world, 1)
        assert world.positions.stored == {CHANNEL: Position(2, 0)}
        await frames_come(process, world, 2)
        timed = world.positions.stored[CHANNEL]
        assert timed.replay_id == EARLIEST
        await process.end()
    await world.time.advance(5 * 24 * 3_600)
    async with working(world, owner="b", retention_hours=72):
        (gap,) = world.alarms
        assert (gap.reason, gap.since) == ("position_expired", timed.commit_timestamp)


async def test_whoever_looks_closely_is_told_behind_the_log_and_before_the_position() -> None:
    """What cannot be told is tried again, and is not published again: the position waits for it."""
    world = World()
    closely = Closely()
    closely.outage = True
    async with working(world, closely=closely) as process:
        await process.put(event(1))
        assert (world.appended, world.positions.stored) == (keys(1), {})
        closely.outage = False
        await world.time.advance(10)
        assert (world.appended, closely.received_keys) == (keys(1), keys(1))
        assert world.positions.stored == {CHANNEL: committed(1)}
