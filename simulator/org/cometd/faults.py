"""Faults of the stream: seeded, countable, armed by a test in the same process or through `/admin/stream`."""

import random
import time
from collections import Counter
from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.org.changes import ChangeBus
from simulator.org.cometd import frames
from simulator.org.cometd.sessions import Ending, Sessions


class FaultKind(StrEnum):
    """What goes wrong, and where."""

    STALL = "stall"
    """The request is taken and nothing is done or said for `seconds`; then it is answered."""
    UNAVAILABLE = "unavailable"
    """HTTP 503 with a page of HTML; nothing of the request is done."""
    DENY_HANDSHAKE = "deny_handshake"
    """`403::Handshake denied` for `reason`."""
    UNAUTHORIZED = "unauthorized"
    """A good token is answered `401::Authentication invalid`."""
    CUT = "cut"
    """Half the reply is sent, then the connection is closed; its events are gone."""
    LOSE = "lose"
    """No byte of the reply is sent and the connection is closed; its events are gone."""
    BAD_JSON = "bad_json"
    """The reply ends in the middle, with a right Content-Length; its events are gone."""
    BLACK_HOLE = "black_hole"
    """For `seconds` from arming, every request is carried out and no reply is heard; its events are gone."""


_ON_REQUEST = frozenset({FaultKind.STALL, FaultKind.UNAVAILABLE})
_ON_LOGIN = frozenset({FaultKind.DENY_HANDSHAKE, FaultKind.UNAUTHORIZED})
_ON_REPLY = frozenset({FaultKind.CUT, FaultKind.LOSE, FaultKind.BAD_JSON})


class StreamFault(BaseModel):
    """One fault to come. It strikes `times` times (without end if none is given), each time with `probability`, at
    requests that hold a message on a channel of `on` (any where empty); with `with_events`, only at replies that carry
    events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    times: int | None = Field(default=1, ge=1)
    on: frozenset[str] = frozenset()
    with_events: bool = False
    probability: float = Field(default=1.0, gt=0, le=1)
    seconds: float = Field(default=1.0, ge=0, le=600)
    reason: str = frames.SERVER_BUSY


class _Armed:
    def __init__(self, fault: StreamFault, until: float | None) -> None:
        self.fault = fault
        self.left = fault.times
        self.until = until


class StreamFaults:
    """The faults of one org's stream. `struck` counts faults by kind, `lost_events` the events of replies that did not
    arrive whole. Chance comes from the seed alone."""

    def __init__(
        self, sessions: Sessions, bus: ChangeBus, *, seed: int = 0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._sessions = sessions
        self._bus = bus
        self._random = random.Random(seed)
        self._now = now
        self._armed: list[_Armed] = []
        self.struck: Counter[str] = Counter()
        self.lost_events = 0
        self.advice_interval_ms = 0

    def arm(self, fault: StreamFault) -> None:
        """Let it happen from now on. Faults strike in the order in which they were armed."""
        until = self._now() + fault.seconds if fault.kind is FaultKind.BLACK_HOLE else None
        self._armed.append(_Armed(fault, until))

    def clear(self) -> None:
        """Disarm everything; forgotten sessions and ids stay forgotten."""
        self._armed.clear()
        self.advice_interval_ms = 0

    def reseed(self, seed: int) -> None:
        """Start the chances anew from this seed."""
        self._random.seed(seed)

    def armed(self) -> list[tuple[StreamFault, int | None]]:
        """What may still strike, and how often."""
        return [(each.fault, each.left) for each in self._armed]

    def forget_sessions(self, *, cut: bool = False) -> int:
        """The server restarts: every session is unknown from now on. Held connects are answered
        `403::Unknown client`, or their connections are cut. How many there were."""
        self.struck["forget_sessions"] += 1
        return self._sessions.end_all(Ending.CUT if cut else Ending.FORGOTTEN)

    def forget_replay_ids(self) -> None:
        """Every id given out so far has expired, its event with it."""
        self.struck["forget_replay_ids"] += 1
        self._bus.forget()

    def disconnect_clients(self, advice: Literal["none", "handshake"] | None = "none") -> int:
        """A server-sent `/meta/disconnect` for every session, which then is gone. How many there were."""
        self.struck["disconnect_clients"] += 1
        told = {"none": frames.ADVICE_NONE, "handshake": frames.ADVICE_HANDSHAKE, None: None}[advice]
        return self._sessions.end_all(Ending.DISCONNECTED, told)

    def on_request(self, channels: Collection[str]) -> StreamFault | None:
        """The fault that meets a request as it arrives: stall or unavailable."""
        return self._strike(_ON_REQUEST, channels, events=0)

    def on_login(self, channel: str) -> StreamFault | None:
        """The fault that meets a message whose token is good."""
        kinds = _ON_LOGIN if channel == frames.HANDSHAKE else _ON_LOGIN - {FaultKind.DENY_HANDSHAKE}
        return self._strike(kinds, (channel,), events=0)

    def on_reply(self, channels: Collection[str], events: int) -> StreamFault | None:
        """The fault that meets a reply on its way, whose events count as lost."""
        fault = self._strike(_ON_REPLY, channels, events)
        if fault is not None:
            self.lost_events += events
        return fault

    def in_black_hole(self, channels: Collection[str], events: int) -> float:
        """How many seconds more the line is silent: 0 if it is not."""
        now = self._now()
        self._armed = [each for each in self._armed if each.until is None or each.until > now]
        for each in self._armed:
            if each.until is not None and self._meets(each.fault, channels, events):
                self.struck[each.fault.kind.value] += 1
                self.lost_events += events
                return each.until - now
        return 0.0

    def _strike(self, kinds: frozenset[FaultKind], channels: Collection[str], events: int) -> StreamFault | None:
        for each in self._armed:
            if each.fault.kind not in kinds or not self._meets(each.fault, channels, events):
                continue
            if self._random.random() >= each.fault.probability:
                continue
            if each.left is not None:
                each.left -= 1
                if not each.left:
                    self._armed.remove(each)
            self.struck[each.fault.kind.value] += 1
            return each.fault
        return None

    @staticmethod
    def _meets(fault: StreamFault, channels: Collection[str], events: int) -> bool:
        if fault.with_events and not events:
            return False
        return not fault.on or any(channel in fault.on for channel in channels)
