"""Polling: one object asked again and again what was modified since the last time, by `SystemModstamp` with overlap.

Each record that was becomes a gap change, which has it read whole (`schemas.gap_change`). The position of an object's
polls is a moment of Salesforce's clock, kept as a stream's position is, so a crash costs nothing but reading again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from listener.changes.backoff import Backoff
from listener.changes.buffer import Buffer, Polled, Reached
from listener.changes.cometd import Pause, wall_ms
from listener.changes.health import Health, State
from listener.changes.overlap import Overlap
from listener.changes.pace import Pace
from listener.changes.ports import ModifiedRecords, ModifiedRow, PollRefused, Unavailable
from listener.changes.settings import ChangesSettings
from schemas.change import Change
from schemas.gap_change import missing, stamped
from schemas.stream import Position, poll_channel

_logger = logging.getLogger(__name__)
ANSWER_SECONDS = 300.0
"""How much longer than the time between two polls an answer may take before the object counts as not polled."""


@dataclass(slots=True)
class PollState:
    """How far the polls of one object have come."""

    sobject: str
    mark: int
    """Everything modified until then, but for what commits late, is in the buffer: epoch milliseconds."""
    seen: Overlap
    through: int = 0
    """Salesforce's clock when the last poll that came to its end was begun."""
    idle: int = 0


class Poller:
    """Polls objects of one org. `pace` gives what the API allocation asks for: seconds between two calls of one of so
    many callers."""

    def __init__(
        self,
        *,
        records: ModifiedRecords,
        settings: ChangesSettings,
        health: Health,
        budget: Callable[[int], float] = lambda _callers: 0.0,
        told: Callable[[str, str], None] = lambda _sobject, _outcome: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`told` hears of each poll: its object, and `answered`, `unavailable` or `refused`."""
        self._records = records
        self._settings = settings
        self._health = health
        self._budget = budget
        self._told = told
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._chance = chance
        self._pace = Pace(settings.poll_seconds, settings.poll_idle_seconds)
        self._backoff = Backoff(settings.backoff_seconds, settings.backoff_cap_seconds)
        self._longest = settings.poll_idle_seconds
        health.poll_limit = self._longest + ANSWER_SECONDS

    def begin(self, sobject: str, mark: int) -> PollState:
        """Polls of an object that go on from `mark`: epoch milliseconds."""
        return PollState(sobject, mark, Overlap())

    async def follow(self, state: PollState, buffer: Buffer) -> None:
        """Poll until cancelled. Never gives up: an object that is refused is asked for again and again."""
        self._health.polls[state.sobject] = self._clock()
        failures = 0
        try:
            while True:
                await buffer.room()
                try:
                    await self._poll(state, buffer)
                except PollRefused as refused:
                    wait = self._refused(state.sobject, str(refused))
                except Unavailable as error:
                    self._told(state.sobject, "unavailable")
                    self._health.last_error = f"could not poll {state.sobject}: {error}"
                    wait = self._backoff.delay(failures, self._chance())
                    failures += 1
                else:
                    failures = 0
                    wait = self._pace.wait(state.idle, self._budget(max(1, len(self._health.polls))))
                    self._health.poll_limit = max(self._longest, wait) + ANSWER_SECONDS
                await self._pause(wait)
        finally:
            self._health.polls.pop(state.sobject, None)
            self._health.refused_polls.pop(state.sobject, None)

    async def _poll(self, state: PollState, buffer: Buffer) -> None:
        """Everything since the mark, less the overlap, into the buffer; no more of it at a time than there is room."""
        since = state.mark - self._settings.poll_overlap_seconds * 1000
        state.seen.forget_before(since // 1000 * 1000)
        channel, found, begun = poll_channel(state.sobject), 0, 0
        async with aclosing(self._records.modified(state.sobject, since)) as pages:
            async for page in pages:
                self._answered(state.sobject)
                begun, received_at = page.server_time, self._wall()
                news = state.seen.news(page.rows, server_time=page.server_time)
                items = []
                for row in news:
                    state.mark = max(state.mark, min(row.modified, begun))
                    items.append(Polled(channel, change_of(state.sobject, row), _at(state.mark), received_at))
                buffer.put(items)
                found += len(items)
                await buffer.room()
        if begun > state.mark:
            state.mark = begun
            buffer.put([Reached(channel, _at(begun))])
        state.through = begun
        state.idle = 0 if found else state.idle + 1
        self._health.counts["polls"] += 1
        self._health.counts["polled"] += found
        self._health.buffered = len(buffer)
        self._told(state.sobject, "answered")

    def _answered(self, sobject: str) -> None:
        self._health.polls[sobject] = self._clock()
        self._health.refused_polls.pop(sobject, None)
        if self._health.state is State.POLLING:
            self._health.last_frame = self._clock()

    def _refused(self, sobject: str, code: str) -> float:
        """Seconds until it is asked for again."""
        self._health.refused_polls[sobject] = code
        self._told(sobject, "refused")
        _logger.error(
            "The org refuses to be polled for %s: %s",
            sobject,
            code,
            extra={"action": "poll_refused", "sobject": sobject, "code": code},
        )
        return self._settings.refused_channel_seconds


def change_of(sobject: str, row: ModifiedRow) -> Change:
    """The gap change that a row of a poll says."""
    if row.deleted:
        return missing(sobject, row.record_id, row.modified)
    return stamped(sobject, row.record_id, row.modified)


def _at(mark: int) -> Position:
    """A poll's position is a moment: as a replay id, and as the commit that it stands for."""
    return Position(mark, mark)
