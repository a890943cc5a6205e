"""Who owns an org's change stream, how far it has come, and what it may have missed."""

from dataclasses import dataclass
from typing import Final

ReplayId = int | str
"""An event's replay id. Opaque: stored and sent back, never compared or computed."""

EARLIEST: ReplayId = -2
"""Replay everything retained. Source: the Streaming API guide; -1, new events only, is never asked for."""


POLLS: Final = "/poll/"
"""What the channels of polls begin with."""


class LeaseLost(Exception):
    """Another subscriber owns the org now, or our lease ran out: stop at once, write nothing more."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of one org's stream. `epoch` grows with every new owner and guards every write of the position."""

    name: str
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Position:
    """The last change of a channel that is safe in the log. Replay ids are opaque: stored, never compared."""

    replay_id: ReplayId
    commit_timestamp: int
    """Epoch milliseconds; the one before it where the event told none, 0 where none ever did."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that may have been missed: from the last good commit to when it was noticed, epoch milliseconds."""

    channel: str
    reason: str
    since: int
    until: int
    refused_replay_id: ReplayId | None = None


@dataclass(frozen=True, slots=True)
class LostOffsets:
    """What a log no longer holds: the offset at which a partition goes on, the first that is there, and its end.

    `since` is of when the last record is that was handled, epoch milliseconds; 0: not known.
    """

    wanted: int
    first: int
    end: int
    since: int = 0


def poll_channel(sobject: str) -> str:
    """The name under which the position of an object's polls is kept."""
    return f"{POLLS}{sobject}"


def change_event(sobject: str) -> str:
    """The name of an object's change events: `ContactChangeEvent`, `Renewal__ChangeEvent` of `Renewal__c`."""
    return f"{sobject.removesuffix('c')}ChangeEvent" if sobject.endswith("__c") else f"{sobject}ChangeEvent"
