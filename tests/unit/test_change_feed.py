"""Events and polls together, under the real subscriber. Time moves only when a test moves it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fakes_changes import FakeChangeLog, FakeGaps, FakeLeases, FakePositions, FakeSource, FakeTime, settle
from support.fakes_polling import FakeModified
from support.scripted_bayeux import change_payload

from listener.changes.buffer import Buffer, Event, PositionRefused
from listener.changes.feed import ChangeFeed, Objects
from listener.changes.health import Health, State
from listener.changes.polling import Poller
from listener.changes.ports import Gap, Position
from listener.changes.settings import ChangesSettings
from listener.changes.subscriber import Subscriber
from schemas.allocation import Allocation
from schemas.change import Change, ChangeType, Told
from schemas.codec import decode
from schemas.stream import EARLIEST, ReplayId, poll_channel

ORG = "00D000000000001EAA"
CHANNEL = "/data/ChangeEvents"
OBJECTS = Objects(by_events=frozenset({"Contact", "Account"}), polled=frozenset({"Campaign"}))
IDS = [f"003{number:012}AAA" for number in range(20)]


class FakeEvents(FakeSource):
    """A stream that tells where it has come to, and is connected while it runs."""

    def __init__(self, health: Health, time: FakeTime) -> None:
        super().__init__()
        self.health = health
        self.time = time
        self.after: Mapping[str, ReplayId] = {}

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        self.after = dict(start)
        self.health.state = State.CONNECTED
        self.health.last_frame = self.time.clock()
        await super().run(start, buffer)

    def deliver(self, number: int, record_id: str) -> None:
        """A change event of a contact."""
        payload = change_payload(number)
        payload["ChangeEventHeader"]["recordIds"] = [record_id]
        payload["ChangeEventHeader"]["commitTimestamp"] = self.time.wall()
        self.after = {CHANNEL: number}
        self.health.last_frame = self.time.clock()
        self.put(Event(CHANNEL, number, {"payload": payload, "event": {"replayId": number}}, self.time.wall()))


class World:
    """What outlives a process."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.log = FakeChangeLog()
        self.positions = FakePositions()
        self.leases = FakeLeases(self.time.clock)
        self.gaps = FakeGaps()
        self.alarms: list[Gap] = []
        self.salesforce = FakeModified(self.time.wall)
        self.deliveries: Allocation | None = None
        self.seconds_a_call = 0.0

    def leave(self, left: int) -> None:
        """What the org tells of its event deliveries now."""
        self.deliveries = Allocation(1_000 - left, 1_000, self.time.wall())

    def changes(self, sobject: str = "") -> list[Change]:
        """What is in the log, in order."""
        read = [decode(Change, record.value) for record in self.log.records]
        return [change for change in read if sobject in ("", change.entity)]

    def ids(self, sobject: str) -> list[str]:
        return [change.record_id for change in self.changes(sobject)]


class Process:
    """A subscriber with its feed."""

    def __init__(self, world: World, objects: Objects = OBJECTS, **settings: Any) -> None:
        options: dict[str, Any] = {"poll_overlap_seconds": 60, "backoff_seconds": 1} | settings
        self.world = world
        self.objects = objects
        self.settings = ChangesSettings(**options)
        self.health = Health()
        self.events = FakeEvents(self.health, world.time)
        around: dict[str, Any] = {"clock": world.time.clock, "wall": world.time.wall, "pause": world.time.sleep}
        self.poller = Poller(
            records=world.salesforce,
            settings=self.settings,
            health=self.health,
            budget=lambda callers: world.seconds_a_call * callers,
            chance=lambda: 1.0,
            **around,
        )
        self.feed = ChangeFeed(
            events=self.events,
            poller=self.poller,
            settings=self.settings,
            health=self.health,
            objects=lambda: self.objects,
            deliveries=lambda: world.deliveries,
            **around,
        )
        self.subscriber = Subscriber(
            source=self.feed,
            log=world.log,
            positions=world.positions,
            leases=world.leases,
            gaps=world.gaps,
            settings=self.settings,
            health=self.health,
            org_id=ORG,
            owner="one",
            alarm=world.alarms.append,
            channels=lambda: [*self.settings.channels, *map(poll_channel, sorted(self.objects.all))],
            chance=lambda: 1.0,
            **around,
        )


@asynccontextmanager
async def at_work(world: World, objects: Objects = OBJECTS, **settings: Any) -> AsyncIterator[Process]:
    """A process that is killed at the end: nothing is put in order."""
    process = Process(world, objects, **settings)
    task = asyncio.create_task(process.subscriber.run(asyncio.Event()))
    await settle()
    try:
        yield process
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() or task.exception() is None, task.exception()


@pytest.fixture
def world() -> World:
    return World()


async def test_an_object_without_events_is_polled(world: World) -> None:
    """Edits, a deletion and an undelete each become a gap change, once; the position is a moment of Salesforce's."""
    world.salesforce.modify("Campaign", IDS[0], IDS[1])
    world.salesforce.modify("Contact", IDS[2])
    await world.time.advance(1)
    async with at_work(world) as process:
        await world.time.advance(40)
        assert world.ids("Campaign") == IDS[:2]
        assert world.ids("Contact") == []
        world.salesforce.modify("Campaign", IDS[0], deleted=True)
        await world.time.advance(40)
        world.salesforce.modify("Campaign", IDS[0])
        await world.time.advance(200)
        assert [(change.record_id, change.type, change.told) for change in world.changes()[2:]] == [
            (IDS[0], ChangeType.GAP_DELETE, Told.ROW),
            (IDS[0], ChangeType.GAP_UPDATE, Told.STAMP),
        ]
        assert process.events.running == 1
        assert process.health.records == {poll_channel("Campaign"): 4}
    stood = world.positions.stored[poll_channel("Campaign")]
    assert stood.replay_id == stood.commit_timestamp > world.salesforce.rows["Campaign"][IDS[0]].modified


async def test_a_first_poll_begins_no_later_than_events_would(world: World) -> None:
    """Three days back: what was changed before that, no event would tell either."""
    async with at_work(world):
        await world.time.advance(1)
    ((sobject, since),) = world.salesforce.asked
    assert sobject == "Campaign"
    assert abs(since - (world.time.wall() - 72 * 3_600_000 - 60_000)) < 5_000


async def test_a_row_that_is_seen_late_is_caught_by_the_overlap(world: World) -> None:
    """A long transaction commits under an earlier stamp than what was polled meanwhile."""
    async with at_work(world):
        world.salesforce.modify("Campaign", IDS[0])
        await world.time.advance(120)
        assert world.ids("Campaign") == IDS[:1]
        world.salesforce.modify("Campaign", IDS[1], at=world.time.wall() - 45_000)
        await world.time.advance(70)
        assert world.ids("Campaign") == IDS[:2]


async def test_a_killed_poll_goes_on_where_its_rows_are_safe(world: World) -> None:
    """In the middle of many pages: nothing is missing, and no more than the overlap comes again."""
    for number, record_id in enumerate(IDS):
        world.salesforce.modify("Campaign", record_id, at=world.time.wall() - 86_400_000 + number * 600_000)
    world.salesforce.away_after = 3
    async with at_work(world):
        await settle()
        assert world.ids("Campaign") == IDS[:9]
    async with at_work(world) as process:
        await world.time.advance(40)
        assert process.health.records[poll_channel("Campaign")] == len(IDS) - 8
    assert world.ids("Campaign") == [*IDS[:9], *IDS[8:]]


async def test_salesforce_away_costs_nothing_but_time(world: World) -> None:
    """It is asked again, with growing waits, for the same window; who looks sees that the object is not polled."""
    async with at_work(world, poll_idle_seconds=60) as process:
        await world.time.advance(5)
        world.salesforce.modify("Campaign", IDS[0])
        world.salesforce.away = True
        await world.time.advance(1_000)
        assert world.ids("Campaign") == []
        process.health.last_frame = world.time.clock()
        assert not process.health.ready(world.time.clock())
        world.salesforce.away = False
        await world.time.advance(120)
        assert world.ids("Campaign") == IDS[:1]
        process.health.last_frame = world.time.clock()
        assert process.health.ready(world.time.clock())


async def test_a_refused_object_alarms_and_the_others_go_on(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """It goes on being tried, and catches up on the day when somebody has given us the right."""
    objects = Objects(polled=frozenset({"Campaign", "Opportunity"}))
    world.salesforce.refused["Campaign"] = "INVALID_FIELD"
    async with at_work(world, objects, refused_channel_seconds=100) as process:
        world.salesforce.modify("Campaign", IDS[0])
        world.salesforce.modify("Opportunity", IDS[1])
        await world.time.advance(50)
        assert world.ids("Opportunity") == IDS[1:2]
        assert process.health.refused_polls == {"Campaign": "INVALID_FIELD"}
        assert not process.health.ready(world.time.clock())
        assert "The org refuses to be polled for Campaign: INVALID_FIELD" in caplog.text
        world.salesforce.refused.clear()
        await world.time.advance(100)
        assert world.ids("Campaign") == IDS[:1]
        assert process.health.ready(world.time.clock())
        assert process.events.running == 0  # nothing that is mapped has events


async def test_polls_come_more_seldom_while_nothing_happens(world: World) -> None:
    """And as often as the setting says as soon as something does."""
    async with at_work(world, poll_seconds=10, poll_idle_seconds=80):
        await world.time.advance(1_000)
        seldom = len(world.salesforce.asked)
        await world.time.advance(800)
        assert len(world.salesforce.asked) - seldom == 10
        world.salesforce.modify("Campaign", IDS[0])
        while not world.ids("Campaign"):
            await world.time.advance(1)
        often = len(world.salesforce.asked)
        await world.time.advance(35)
        assert len(world.salesforce.asked) - often == 3


async def test_polls_come_more_seldom_as_the_calls_run_short(world: World) -> None:
    """However much happens; and that is no fault of the poll's health."""
    objects = Objects(polled=frozenset({"Campaign", "Opportunity"}))
    async with at_work(world, objects, poll_seconds=10, poll_idle_seconds=60) as process:
        await world.time.advance(100)
        world.seconds_a_call = 400.0
        await world.time.advance(100)
        asked = len(world.salesforce.asked)
        await world.time.advance(1_600)
        assert len(world.salesforce.asked) - asked == 4
        assert process.health.ready(world.time.clock())


async def test_where_event_deliveries_run_out_every_object_is_polled(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """From where its events ended, said aloud; and events are taken up from where they ended when there is room."""
    async with at_work(world, poll_overlap_seconds=10) as process:
        process.events.deliver(1, IDS[0])
        await world.time.advance(30)
        world.salesforce.modify("Contact", IDS[1])
        world.leave(99)
        await world.time.advance(3)
        assert process.events.running == 0
        assert process.health.state is State.POLLING
        assert process.health.ready(world.time.clock())
        assert "The org's event deliveries run out (99 of 1000 left): every object is polled" in caplog.text
        await world.time.advance(5)
        assert world.ids("Contact") == IDS[:2]
        contact = next(since for sobject, since in world.salesforce.asked if sobject == "Contact")
        assert contact == world.positions.stored[CHANNEL].commit_timestamp - 10_000
        world.salesforce.modify("Account", IDS[2])
        await world.time.advance(400)
        assert world.ids("Account") == IDS[2:3]

        world.leave(199)
        await world.time.advance(5)
        assert process.events.running == 0
        world.leave(500)
        await world.time.advance(2)
        assert process.events.running == 1
        assert process.events.started[-1] == {CHANNEL: 1}
        world.salesforce.modify("Account", IDS[3])
        await world.time.advance(400)
        assert world.ids("Account") == IDS[2:4]
        asked = len(world.salesforce.asked)
        await world.time.advance(900)
        assert {sobject for sobject, _ in world.salesforce.asked[asked:]} == {"Campaign"}
        assert "no polls in their place" in caplog.text
    assert world.alarms == []


async def test_a_refusal_of_salesforces_counts_before_any_limit_is_seen(world: World) -> None:
    """The count may be minutes old, or not ours to see: an hour later events are asked for again."""
    async with at_work(world) as process:
        process.health.deliveries_refused_at = world.time.wall()
        await world.time.advance(10)
        assert process.events.running == 0
        await world.time.advance(3_580)
        assert process.events.running == 0
        await world.time.advance(20)
        assert process.events.running == 1


async def test_a_position_that_expired_while_all_was_polled_is_no_gap(world: World) -> None:
    """Polls have read what it missed; without them it is one, and alarms."""
    async with at_work(world) as process:
        process.events.deliver(1, IDS[0])
        world.leave(10)
        await world.time.advance(60)
        world.leave(900)
        await world.time.advance(2)
        process.events.put(PositionRefused(CHANNEL, 1, "400::The replayId {1} you provided was invalid."))
        await world.time.advance(1)
        assert process.events.resumed == [(CHANNEL, EARLIEST)]
        assert (world.alarms, world.gaps.rows) == ([], {})
        world.leave(900)
        await world.time.advance(1_500)
        process.events.put(PositionRefused(CHANNEL, 1, "400::The replayId {1} you provided was invalid."))
        await world.time.advance(1)
        assert len(world.alarms) == len(world.gaps.rows) == 1


async def test_a_kill_while_all_is_polled_goes_on_from_the_polls(world: World) -> None:
    """The next process finds out by itself that there are no deliveries, and no change is missing."""
    async with at_work(world) as process:
        process.events.deliver(1, IDS[0])
        world.leave(0)
        await world.time.advance(60)
        world.salesforce.modify("Contact", IDS[1])
        await world.time.advance(40)
    world.salesforce.modify("Contact", IDS[2])
    world.leave(0)
    async with at_work(world):
        await world.time.advance(40)
        assert set(world.ids("Contact")) == set(IDS[:3])
    assert world.positions.stored[CHANNEL] == Position(1, world.changes("Contact")[0].position.timestamp)


async def test_a_newly_mapped_object_is_polled_too(world: World) -> None:
    """And one that was taken out of the mapping is not."""
    async with at_work(world, Objects(polled=frozenset({"Campaign"}))) as process:
        await world.time.advance(5)
        process.objects = Objects(polled=frozenset({"Lead"}))
        world.salesforce.modify("Lead", IDS[0])
        await world.time.advance(5)
        assert world.ids("Lead") == IDS[:1]
        asked = len(world.salesforce.asked)
        await world.time.advance(100)
        assert {sobject for sobject, _ in world.salesforce.asked[asked:]} == {"Lead"}
        assert process.health.polls.keys() == {"Lead"}
