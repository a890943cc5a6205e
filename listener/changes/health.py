"""What is known of the stream's health: the age of the last frame and of the position, not "the process runs"."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """What the subscriber is doing."""

    STARTING = "starting"
    STANDBY = "standby"
    """Another process owns the org; this one waits."""
    CONNECTING = "connecting"
    CONNECTED = "connected"
    BACKING_OFF = "backing_off"
    HELD_BACK = "held_back"
    """The buffer is full: the log or the store is slower than the stream."""
    POSITION_REFUSED = "position_refused"
    STOPPED = "stopped"


@dataclass(slots=True)
class Health:
    """Written by the subscriber and its source, read by whoever asks. Frame times are seconds of a monotonic clock."""

    state: State = State.STARTING
    last_frame: float | None = None
    """When the last good reply came."""
    frame_limit: float = 120.0
    """The oldest that the last frame may be: the server's hold and the slack, seconds."""
    commit_timestamps: dict[str, int] = field(default_factory=dict)
    """The stored position's commit by channel, epoch milliseconds."""
    refused_channels: dict[str, str] = field(default_factory=dict)
    """Channels that the org does not let us subscribe to, and its words."""
    buffered: int = 0
    last_error: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    """`events`, `records`, `undecodable`, `sessions`, `logins`, `login_failures`, `gaps`, `lease_losses`, and one for
    each way a session ends (`bayeux.Ending`), all since the start."""

    def frame_age(self, now: float) -> float | None:
        """Seconds since the last frame; nothing before the first."""
        return None if self.last_frame is None else max(0.0, now - self.last_frame)

    def position_age(self, channel: str, now_ms: int) -> float | None:
        """Seconds since the commit that the stored position stands for; nothing before the first."""
        at = self.commit_timestamps.get(channel)
        return None if at is None else max(0.0, (now_ms - at) / 1000)

    def ready(self, now: float) -> bool:
        """True while frames come and every channel is subscribed to, or while standing by."""
        if self.state is State.STANDBY:
            return True
        age = self.frame_age(now)
        if self.state in {State.STARTING, State.STOPPED} or age is None:
            return False
        return age <= self.frame_limit and not self.refused_channels
