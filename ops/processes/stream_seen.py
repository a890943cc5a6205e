"""The subscriber's health, as others are told of it."""

import time
from collections.abc import Callable
from typing import Final

from listener.changes.health import Health, State
from schemas.process import StreamSeen

NOT_OWNING: Final = frozenset({State.STARTING, State.STANDBY, State.STOPPED})
"""What a subscriber does while the org is not its to follow."""


class StreamWatch:
    """Knows for how long nothing has come in time. Who does not own the stream misses nothing."""

    def __init__(self, health: Health, clock: Callable[[], float] = time.monotonic) -> None:
        self._health = health
        self._clock = clock
        self._good_at = clock()

    def look(self) -> None:
        """Again and again; more often than anybody asks."""
        now = self._clock()
        if self._health.state in NOT_OWNING or self._health.ready(now):
            self._good_at = now

    def seen(self) -> StreamSeen:
        """As it is now."""
        self.look()
        now, state = self._clock(), self._health.state
        age = self._health.frame_age(now)
        return StreamSeen(
            state=str(state),
            heard=None if age is None else round(age * 1000),
            silent=round((now - self._good_at) * 1000),
            failures=0 if state in NOT_OWNING else self._health.failures,
        )
