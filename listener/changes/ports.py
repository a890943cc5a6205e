"""What the subscriber needs of the outside, and the one thing it asks of a source of changes."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from listener.changes.buffer import Buffer
from schemas.cloudevents import Headers
from schemas.polling import ModifiedPage, ModifiedRow, PollRefused
from schemas.session import LoginFailed, Session
from schemas.stream import Gap, Lease, LeaseLost, Position, ReplayId
from schemas.unavailable import Unavailable

__all__ = [
    "ChangeLog",
    "ChangeRecord",
    "ChangeSource",
    "Closely",
    "Gap",
    "Gaps",
    "Lease",
    "LeaseLost",
    "Leases",
    "LoginFailed",
    "ModifiedPage",
    "ModifiedRecords",
    "ModifiedRow",
    "PollRefused",
    "Position",
    "Positions",
    "Session",
    "Sessions",
    "Unavailable",
]


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


class ChangeSource(Protocol):
    """Where changes come from: CometD, polling, or the two together."""

    async def run(self, start: Mapping[str, ReplayId], buffer: Buffer) -> None:
        """Put every change after `start`, by channel and in order, into `buffer`, until cancelled. Never gives up."""

    def resume(self, channel: str, replay_id: ReplayId) -> None:
        """Answer a `PositionRefused` taken from the buffer: go on after `replay_id`."""


class ModifiedRecords(Protocol):
    """What polling asks: the records of an object by their `SystemModstamp`."""

    def modified(self, sobject: str, since: int) -> AsyncGenerator[ModifiedPage, None]:
        """Records modified at `since` (epoch milliseconds, its whole second too) or later, those in the recycle bin
        too, ordered by that moment; a page is asked for when the one before has been taken.

        Raises:
            Unavailable: no answer, or no call may be made now; the pages before it stand.
            PollRefused: Salesforce will not answer before a person has changed something.
        """


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """One record for `salesforce.changes`."""

    key: bytes
    value: bytes
    headers: Headers


class Closely(Protocol):
    """Whoever looks closely at some records for a while."""

    async def received(self, records: Sequence[ChangeRecord]) -> None:
        """These are in the log for good. They may be told of again, and are then told no second time.

        Raises:
            Unavailable: what was to be kept of them was not.
        """


class ChangeLog(Protocol):
    """Where changes are kept: Kafka's `salesforce.changes`."""

    async def append(self, records: list[ChangeRecord]) -> None:
        """Return once every record is in the log for good, in this order for each key.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


class Leases(Protocol):
    """One owner at a time, by the store's clock. Each method raises Unavailable where the store does not answer."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """The lease, with a new epoch, if it is free, run out, or ours already; nothing while another holds it."""

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Hold it for `seconds` from now.

        Raises:
            LeaseLost: it belongs to another epoch.
        """

    async def release(self, lease: Lease) -> None:
        """Let it go if it is still ours."""


class Positions(Protocol):
    """Positions by channel of one org. Each method raises Unavailable where the store does not answer."""

    async def read(self, channel: str) -> Position | None:
        """The stored position."""

    async def write(self, channel: str, position: Position, lease: Lease) -> None:
        """Move the position.

        Raises:
            LeaseLost: a later epoch has written, so this owner is no longer the owner.
        """


class Gaps(Protocol):
    """The record of gaps: each is open until it is repaired."""

    async def record(self, gap: Gap) -> None:
        """Keep the gap; the same gap (channel, reason, since, refused id) recorded twice is one row, and open again.

        Raises:
            Unavailable: the store does not answer.
        """
