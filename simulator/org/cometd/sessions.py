"""Sessions of streaming clients: who is there, what each is subscribed to, and when it is given up."""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any


class Ending(Enum):
    """Why a session is no more."""

    EXPIRED = auto()
    FORGOTTEN = auto()
    CUT = auto()
    LEFT = auto()
    DISCONNECTED = auto()


@dataclass(slots=True)
class Subscription:
    """One channel of a session. Everything up to `cursor` has been handed to a reply, arrived or not."""

    channel: str
    entities: frozenset[str]
    cursor: int | None


@dataclass(slots=True, eq=False)
class Hold:
    """A connect that is being held; `superseded` once the client has sent another."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    superseded: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """One client between its handshake and its end."""

    client_id: str
    browser_id: str
    user_id: str
    last_reply: float
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    connected: bool = False
    hold: Hold | None = None
    ending: Ending | None = None
    farewell: dict[str, Any] | None = None
    """The advice of a server-sent disconnect."""

    def wake(self) -> None:
        """Let the held connect, if any, look again."""
        if self.hold is not None:
            self.hold.wake.set()

    def take_hold(self) -> Hold:
        """Hold a new connect; one that was held already must give way."""
        if self.hold is not None:
            self.hold.superseded = True
            self.hold.wake.set()
        self.hold = Hold()
        return self.hold

    def drop_hold(self, hold: Hold, now: float) -> None:
        """The connect is answered: the time to the next one runs from now."""
        if self.hold is hold:
            self.hold = None
        self.last_reply = now


class Sessions:
    """The live sessions. A session with no request for `seconds` after its last reply is dropped."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self.now = now
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        self._expire()
        return len(self._sessions)

    def live(self) -> list[Session]:
        """Every session that has not ended."""
        self._expire()
        return list(self._sessions.values())

    def open(self, browser_id: str | None, user_id: str) -> Session:
        """A new session of the browser, which is given an id if it has none."""
        session = Session(secrets.token_hex(16), browser_id or secrets.token_hex(12), user_id, self.now())
        self._sessions[session.client_id] = session
        return session

    def find(self, client_id: str) -> Session | None:
        """The live session of this id."""
        self._expire()
        return self._sessions.get(client_id)

    def end(self, session: Session, ending: Ending, farewell: dict[str, Any] | None = None) -> None:
        """End the session and let its held connect be answered accordingly."""
        if session.ending is None:
            session.ending = ending
            session.farewell = farewell
        self._sessions.pop(session.client_id, None)
        session.wake()

    def end_all(self, ending: Ending, farewell: dict[str, Any] | None = None) -> int:
        """End every session; how many there were."""
        sessions = self.live()
        for session in sessions:
            self.end(session, ending, farewell)
        return len(sessions)

    def wake_all(self) -> None:
        """Let every held connect look again."""
        for session in self._sessions.values():
            session.wake()

    def _expire(self) -> None:
        limit = self.now() - self._seconds
        for session in [each for each in self._sessions.values() if each.hold is None and each.last_reply < limit]:
            self.end(session, Ending.EXPIRED)
