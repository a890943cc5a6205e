"""The CometD client: session after session, each begun after the last event put into the buffer (rule 2).

It never waits for the consumer (rule 4) and never gives up (rule 5). A refused position goes into the buffer as an item
of its own, behind the events before it, and the stream rests until the consumer has answered (rule 3). The stored
position is no business of this module.
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp

from listener.changes.backoff import Backoff, Waits
from listener.changes.bayeux import Delivery, Ending, is_position_refused
from listener.changes.buffer import Buffer, Event, PositionRefused
from listener.changes.health import Health, State
from listener.changes.ports import LoginFailed, Session, Sessions
from listener.changes.session import BayeuxSession, SessionOver
from listener.changes.settings import ChangesSettings
from schemas.stream import EARLIEST, ReplayId

Pause = Callable[[float], Awaitable[None]]

_logger = logging.getLogger(__name__)
_QUICK_SECONDS = 1.0


def wall_ms() -> int:
    """Now, epoch milliseconds."""
    return int(time.time() * 1000)


def open_http(tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """HTTP for one Bayeux session. The cookie jar keeps cookies of IP addresses, which the default one drops."""
    connector = aiohttp.TCPConnector(limit=2, ssl=tls or True)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True))


class CometdClient:
    """Follows the settings' channels of one org."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        settings: ChangesSettings,
        health: Health,
        http: Callable[[], aiohttp.ClientSession] = open_http,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = wall_ms,
        pause: Pause = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`clock` tells seconds that only go forward, `wall` epoch milliseconds, `chance` a random number of [0, 1)."""
        self._sessions = sessions
        self._settings = settings
        self._health = health
        self._http = http
        self._clock = clock
        self._wall = wall
        self._pause = pause
        self._chance = chance
        self._waits = Waits(
            ordinary=Backoff(settings.backoff_seconds, settings.backoff_cap_seconds),
            busy=Backoff(settings.busy_seconds, settings.busy_cap_seconds),
            sent_away=settings.sent_away_seconds,
        )
        self._after: dict[str, ReplayId] = {}
        self._undecided: set[str] = set()
        self._decided = asyncio.Event()
        self._failures = 0

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        """Put every change after `start` into `buffer` until cancelled; a channel without a start begins at -2."""
        self._after = {channel: start.get(channel, EARLIEST) for channel in self._settings.channels}
        self._undecided.clear()
        self._decided.set()
        self._failures = self._health.failures = 0
        refused: Session | None = None
        while True:
            await self._may_go_on(buffer)
            self._health.state = State.CONNECTING
            try:
                login = await self._login(refused)
                refused = None
                await self._session(login, buffer)
            except LoginFailed as error:
                self._health.counts["login_failures"] += 1
                await self._back_off(Ending.LOGIN, str(error), 0.0)
            except SessionOver as over:
                if over.ending is Ending.LOGIN:
                    refused = login
                await self._back_off(over.ending, str(over), over.at_least)

    @property
    def after(self) -> Mapping[str, ReplayId]:
        """The last event of each channel that is in the buffer: where a run that follows this one begins."""
        return dict(self._after)

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        """Answer a PositionRefused taken from the buffer: go on after `replay_id`."""
        self._after[channel] = replay_id
        self._undecided.discard(channel)
        if not self._undecided:
            self._decided.set()

    async def _may_go_on(self, buffer: Buffer) -> None:
        if self._undecided:
            self._health.state = State.POSITION_REFUSED
            await self._decided.wait()
        if buffer.full:
            self._health.state = State.HELD_BACK
            await buffer.room()

    async def _login(self, refused: Session | None) -> Session:
        try:
            async with asyncio.timeout(self._settings.login_seconds):
                if refused is None:
                    return await self._sessions.current()
                self._health.counts["logins"] += 1
                return await self._sessions.renew(refused)
        except TimeoutError:
            raise LoginFailed(f"no answer within {self._settings.login_seconds:g} s") from None

    async def _back_off(self, ending: Ending, detail: str, at_least: float) -> None:
        wait = max(at_least, self._waits.after(ending, self._failures, self._chance()))
        self._failures += 1
        self._health.failures = self._failures
        self._health.state = State.BACKING_OFF
        self._health.last_error = detail
        if ending is Ending.DELIVERIES:
            self._health.deliveries_refused_at = self._wall()
        self._health.counts[ending] += 1
        _logger.warning(
            "The change stream ended (%s); a new session in %.1f s",
            detail,
            wait,
            extra={"action": "stream_ended", "ending": str(ending), "failures": self._failures},
        )
        await self._pause(wait)

    async def _session(self, login: Session, buffer: Buffer) -> None:
        """One session, until it is over, the buffer is full or a position is refused."""

        def deliver(deliveries: tuple[Delivery, ...]) -> None:
            self._take(deliveries, buffer)
            self._health.frame_limit = session.silence_limit

        async with self._http() as http:
            session = BayeuxSession(http, login, self._settings, deliver)
            try:
                await session.handshake()
                self._health.counts["sessions"] += 1
                await session.connect(at_once=True)
                if await self._subscribe(session, buffer):
                    await self._poll(session, buffer)
            finally:
                await session.disconnect()

    async def _subscribe(self, session: BayeuxSession, buffer: Buffer) -> bool:
        """True if there is something to poll for."""
        after = dict(self._after)
        refusals = await session.subscribe(after)
        lost = {
            channel: error
            for channel, error in refusals.items()
            if after[channel] != EARLIEST and is_position_refused(error)
        }
        self._health.refused_channels = {
            channel: str(error) for channel, error in refusals.items() if channel not in lost
        }
        for channel, error in self._health.refused_channels.items():
            _logger.error(
                "The org refuses channel %s: %s",
                channel,
                error,
                extra={"action": "channel_refused", "channel": channel},
            )
        if lost:
            self._undecided.update(lost)
            self._decided.clear()
            buffer.put(PositionRefused(channel, after[channel], str(error)) for channel, error in lost.items())
            return False
        if len(refusals) == len(after):
            raise SessionOver(Ending.REFUSED, "every channel was refused")
        self._health.state = State.CONNECTED
        return True

    async def _poll(self, session: BayeuxSession, buffer: Buffer) -> None:
        ask_again_at = self._clock() + self._settings.refused_channel_seconds
        empty_and_quick = 0
        while not buffer.full:
            if self._health.refused_channels and self._clock() >= ask_again_at:
                return
            began, before = self._clock(), self._health.counts["events"]
            await session.connect()
            self._failures = self._health.failures = 0
            idle = self._health.counts["events"] == before and self._clock() - began < _QUICK_SECONDS
            empty_and_quick = empty_and_quick + 1 if idle else 0
            wait = session.advice.interval / 1000
            if empty_and_quick > 3:
                # A server that neither holds the request nor has anything to say would be polled without end.
                wait = max(wait, self._waits.ordinary.delay(min(empty_and_quick - 4, 4), self._chance()))
            if wait:
                await self._pause(wait)

    def _take(self, deliveries: tuple[Delivery, ...], buffer: Buffer) -> None:
        self._health.last_frame = self._clock()
        if not deliveries:
            return
        received_at = self._wall()
        buffer.put([Event(each.channel, each.replay_id, each.data, received_at, each.size) for each in deliveries])
        for each in deliveries:
            if each.replay_id is not None and each.channel in self._after:
                self._after[each.channel] = each.replay_id
        self._health.buffered = len(buffer)
        self._health.counts["events"] += len(deliveries)
        self._failures = self._health.failures = 0
