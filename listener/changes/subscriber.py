"""From the stream into the log: one owner per org, and the position moves only behind what is safe in the log.

Order: append to the log and wait for its acknowledgement, then move the position under the lease's epoch, then forget
the events. A crash between any two of these means that events come again, never that one is missing.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from listener.changes.aging import Age, age_at_start, age_at_work
from listener.changes.backoff import Backoff
from listener.changes.buffer import Buffer, PositionRefused
from listener.changes.cometd import Pause, wall_ms
from listener.changes.health import Health, State
from listener.changes.ownership import Ownership
from listener.changes.ports import (
    ChangeLog,
    ChangeSource,
    Closely,
    Gap,
    Gaps,
    Lease,
    LeaseLost,
    Leases,
    Position,
    Positions,
    Unavailable,
)
from listener.changes.racing import first_to_end
from listener.changes.records import Batch, batch_of
from listener.changes.settings import ChangesSettings
from schemas.gap import GapReason
from schemas.stream import EARLIEST, ReplayId

Alarm = Callable[[Gap], None]

LOOK_SECONDS = 60.0
"""How often the ages of the positions are looked at."""

_logger = logging.getLogger(__name__)


def log_gap(gap: Gap) -> None:
    """The alarm where no other is given: one line at the highest level."""
    _logger.critical(
        "Changes of %s between %d and %d may be missing (%s): this window must be repaired",
        gap.channel,
        gap.since,
        gap.until,
        gap.reason,
        extra={"action": "gap", "channel": gap.channel, "since": gap.since, "until": gap.until},
    )


class Subscriber:
    """Runs one org's stream while it holds the lease, and stands by while it does not."""

    def __init__(
        self,
        *,
        source: ChangeSource,
        log: ChangeLog,
        positions: Positions,
        leases: Leases,
        gaps: Gaps,
        settings: ChangesSettings,
        health: Health,
        org_id: str,
        owner: str,
        alarm: Alarm = log_gap,
        channels: Callable[[], Iterable[str]] | None = None,
        closely: Closely | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`owner` names this process and no other, nor one before it. `alarm` is told of each gap once it is kept.

        `channels` are those whose positions are kept, by streams and polls; the settings' channels where it is not
        given. `closely` is handed what is in the log for good, before the position moves.
        """
        self._closely = closely
        self._source = source
        self._log = log
        self._positions = positions
        self._gaps = gaps
        self._settings = settings
        self._health = health
        self._org_id = org_id
        self._alarm = alarm
        self._channels = channels or (lambda: settings.channels)
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._chance = chance
        self._backoff = Backoff(settings.backoff_seconds, settings.backoff_cap_seconds)
        self._ownership = Ownership(
            leases=leases,
            name=f"changes:{org_id}",
            owner=owner,
            seconds=settings.lease_seconds,
            clock=clock,
            pause=pause,
        )
        self._stored: dict[str, Position] = {}
        self._looked_at = 0.0
        self._retention = int(settings.retention_hours * 3_600_000)
        self._session = (0, 0.0)
        """The session of the last look, by its number, and when a look first saw it."""
        self._compared: dict[str, Position] = {}
        """The old positions for which a gap is recorded."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then finish the batch in hand and let the lease go."""
        while not stop.is_set():
            lease = await self._own(stop)
            if lease is None:
                break
            try:
                await self._tenure(lease, stop)
            except LeaseLost as lost:
                self._health.counts["lease_losses"] += 1
                self._health.last_error = f"lease lost: {lost}"
                _logger.warning("The lease is lost: %s", lost, extra={"action": "lease_lost", "epoch": lease.epoch})
            finally:
                self._health.last_frame = None
                await self._ownership.release(lease)
        self._health.state = State.STOPPED

    async def _own(self, stop: asyncio.Event) -> Lease | None:
        """Wait for the lease; nothing once `stop` is set."""
        failures = 0
        while not stop.is_set():
            try:
                lease = await self._ownership.take()
            except Unavailable as error:
                self._failed("take the lease", error)
                wait = self._backoff.delay(failures, self._chance())
                failures += 1
            else:
                if lease is not None:
                    return lease
                failures = 0
                self._health.state = State.STANDBY
                wait = self._ownership.retry_seconds * (1 + self._chance()) / 2
            await self._rest(wait, stop)
        return None

    async def _tenure(self, lease: Lease, stop: asyncio.Event) -> None:
        """Everything that happens under one lease."""
        self._health.state = State.CONNECTING
        buffer = Buffer(
            high=self._settings.high_mark, low=self._settings.low_mark, high_bytes=self._settings.high_bytes
        )
        await first_to_end(self._ownership.hold(lease), self._follow(lease, buffer, stop))

    async def _follow(self, lease: Lease, buffer: Buffer, stop: asyncio.Event) -> None:
        if not await self._until_done(partial(self._take_over, lease), "read the position", stop):
            return
        start = {channel: position.replay_id for channel, position in self._stored.items()}
        await first_to_end(self._pump(lease, buffer, stop), self._source.run(start, buffer))

    async def _take_over(self, lease: Lease) -> None:
        """Read the positions and write them back, so that from here on an older owner cannot move them."""
        self._stored = {}
        self._looked_at = self._clock()
        for channel in self._channels():
            position = await self._positions.read(channel)
            if position is None:
                continue
            self._stored[channel] = position
            gap = None
            if (
                channel in self._settings.channels  # a poll begins where the one before has ended, however long ago
                and age_at_start(position, now=self._wall(), retention=self._retention) is Age.EXPIRED
            ):
                gap = self._gap(channel, GapReason.POSITION_EXPIRED, position.replay_id)
                await self._gaps.record(gap)
                position = Position(EARLIEST, gap.until)
            await self._positions.write(channel, position, lease)
            self._remember(channel, position)
            if gap is not None:
                self._tell(gap)

    async def _pump(self, lease: Lease, buffer: Buffer, stop: asyncio.Event) -> None:
        """Batch by batch, until `stop`; a batch that cannot be finished then is left as it is, its position too."""
        while True:
            await first_to_end(buffer.filled(), stop.wait(), self._look_is_due())
            if stop.is_set() or not await self._look_at_ages(lease, buffer, stop):
                return
            if not len(buffer):
                continue
            items = buffer.peek(self._settings.batch_records)
            if isinstance(items[0], PositionRefused):
                done = await self._record_gap(items[0], stop)
                count = 1
            else:
                batch = batch_of(items, self._org_id, self._settings.batch_records, self._stored)
                done = await self._keep(batch, lease, stop)
                count = batch.events
            if not done:
                return
            buffer.discard(count)
            self._health.buffered = len(buffer)

    async def _record_gap(self, refused: PositionRefused, stop: asyncio.Event) -> bool:
        """Keep the gap, raise the alarm, then go on from the oldest event there is: never from the newest."""
        if self._health.nothing_unseen:
            # Polls have read since then what the events would have told.
            self._health.counts["gaps_polled"] += 1
            _logger.warning(
                "Salesforce does not know our position in %s any more; polls have read what it missed",
                refused.channel,
                extra={"action": "gap_polled", "channel": refused.channel},
            )
            self._source.resume(refused.channel, EARLIEST)
            return True
        gap = self._gap(refused.channel, GapReason.POSITION_REFUSED, refused.replay_id)
        if not await self._until_done(partial(self._gaps.record, gap), "record the gap", stop):
            return False
        self._tell(gap)
        self._source.resume(refused.channel, EARLIEST)
        return True

    def _gap(self, channel: str, reason: GapReason, replay_id: ReplayId) -> Gap:
        """From the stored position to now."""
        stored = self._stored.get(channel)
        since = stored.commit_timestamp if stored else 0
        return Gap(channel=channel, reason=reason, since=since, until=self._wall(), refused_replay_id=replay_id)

    def _tell(self, gap: Gap) -> None:
        self._health.counts["gaps"] += 1
        self._alarm(gap)

    async def _look_is_due(self) -> None:
        await self._pause(max(0.0, self._looked_at + LOOK_SECONDS - self._clock()))

    async def _look_at_ages(self, lease: Lease, buffer: Buffer, stop: asyncio.Event) -> bool:
        """Renew what nears the age at which Salesforce forgets it, and store what is missing; false where `stop` came
        before it was done."""
        if self._clock() < self._looked_at + LOOK_SECONDS:
            return True
        self._looked_at = self._clock()
        all_heard = self._all_heard(buffer)
        if self._health.out_of_deliveries:
            return True  # everything is polled, and its own positions tell how far
        for channel in self._settings.channels:
            position, heard = self._stored.get(channel), all_heard.get(channel)
            match age_at_work(position, now=self._wall(), retention=self._retention, all_heard=heard is not None):
                case Age.RENEW if heard is not None:
                    renewed = Position(EARLIEST, heard)
                    write = partial(self._positions.write, channel, renewed, lease)
                    if not await self._until_done(write, "renew the position", stop):
                        return False
                    self._remember(channel, renewed)
                    self._health.counts["renewals"] += 1
                    _logger.info("The position of %s is renewed", channel, extra={"action": "renewed"})
                case Age.COMPARE if position is not None and self._compared.get(channel) != position:
                    gap = self._gap(channel, GapReason.POSITION_AGING, position.replay_id)
                    if not await self._until_done(partial(self._gaps.record, gap), "record the gap", stop):
                        return False
                    self._compared[channel] = position
                    self._tell(gap)
                case _:
                    pass
        return True

    def _all_heard(self, buffer: Buffer) -> dict[str, int]:
        """Until when everything of a channel has come and is kept, epoch milliseconds; only where that is certain.

        Of all channels at one moment: a write of the look may take long, and events come meanwhile.
        """
        if not self._session_is_proven():
            return {}
        now, now_ms = self._clock(), self._wall()
        waiting = {item.channel for item in buffer.peek(len(buffer))}
        heard = {each: self._health.heard_until(each, now, now_ms) for each in self._settings.channels}
        return {each: until for each, until in heard.items() if until is not None and each not in waiting}

    def _session_is_proven(self) -> bool:
        """True where a frame has come since a look that saw this session: what it had to replay has come by then."""
        number = self._health.counts["sessions"]
        if number != self._session[0]:
            self._session = (number, self._clock())
        return self._health.last_frame is not None and self._health.last_frame > self._session[1]

    async def _keep(self, batch: Batch, lease: Lease, stop: asyncio.Event) -> bool:
        """The log first, then the positions; false where `stop` came before it was all done."""
        if not await self._until_done(partial(self._log.append, batch.records), "append to the log", stop):
            return False
        if self._closely is not None and not await self._until_done(
            partial(self._closely.received, batch.records), "tell what is debugged", stop
        ):
            return False
        self._health.counts["records"] += len(batch.records)
        self._health.counts["undecodable"] += batch.undecodable
        self._health.records.update(batch.by_channel)
        self._health.schemas |= batch.schemas
        for channel, position in batch.positions.items():
            write = partial(self._positions.write, channel, position, lease)
            if not await self._until_done(write, "move the position", stop):
                return False
            self._remember(channel, position)
        return True

    async def _until_done(self, action: Callable[[], Awaitable[None]], what: str, stop: asyncio.Event) -> bool:
        """Try until the outside part answers; false where `stop` came first."""
        failures = 0
        while True:
            try:
                await action()
            except Unavailable as error:
                self._failed(what, error)
            else:
                return True
            if stop.is_set():
                return False
            await self._rest(self._backoff.delay(failures, self._chance()), stop)
            failures += 1

    async def _rest(self, seconds: float, stop: asyncio.Event) -> None:
        async def paused() -> None:
            await self._pause(seconds)

        await first_to_end(paused(), stop.wait())

    def _remember(self, channel: str, position: Position) -> None:
        self._stored[channel] = position
        self._health.commit_timestamps[channel] = position.commit_timestamp

    def _failed(self, what: str, error: Exception) -> None:
        self._health.last_error = f"could not {what}: {error}"
        self._health.counts["unavailable"] += 1
        _logger.warning("Could not %s: %s", what, error, extra={"action": "unavailable"})
