"""`/meta/connect`: the long poll. It ends with events, with time, with the session, or with the token."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from simulator.org.changes import ChangeBus
from simulator.org.cometd import frames
from simulator.org.cometd.delivery import AllocationExceeded, Delivery
from simulator.org.cometd.exchange import Answer, Caller, ConnectionCut, ConnectSuperseded
from simulator.org.cometd.faults import StreamFaults
from simulator.org.cometd.frames import Message
from simulator.org.cometd.sessions import Ending, Hold, Session, Sessions
from simulator.org.cometd.settings import CometdSettings
from simulator.org.tokens import TokenStore


@dataclass(frozen=True, slots=True)
class _Poll:
    session: Session
    hold: Hold
    message: Message
    caller: Caller
    answer: Answer


class Connects:
    """Answers connects of known sessions: the first at once with the advice, later ones when there is something."""

    def __init__(
        self,
        settings: CometdSettings,
        bus: ChangeBus,
        tokens: TokenStore,
        sessions: Sessions,
        *,
        delivery: Delivery,
        faults: StreamFaults,
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._tokens = tokens
        self._sessions = sessions
        self._delivery = delivery
        self._faults = faults

    async def answer(self, session: Session, message: Message, caller: Caller, answer: Answer) -> None:
        """Put events and the reply into `answer`.

        Raises:
            ConnectionCut: the session was ended together with its connection.
            ConnectSuperseded: another connect of the session has taken this one's place.
        """
        first = not session.connected
        session.connected = True
        hold = session.take_hold()
        try:
            seconds = 0.0 if first or answer.events else self._hold_seconds(message)
            refusal = await self._poll(_Poll(session, hold, message, caller, answer), seconds)
        finally:
            session.drop_hold(hold, self._sessions.now())
        advice = self._advice() if first or self._faults.advice_interval_ms else None
        answer.replies.append(refusal or frames.success(message, session.client_id, advice=advice))

    def unauthorized(self, message: Message, session: Session | None, problem: str) -> Message:
        """The refusal of a message whose token is not good (any more)."""
        if session is not None and not self._settings.keep_session_on_401:
            self._sessions.end(session, Ending.FORGOTTEN)
        return frames.failure(message, problem, advice=frames.ADVICE_NONE)

    def _hold_seconds(self, message: Message) -> float:
        advice = message.get("advice")
        asked = advice.get("timeout") if isinstance(advice, dict) else None
        if isinstance(asked, int | float) and asked >= 0:
            return min(self._settings.hold_seconds, asked / 1000)
        return self._settings.hold_seconds

    def _advice(self) -> Message:
        return {
            "interval": self._faults.advice_interval_ms,
            "timeout": round(self._settings.hold_seconds * 1000),
            "reconnect": "retry",
        }

    async def _poll(self, poll: _Poll, seconds: float) -> Message | None:
        """Hold until there are events, which go into the answer, time is up, or there is a refusal to return."""
        session, message, loop = poll.session, poll.message, asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            poll.hold.wake.clear()
            if poll.hold.superseded:
                raise ConnectSuperseded
            if session.ending is not None:
                return _farewell(session, message, poll.answer)
            if poll.caller.token is None or self._tokens.valid(poll.caller.token) is None:
                return self.unauthorized(message, session, frames.AUTHENTICATION_INVALID)
            try:
                events = self._delivery.take(session)
            except AllocationExceeded:
                self._sessions.end(session, Ending.FORGOTTEN)
                return frames.failure(message, frames.DELIVERIES_EXCEEDED, advice=frames.ADVICE_NONE)
            poll.answer.events += events
            left = deadline - loop.time()
            if events or left <= 0:
                return None
            await self._something_happens(session, poll.hold, min(left, self._settings.token_check_seconds))

    async def _something_happens(self, session: Session, hold: Hold, seconds: float) -> None:
        watched: list[Coroutine[Any, Any, bool]] = [hold.wake.wait()]
        watched += [self._bus.wait(each.cursor, each.entities, seconds) for each in session.subscriptions.values()]
        tasks = [asyncio.ensure_future(each) for each in watched]
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()


def _farewell(session: Session, message: Message, answer: Answer) -> Message:
    if session.ending is Ending.CUT:
        raise ConnectionCut
    if session.ending is Ending.DISCONNECTED:
        answer.replies.append(frames.disconnect_by_server(session.client_id, session.farewell))
        return frames.success(message, session.client_id, advice=session.farewell)
    if session.ending is Ending.LEFT:
        return frames.success(message, session.client_id, advice=frames.ADVICE_NONE)
    return frames.unknown_client(message)
