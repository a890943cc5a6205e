"""Events and polls together, behind the subscriber's port: which objects come by which, and when that changes.

Objects that have no change events are polled always. When the org's event deliveries run out all others are too, each
from where its events ended, and when there is room again the events go on from where they ended; the polls stop once
they have read past that moment. What comes by both does no harm.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from listener.changes.buffer import Buffer
from listener.changes.cometd import Pause, wall_ms
from listener.changes.deliveries import DeliveryPolicy, Way, way
from listener.changes.health import Health, State
from listener.changes.pace import begins_at
from listener.changes.polling import Poller, PollState
from listener.changes.racing import end
from listener.changes.settings import ChangesSettings
from schemas.allocation import Allocation
from schemas.stream import ReplayId

_logger = logging.getLogger(__name__)
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Objects:
    """The mapped objects by how their changes are had: those with events, and those that are always polled."""

    by_events: frozenset[str] = frozenset()
    polled: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        """Every one."""
        return self.by_events | self.polled


class Events(Protocol):
    """The stream of change events: `ChangeSource`, and where it has come to."""

    @property
    def after(self) -> Mapping[str, ReplayId]:
        """The last event of each channel that is in the buffer."""

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        """As `ChangeSource`."""

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        """As `ChangeSource`."""


@dataclass(slots=True)
class _Running:
    task: "asyncio.Task[None]"
    state: PollState


@dataclass(slots=True)
class _Run:
    """One run: what is at work, and for whom."""

    start: dict[str, ReplayId]
    buffer: Buffer
    events: "asyncio.Task[None] | None" = None
    polls: dict[str, _Running] = field(default_factory=dict)
    way: Way = Way.EVENTS
    connected_at: int | None = None
    """Since when events come again while the polls of their objects go on: epoch milliseconds."""
    returning: bool = False
    """Events are subscribed to again, and the polls have still to read past that moment."""


class ChangeFeed:
    """Satisfies `ChangeSource` for one org. `objects` and `deliveries` tell what is known at the moment."""

    def __init__(
        self,
        *,
        events: Events,
        poller: Poller,
        settings: ChangesSettings,
        health: Health,
        objects: Callable[[], Objects],
        deliveries: Callable[[], Allocation | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._events = events
        self._poller = poller
        self._settings = settings
        self._health = health
        self._objects = objects
        self._deliveries = deliveries
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._policy = DeliveryPolicy(settings.deliveries_reserve, settings.deliveries_room)

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        """As `ChangeSource`. A poll begins where `health.commit_timestamps` says that its object has been told of."""
        run = _Run({channel: start[channel] for channel in self._settings.channels if channel in start}, buffer)
        try:
            while True:
                self._decide(run)
                await self._set_to_work(run)
                await self._pause(LOOK_SECONDS)
                self._raise_what_failed(run)
        finally:
            self._health.nothing_unseen = self._health.out_of_deliveries = False
            await end(_at_work(run))

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        """As `ChangeSource`: polls are refused no position."""
        self._events.resume(channel, replay_id)

    def _decide(self, run: _Run) -> None:
        wanted = way(
            run.way,
            self._deliveries(),
            self._policy,
            now=self._wall(),
            exceeded_at=self._health.deliveries_refused_at,
        )
        if wanted is not run.way:
            run.way, run.connected_at, run.returning = wanted, None, wanted is Way.EVENTS
            self._tell(wanted)
        if run.returning:
            self._look_whether_returned(run)

    def _look_whether_returned(self, run: _Run) -> None:
        """The polls of objects with events go on until one that was begun a whole overlap after the events came again
        has come to its end: what was committed before, but stamped earlier, is in the buffer by then."""
        if self._health.state is not State.CONNECTED:
            run.connected_at = None
            return
        if run.connected_at is None:
            run.connected_at = self._wall()
        past = run.connected_at + self._settings.poll_overlap_seconds * 1000
        waited_for = [run.polls[each] for each in self._objects().by_events if each in run.polls]
        if all(each.state.through > past for each in waited_for):
            run.returning = False
            _logger.warning("Events bring every change again: no polls in their place", extra={"action": "returned"})

    async def _set_to_work(self, run: _Run) -> None:
        objects = self._objects()
        instead = run.way is Way.POLLING or run.returning
        wanted = objects.all if instead else objects.polled
        await end([run.polls.pop(sobject).task for sobject in sorted(run.polls.keys() - wanted)])
        for sobject in sorted(wanted - run.polls.keys()):
            run.polls[sobject] = self._poll(sobject, objects, run.buffer)
        told = all(run.polls[each].state.through for each in objects.by_events) if instead else False
        self._health.nothing_unseen = told and not self._health.refused_polls
        self._health.out_of_deliveries = run.way is Way.POLLING
        if run.way is Way.POLLING:
            if run.events is not None:
                await end([run.events])
                run.start |= self._events.after
                run.events = None
            self._health.state = State.POLLING
        elif run.events is None and (objects.by_events or not objects.polled):
            run.events = _started(self._events.run(run.start, run.buffer))
        elif run.events is None:
            self._health.state = State.POLLING  # nothing that is mapped has events

    def _poll(self, sobject: str, objects: Objects, buffer: Buffer) -> _Running:
        mark = begins_at(
            sobject,
            self._health.commit_timestamps,
            self._settings.channels,
            by_events=sobject in objects.by_events,
            now=self._wall(),
            first_hours=self._settings.poll_first_hours,
        )
        state = self._poller.begin(sobject, mark)
        return _Running(_started(self._poller.follow(state, buffer)), state)

    @staticmethod
    def _raise_what_failed(run: _Run) -> None:
        for task in _at_work(run):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _tell(self, wanted: Way) -> None:
        self._health.counts[f"way_{wanted}"] += 1
        if wanted is Way.EVENTS:
            _logger.warning("There are event deliveries again: events are subscribed to", extra={"action": "events"})
            return
        seen = self._deliveries()
        _logger.error(
            "The org's event deliveries run out (%s): every object is polled",
            "refused" if seen is None else f"{seen.left} of {seen.limit} left",
            extra={"action": "polling", "left": None if seen is None else seen.left},
        )


def _at_work(run: _Run) -> "list[asyncio.Task[None]]":
    polls = [each.task for each in run.polls.values()]
    return polls if run.events is None else [run.events, *polls]


def _started(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    return asyncio.create_task(work)
