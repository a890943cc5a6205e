"""Fakes of the subscriber's ports with visible state, a clock that tests move, and a rig around the CometD client."""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from listener.changes.buffer import HIGH_BYTES, Buffer, Event, Item, PositionRefused
from listener.changes.cometd import CometdClient, Pause
from listener.changes.health import Health
from listener.changes.ports import (
    ChangeRecord,
    Gap,
    Lease,
    LeaseLost,
    LoginFailed,
    Position,
    Session,
    Unavailable,
)
from listener.changes.settings import ChangesSettings
from schemas.stream import ReplayId


async def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Return once the condition holds; fail if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is made true by others
            await asyncio.sleep(0.002)


class FakeTime:
    """A clock that moves only when told to. `sleep` waits for it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        return self.now

    def wall(self) -> int:
        """Epoch milliseconds."""
        return 1_800_000_000_000 + int(self.now * 1000)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, waking each sleeper at its time."""
        end = self.now + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, woken = heapq.heappop(self._sleepers)
            self.now = max(self.now, at)
            woken.set()
            await settle()
        self.now = end


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)


class Outages:
    """Makes the next calls of a fake fail."""

    def __init__(self) -> None:
        self.left = 0
        self.down = False

    def check(self) -> None:
        """Raises Unavailable while down, or for as many calls as are left."""
        if self.down:
            raise Unavailable("down")
        if self.left:
            self.left -= 1
            raise Unavailable("an outage")


class FakeChangeLog:
    """`salesforce.changes` in a list."""

    def __init__(self) -> None:
        self.records: list[ChangeRecord] = []
        self.outage = Outages()
        self.gate = asyncio.Event()
        self.gate.set()
        """Cleared: appends wait."""
        self.waiting = 0

    async def append(self, records: list[ChangeRecord]) -> None:
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        self.outage.check()
        self.records.extend(records)


class FakePositions:
    """`tandem_positions` in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[str, Position] = {}
        self.epochs: dict[str, int] = {}
        self.outage = Outages()

    async def read(self, channel: str) -> Position | None:
        self.outage.check()
        return self.stored.get(channel)

    async def write(self, channel: str, position: Position, lease: Lease) -> None:
        self.outage.check()
        if self.epochs.get(channel, 0) > lease.epoch:
            raise LeaseLost("a later epoch has written")
        self.epochs[channel] = lease.epoch
        self.stored[channel] = position


class FakeLeases:
    """`tandem_leases` in a dictionary, by a clock of seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.held: dict[str, tuple[Lease, float]] = {}
        self._epochs: Counter[str] = Counter()
        self.outage = Outages()

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        self.outage.check()
        lease, until = self.held.get(name, (None, 0.0))
        if lease is not None and lease.owner != owner and until > self._clock():
            return None
        self._epochs[name] += 1
        taken = Lease(name, owner, self._epochs[name])
        self.held[name] = (taken, self._clock() + seconds)
        return taken

    async def renew(self, lease: Lease, seconds: float) -> None:
        self.outage.check()
        if self.held.get(lease.name, (None, 0.0))[0] != lease:
            raise LeaseLost("another has it")
        self.held[lease.name] = (lease, self._clock() + seconds)

    async def release(self, lease: Lease) -> None:
        self.outage.check()
        if self.held.get(lease.name, (None, 0.0))[0] == lease:
            del self.held[lease.name]


class FakeGaps:
    """`tandem_gaps` in a dictionary: channel, reason, since, refused id → until."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int, ReplayId | None], int] = {}
        self.outage = Outages()

    async def record(self, gap: Gap) -> None:
        self.outage.check()
        key = (gap.channel, gap.reason, gap.since, gap.refused_replay_id)
        self.rows[key] = max(gap.until, self.rows.get(key, 0))


class FakeSource:
    """A stream that holds what the test puts into it, from the position it was started at."""

    def __init__(self) -> None:
        self.started: list[dict[str, ReplayId]] = []
        self.resumed: list[tuple[str, ReplayId]] = []
        self.buffer: Buffer | None = None
        self.running = 0

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        self.started.append(dict(start))
        self.buffer = buffer
        self.running += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        self.resumed.append((channel, replay_id))

    def put(self, *items: Item) -> None:
        assert self.buffer is not None
        self.buffer.put(items)


class FakeSessions:
    """Logins to an org: `token-1`, `token-2`, …"""

    def __init__(self, url: str) -> None:
        self._url = url
        self._number = 1
        self.renewals = 0
        self.failures = 0
        """How many of the next logins fail."""
        self.silent = False
        """Logins are not answered at all."""

    @property
    def token(self) -> str:
        return f"token-{self._number}"

    async def current(self) -> Session:
        return Session(self._url, self.token)

    async def renew(self, refused: Session) -> Session:
        self.renewals += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise LoginFailed("invalid_grant")
        if refused.access_token == self.token:
            self._number += 1
        return await self.current()


def quick_settings(**changed: Any) -> ChangesSettings:
    """Settings under which everything happens within a second."""
    quick = {
        "request_seconds": 0.5,
        "login_seconds": 0.3,
        "poll_slack_seconds": 0.3,
        "body_seconds": 2,
        "backoff_seconds": 0.02,
        "backoff_cap_seconds": 0.1,
        "busy_seconds": 0.02,
        "busy_cap_seconds": 0.1,
        "sent_away_seconds": 0.05,
    }
    return ChangesSettings(**{**quick, **changed})


class Rig:
    """A CometD client at work, and what came out of it."""

    def __init__(self, client: CometdClient, sessions: FakeSessions, health: Health, buffer: Buffer) -> None:
        self.client = client
        self.sessions = sessions
        self.health = health
        self.buffer = buffer
        self.taken: list[Event] = []
        self.refused: list[PositionRefused] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def ids(self) -> list[ReplayId | None]:
        """Replay ids in the order in which they came."""
        return [event.replay_id for event in self.taken]

    def take(self, limit: int = 100_000) -> int:
        """Take what is there; how much it was."""
        items = self.buffer.peek(limit)
        self.buffer.discard(len(items))
        for item in items:
            if isinstance(item, Event):
                self.taken.append(item)
            else:
                self.refused.append(item)
        return len(items)

    async def until(self, count: int, seconds: float = 30.0) -> None:
        """Take events until there are so many in all."""

        def enough() -> bool:
            self.take()
            return len(self.taken) >= count

        await eventually(enough, seconds)

    def run(self, start: Mapping[str, ReplayId] | None = None) -> None:
        """Start the client, from -2 where nothing is said."""
        self.task = asyncio.create_task(self.client.run(start or {}, self.buffer))

    async def stop(self) -> None:
        """Stop it; what it raised is raised here."""
        if self.task is not None:
            task, self.task = self.task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled() and (error := task.exception()):
                raise error


def rig(
    url: str,
    *,
    high: int = 100_000,
    low: int = 0,
    high_bytes: int = HIGH_BYTES,
    pause: Pause = asyncio.sleep,
    **settings: Any,
) -> Rig:
    """A client of the org at `url`, not started."""
    health = Health()
    sessions = FakeSessions(url)
    client = CometdClient(sessions=sessions, settings=quick_settings(**settings), health=health, pause=pause)
    return Rig(client, sessions, health, Buffer(high=high, low=low, high_bytes=high_bytes))


@asynccontextmanager
async def running(url: str, start: Mapping[str, ReplayId] | None = None, **options: Any) -> AsyncIterator[Rig]:
    """A client at work, stopped at the end."""
    made = rig(url, **options)
    made.run(start)
    try:
        yield made
    finally:
        await made.stop()


NO_FAULTS = {"lost": 0, "doubled": 0, "out of order": 0, "strange": 0}


def count_faults(received: list[Any], expected: list[Any]) -> dict[str, int]:
    """What is wrong with a list of events, by sort."""
    counted = Counter(received)
    places = {each: index for index, each in enumerate(expected)}
    order = [places[each] for each in received if each in places]
    return {
        "lost": sum(each not in counted for each in expected),
        "doubled": sum(times - 1 for times in counted.values()),
        "out of order": sum(later < earlier for earlier, later in itertools.pairwise(order)),
        "strange": sum(each not in places for each in received),
    }
