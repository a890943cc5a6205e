"""The event bus."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from simulator.org.changes import ChangeBus


class HandClock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> HandClock:
    """A clock of the test's own."""
    return HandClock()


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """A database of the test's own, as the org would open it."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def publish(bus: ChangeBus, clock: HandClock, entity: str = "Contact", delay: int = 0, **payload: int) -> int:
    """Put one event on the bus; its id."""
    return bus.publish(entity, dict(payload), clock.now, clock.now + delay).replay_id


def test_ids_grow_with_holes_and_reading_resumes_after_any(database: sqlite3.Connection, clock: HandClock) -> None:
    """Reading after an event gives exactly those behind it, in order."""
    bus = ChangeBus(database, clock=clock)
    given = [publish(bus, clock, n=n) for n in range(50)]
    assert given == sorted(set(given))
    assert given[-1] - given[0] > 49
    assert [one.replay_id for one in bus.after(None, None, 100)] == given
    for place, replay_id in enumerate(given):
        assert [one.payload["n"] for one in bus.after(replay_id, None, 3)] == list(range(place + 1, min(place + 4, 50)))
    assert (bus.earliest(), bus.latest()) == (given[0], given[-1])


def test_entities_are_told_apart(database: sqlite3.Connection, clock: HandClock) -> None:
    """Only the objects asked for."""
    bus = ChangeBus(database, clock=clock)
    publish(bus, clock, "Contact")
    account = publish(bus, clock, "Account")
    assert [one.replay_id for one in bus.after(None, frozenset({"Account"}), 10)] == [account]
    assert bus.after(None, frozenset(), 10) == []


def test_what_is_delayed_is_unseen_and_holds_back_what_follows(database: sqlite3.Connection, clock: HandClock) -> None:
    """Order is kept: a later event is never seen before an earlier one."""
    bus = ChangeBus(database, clock=clock)
    late = publish(bus, clock, delay=500)
    prompt = publish(bus, clock)
    assert bus.after(None, None, 10) == []
    assert bus.latest() is None
    assert not bus.knows(late)
    clock.now += 500
    assert [one.replay_id for one in bus.after(None, None, 10)] == [late, prompt]
    assert bus.knows(late)


def test_old_events_expire(database: sqlite3.Connection, clock: HandClock) -> None:
    """Past the retention an id is unknown, as one never given is."""
    bus = ChangeBus(database, clock=clock, retention_ms=10_000)
    old = publish(bus, clock)
    clock.now += 6_000
    young = publish(bus, clock)
    assert bus.knows(old)
    clock.now += 6_000
    assert not bus.knows(old)
    assert bus.knows(young)
    assert not bus.knows(young + 1)
    assert bus.earliest() == young


def test_forgetting_expires_up_to_an_id(database: sqlite3.Connection, clock: HandClock) -> None:
    """What an administrator expires is gone at once."""
    bus = ChangeBus(database, clock=clock)
    first, second = publish(bus, clock), publish(bus, clock)
    assert bus.forget(first) == 1
    assert (bus.knows(first), bus.knows(second)) == (False, True)
    assert bus.forget() == 1
    assert bus.latest() is None
    assert publish(bus, clock) > second


def test_a_reopened_bus_goes_on_where_it_was(database: sqlite3.Connection, clock: HandClock) -> None:
    """Ids never go back, even when every event has expired in between."""
    first = publish(ChangeBus(database, clock=clock), clock)
    again = ChangeBus(database, clock=clock)
    assert again.knows(first)
    again.forget()
    assert publish(ChangeBus(database, clock=clock), clock) > first


async def test_waiting_ends_with_a_publish(database: sqlite3.Connection, clock: HandClock) -> None:
    """Only an event of the wanted object, after the wanted place, ends the wait."""
    bus = ChangeBus(database, clock=clock)
    seen = publish(bus, clock)
    waiting = asyncio.create_task(bus.wait(seen, frozenset({"Contact"}), 10.0))
    await asyncio.sleep(0)
    publish(bus, clock, "Account")
    await asyncio.sleep(0)
    assert not waiting.done()
    publish(bus, clock)
    assert await asyncio.wait_for(waiting, 30)


async def test_waiting_has_an_end(database: sqlite3.Connection, clock: HandClock) -> None:
    """With nothing published it answers False when its time is over."""
    assert not await ChangeBus(database, clock=clock).wait(None, None, 0.01)


async def test_waiting_outlasts_a_delay(database: sqlite3.Connection) -> None:
    """An event that is not yet visible ends the wait when it becomes so."""
    bus = ChangeBus(database)
    now = bus._clock()
    bus.publish("Contact", {}, now, now + 30)
    assert await bus.wait(None, None, 5.0)
    assert len(bus.after(None, None, 10)) == 1
