"""What can go wrong: a closed set, told in words, each with how long it lasts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

OURS: Final = (
    *("webhook", "api", "subscribe", "subscribe-2", "reconcile", "write"),
    *("enrich", "repair", "schedule", "deliver", "admin"),
)
"""Our own processes by name; the second subscriber stands by."""
LEASED: Final = ("subscribe", "subscribe-2", "reconcile", "write", "enrich", "repair", "schedule", "deliver")
"""Those that hold something for a while: a lease, or a place in a consumer group."""
JOINING: Final = ("reconcile", "write")
"""Those that share partitions."""


class Server(StrEnum):
    """What is restarted."""

    KAFKA = "kafka"
    MONGOD = "mongod"


class Wire(StrEnum):
    """A connection of our processes to somebody else."""

    KAFKA = "kafka"
    MONGODB = "mongodb"
    SALESFORCE = "salesforce"


class OrgTrouble(StrEnum):
    """What the org does."""

    UNAUTHORIZED = "unauthorized"
    REVOKED = "revoked"
    NO_LOGIN = "no_login"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"
    GATEWAY = "gateway"
    ROW_LOCKS = "row_locks"
    REQUESTS_LOST = "requests_lost"
    REPLIES_LOST = "replies_lost"
    SLOW = "slow"
    EXHAUSTED = "exhausted"
    HALF_OPEN = "half_open"
    REPLIES_CUT = "replies_cut"
    STREAM_UNAVAILABLE = "stream_unavailable"
    DISCONNECTED = "disconnected"
    SESSIONS_FORGOTTEN = "sessions_forgotten"
    POSITION_REFUSED = "position_refused"
    GAP_EVENTS = "gap_events"
    OVERFLOW = "overflow"


ORG_MEANING: Final = {
    OrgTrouble.UNAUTHORIZED: "the org answers calls with 401",
    OrgTrouble.REVOKED: "the org ends all access tokens",
    OrgTrouble.NO_LOGIN: "the org ends all access tokens and answers logins with 503",
    OrgTrouble.TOO_MANY: "the org answers calls with 429",
    OrgTrouble.UNAVAILABLE: "the org answers calls with 503",
    OrgTrouble.GATEWAY: "a gateway answers with 502, before or after the call has run",
    OrgTrouble.ROW_LOCKS: "rows find their parents locked",
    OrgTrouble.REQUESTS_LOST: "requests to the org are lost",
    OrgTrouble.REPLIES_LOST: "replies of the org are lost, after the call has run",
    OrgTrouble.SLOW: "the org is slow",
    OrgTrouble.EXHAUSTED: "the org has no API calls left",
    OrgTrouble.HALF_OPEN: "the stream is half open: replies never come",
    OrgTrouble.REPLIES_CUT: "the stream's replies end in the middle, with their events",
    OrgTrouble.STREAM_UNAVAILABLE: "the stream answers 503",
    OrgTrouble.DISCONNECTED: "the stream's server sends its clients away",
    OrgTrouble.SESSIONS_FORGOTTEN: "the stream's server forgets its sessions",
    OrgTrouble.POSITION_REFUSED: "all events so far expire, and the position is refused",
    OrgTrouble.GAP_EVENTS: "changes are told by gap events",
    OrgTrouble.OVERFLOW: "overflow events stand for whole transactions, and name no record",
}


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL to one of our processes."""

    process: str


@dataclass(frozen=True, slots=True)
class Pause:
    """SIGSTOP to one of our processes, beyond its lease, then SIGCONT."""

    process: str


@dataclass(frozen=True, slots=True)
class Crowd:
    """One more process of this sort comes, and goes again: in order, or by SIGKILL."""

    process: str
    killed: bool


@dataclass(frozen=True, slots=True)
class Restart:
    """SIGKILL to a server, and its start on its data."""

    server: Server


@dataclass(frozen=True, slots=True)
class Cut:
    """Every connection of a wire is closed, and none taken."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing gets through a wire, and comes late."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class Silence:
    """All bytes on a wire vanish, then its connections end."""

    wire: Wire


@dataclass(frozen=True, slots=True)
class Org:
    """The org does something."""

    trouble: OrgTrouble


Trouble = Kill | Pause | Crowd | Restart | Cut | Stall | Silence | Org


def all_troubles(*, wires: bool) -> tuple[Trouble, ...]:
    """Every one; those of the wires only where there are proxies."""
    troubles: list[Trouble] = [Kill(name) for name in OURS]
    troubles += [Pause(name) for name in LEASED]
    troubles += [Crowd(name, killed) for name in JOINING for killed in (False, True)]
    troubles += [Restart(server) for server in Server]
    if wires:
        troubles += [sort(wire) for wire in Wire for sort in (Cut, Stall, Silence)]
    troubles += [Org(trouble) for trouble in OrgTrouble]
    return tuple(troubles)


def tell(trouble: Trouble) -> str:
    """In words."""
    match trouble:
        case Kill(process):
            return f"{process} is killed"
        case Pause(process):
            return f"{process} is stopped beyond its lease, and goes on"
        case Crowd(process, killed):
            return f"one more {process} comes, and {'is killed' if killed else 'goes'}"
        case Restart(server):
            return f"{server} is killed and started again"
        case Cut(wire):
            return f"connections to {wire} are cut"
        case Stall(wire):
            return f"connections to {wire} stall"
        case Silence(wire):
            return f"connections to {wire} fall silent, then end"
        case Org(what):
            return ORG_MEANING[what]
        case _:
            assert_never(trouble)


def target(trouble: Trouble) -> str:
    """What it happens to: of two troubles of one target the second waits until the first has ended."""
    match trouble:
        case Kill(process) | Pause(process):
            return process
        case Crowd(process, _):
            return f"one more {process}"
        case Restart(server):
            return server
        case Cut(wire) | Stall(wire) | Silence(wire):
            return f"wire to {wire}"
        case Org(what):
            return f"org: {what}"
        case _:
            assert_never(trouble)


def lasts(trouble: Trouble, *, pause: float, silence: float) -> float:
    """Seconds from its beginning to its end, where that is ours to say; a restart and a kill end by themselves.

    `pause` is longer than any lease of ours, `silence` longer than the stream may be silent without being given up.
    """
    match trouble:
        case Kill() | Restart():
            return 0.0
        case Pause():
            return pause
        case Crowd():
            return 4.0  # once it is ready
        case Cut():
            return 3.0
        case Stall() | Silence():
            return 5.0
        case Org(OrgTrouble.HALF_OPEN):
            return silence
        case Org(
            OrgTrouble.REVOKED | OrgTrouble.DISCONNECTED | OrgTrouble.SESSIONS_FORGOTTEN | OrgTrouble.POSITION_REFUSED
        ):
            return 0.0
        case Org():
            return 4.0
        case _:
            assert_never(trouble)


def ends_later(trouble: Trouble) -> float:
    """Seconds that it takes beyond that, about: until what was started is ready on a machine that is at work."""
    match trouble:
        case Kill():
            return 1.0
        case Restart():
            return 14.0 if trouble.server is Server.KAFKA else 3.0
        case Crowd():
            return 8.0
        case Pause() | Cut() | Stall() | Silence() | Org():
            return 0.0
        case _:
            assert_never(trouble)


def is_silent(trouble: Trouble) -> bool:
    """Whether nothing but the time tells that something is wrong."""
    return trouble == Org(OrgTrouble.HALF_OPEN)
