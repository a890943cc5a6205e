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
    POLLING = "polling"
    """Event deliveries are left to others: every object is polled instead."""
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
    polls: dict[str, float] = field(default_factory=dict)
    """The objects that are polled, and when each last brought a page: seconds of a monotonic clock."""
    poll_limit: float = 600.0
    """The oldest that such a page may be, seconds."""
    refused_polls: dict[str, str] = field(default_factory=dict)
    """Objects that the org does not let us poll, and its code."""
    deliveries_refused_at: int = 0
    """When the org last ended the stream for want of event deliveries, epoch milliseconds; 0 if never."""
    out_of_deliveries: bool = False
    """Every object is polled, since event deliveries are left to others."""
    nothing_unseen: bool = False
    """Every object of the mapping is polled, each from where its events ended, and has been read since: what the
    stream may have missed is in the buffer."""
    failures: int = 0
    """Sessions in a row that ended before a frame came."""
    buffered: int = 0
    last_error: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    """`events`, `records`, `undecodable`, `sessions`, `logins`, `login_failures`, `gaps`, `renewals`, `lease_losses`,
    `polls`, `polled`, and one for each way a session ends (`bayeux.Ending`), all since the start."""
    records: Counter[str] = field(default_factory=Counter)
    """Records in the log by channel, since the start."""

    schemas: dict[str, str] = field(default_factory=dict)
    """By object, the id of the schema of its last event: another one once the object's definition has changed."""

    def frame_age(self, now: float) -> float | None:
        """Seconds since the last frame; nothing before the first."""
        return None if self.last_frame is None else max(0.0, now - self.last_frame)

    def heard_until(self, channel: str, now: float, now_ms: int) -> int | None:
        """Until when every event of a channel has come, epoch milliseconds; nothing where that is not certain.

        A subscription that stands was accepted from the last event heard, so what followed comes with its frames. `now`
        is by the clock of `last_frame`, `now_ms` the same moment as epoch milliseconds.
        """
        age = self.frame_age(now)
        if self.state is not State.CONNECTED or age is None or age > self.frame_limit:
            return None
        return None if channel in self.refused_channels else now_ms - int(age * 1000)

    def ready(self, now: float) -> bool:
        """True while frames come, every channel is subscribed to and every polled object answers, or standing by."""
        if self.state is State.STANDBY:
            return True
        if self.state in {State.STARTING, State.STOPPED} or self.refused_channels or self.refused_polls:
            return False
        if any(now - at > self.poll_limit for at in self.polls.values()):
            return False
        if self.state is State.POLLING:
            return bool(self.polls)
        age = self.frame_age(now)
        return age is not None and age <= self.frame_limit
