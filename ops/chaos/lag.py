"""How far behind the whole is, looked at twice a second: asked of Kafka, MongoDB, the org and the platform."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from ops.demo.rest import Signs
from schemas.topics import ALL
from schemas.unavailable import Unavailable
from simulator.observer.backlog import Backlog, open_backlog
from simulator.observer.readers import MongoGone, MongoWitness, Pulse

LOOK_SECONDS: Final = 0.5
PULSE_SECONDS: Final = 3.0
"""How often all documents are looked at: that costs more."""
KAFKA_SECONDS: Final = 5.0
"""How long Kafka may take to tell; then it tells nothing this time."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, so many seconds after the beginning of the load.

    `lag` is all that was said and not yet worked off: webhooks not yet taken, change events not yet in Kafka, Kafka
    records not finished; None where Kafka or MongoDB did not tell. `pending` are documents that were not in step when
    they were last counted; `counted` says that it was at this look, and `late` which they were, but for those that wait
    for another document's record. `gaps` are those that are open, None where nobody told.
    """

    at: float
    lag: int | None
    pending: int
    gaps: int | None = 0
    counted: bool = True
    late: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """What the last look saw. `signs` are the demo's, with all that waits anywhere among what is unfinished."""

    signs: Signs
    waiting: int
    open_gaps: int

    def tell(self) -> str:
        """What is still under way."""
        return f"{self.signs.tell()}, {self.waiting} of these events or webhooks not taken, {self.open_gaps} gaps open"


class Lookout:
    """Looks while it is open. `samples` are all looks so far; `latest` is the last one that saw everything."""

    def __init__(
        self,
        options: Mapping[str, Any],
        mongo: MongoWitness,
        http: aiohttp.ClientSession,
        org_url: str,
        collections: Mapping[str, str],
        unposted: Callable[[], int],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`options` are those of a Kafka client; `collections` are by kind; `unposted` counts webhooks not taken."""
        self._options = options
        self._mongo = mongo
        self._http = http
        self._org_url = org_url
        self._collections = collections
        self._unposted = unposted
        self._now = now
        self._began = now()
        self.samples: list[Sample] = []
        self.latest: Look | None = None
        self.told = ""
        """The lag of the last look by where it is."""
        self._counted_at = -PULSE_SECONDS
        self._pulse = Pulse(0, 0, 0)
        self._looked = asyncio.Condition()

    def begin(self) -> None:
        """The load begins now."""
        self._began = self._now()
        self.samples.clear()

    @property
    def seconds(self) -> float:
        """Since the beginning of the load."""
        return self._now() - self._began

    async def next_look(self) -> Look | None:
        """The next look; nothing where Kafka, MongoDB or the org did not tell."""
        async with self._looked:
            await self._looked.wait()
        return self.latest

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                async with open_backlog(self._options, ALL) as backlog:
                    await self._look_until_gone(backlog)
            except (Unavailable, OSError):
                await self._note(None, None)
            await asyncio.sleep(LOOK_SECONDS)  # Kafka was restarted: its clients are opened anew

    async def _look_until_gone(self, backlog: Backlog) -> None:
        there = True
        while there:
            there = await self._look(backlog)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, backlog: Backlog) -> bool:
        """One look; whether Kafka told what it was asked."""
        unfinished = await _in_time(_unfinished(backlog))
        try:
            events, open_gaps = await self._waiting(), await self._mongo.open_gaps()
            counted = self._now() - self._counted_at >= PULSE_SECONDS
            if counted:
                self._pulse = await self._all()
                self._counted_at = self._now()
        except (MongoGone, aiohttp.ClientError, TimeoutError):
            await self._note(None, None)
            return unfinished is not None
        if unfinished is None:
            await self._note(None, None)
            return False
        unposted = self._unposted()
        waiting, lag = events.waiting + unposted, events.waiting + unposted + sum(unfinished.values())
        places = {"webhooks": unposted, "events": events.waiting, **unfinished}
        self.told = ", ".join(f"{name} {count}" for name, count in places.items())
        signs = Signs(self._pulse.revisions, events.commit, lag + open_gaps, self._pulse.pending)
        await self._note(lag, Look(signs, waiting, open_gaps), counted=counted)
        return True

    async def _note(self, lag: int | None, look: Look | None, *, counted: bool = False) -> None:
        gaps = None if look is None else look.open_gaps
        late = self._pulse.late if counted else frozenset[str]()
        self.samples.append(Sample(self.seconds, lag, self._pulse.pending, gaps, counted, late))
        async with self._looked:
            self.latest = look
            self._looked.notify_all()

    async def _all(self) -> Pulse:
        pulses = {name: await self._mongo.pulse(name) for name in self._collections.values()}
        return Pulse(
            documents=sum(pulse.documents for pulse in pulses.values()),
            revisions=sum(pulse.revisions for pulse in pulses.values()),
            pending=sum(pulse.pending for pulse in pulses.values()),
            late=frozenset(f"{name}/{id_}" for name, pulse in pulses.items() for id_ in pulse.late),
        )

    async def _waiting(self) -> "_Events":
        position = await self._mongo.position()
        async with self._http.get(f"{self._org_url}/admin/behind", params={"after": str(position)}) as answer:
            answer.raise_for_status()
            told = await answer.json()
        return _Events(int(told["waiting"]), int(told["last_commit"]))


@dataclass(frozen=True, slots=True)
class _Events:
    waiting: int
    commit: int


async def _unfinished(backlog: Backlog) -> Mapping[str, int]:
    return {name: topic.unfinished for name, topic in (await backlog.read()).items()}


async def _in_time(asked: Awaitable[Mapping[str, int]]) -> Mapping[str, int] | None:
    """What is told, or nothing where it takes too long or cannot be told."""
    try:
        async with asyncio.timeout(KAFKA_SECONDS):
            return await asked
    except (TimeoutError, Unavailable, OSError):
        return None


@contextlib.asynccontextmanager
async def looking(lookout: Lookout) -> AsyncIterator[None]:
    """Look while the block runs; what makes looking impossible ends the block."""
    async with asyncio.TaskGroup() as group:
        eyes = group.create_task(lookout.run())
        yield
        eyes.cancel()
