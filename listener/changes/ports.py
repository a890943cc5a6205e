"""What the subscriber needs of the outside."""

from dataclasses import dataclass
from typing import Protocol

from schemas.cloudevents import Headers
from schemas.session import LoginFailed, Session

__all__ = [
    "ChangeLog",
    "ChangeRecord",
    "Gap",
    "Gaps",
    "Lease",
    "LeaseLost",
    "Leases",
    "LoginFailed",
    "Position",
    "Positions",
    "Session",
    "Sessions",
    "Unavailable",
]


class Unavailable(Exception):
    """The log or the store did not answer in time: the position must not move."""


class LeaseLost(Exception):
    """Another subscriber owns the org now, or our lease ran out: stop at once, write nothing more."""


class Sessions(Protocol):
    """Where logins come from."""

    async def current(self) -> Session:
        """The live login, made if there is none.

        Raises:
            LoginFailed: refused, or no answer.
        """

    async def renew(self, refused: Session) -> Session:
        """A new login after a 401 for `refused`; a caller who comes second gets the one already made.

        Raises:
            LoginFailed: refused, or no answer.
        """


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One record for `salesforce.changes`."""

    key: bytes
    value: bytes
    headers: Headers


class ChangeLog(Protocol):
    """Where changes are kept: Kafka's `salesforce.changes`."""

    async def append(self, records: list[ChangeRecord]) -> None:
        """Return once every record is in the log for good, in this order for each key.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


@dataclass(frozen=True, slots=True)
class Lease:
    """Ownership of one org's stream. `epoch` grows with every new owner and guards every write of the position."""

    name: str
    owner: str
    epoch: int


class Leases(Protocol):
    """One owner at a time, by the store's clock."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """The lease if it is free, run out, or ours already; nothing while another holds it."""

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Hold it for `seconds` from now.

        Raises:
            LeaseLost: it belongs to another epoch.
        """

    async def release(self, lease: Lease) -> None:
        """Let it go if it is still ours."""


@dataclass(frozen=True, slots=True)
class Position:
    """The last change of a channel that is safe in the log. Replay ids are opaque: stored, never compared."""

    replay_id: int | str
    commit_timestamp: int
    """Epoch milliseconds; 0 where the event told none."""


class Positions(Protocol):
    """Positions by org and channel, in `tandem_positions`."""

    async def read(self, channel: str) -> Position | None:
        """The stored position."""

    async def write(self, channel: str, position: Position, lease: Lease) -> None:
        """Move the position.

        Raises:
            LeaseLost: a later epoch has written, so this owner is no longer the owner.
        """


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that may have been missed: from the last good commit to when it was noticed, epoch milliseconds."""

    channel: str
    reason: str
    since: int
    until: int
    refused_replay_id: int | str | None = None


class Gaps(Protocol):
    """The record of gaps, `tandem_gaps`: each is open until it is repaired."""

    async def record(self, gap: Gap) -> None:
        """Keep the gap; the same gap recorded twice is one row."""
