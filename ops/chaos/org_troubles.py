"""What the org is told for each of its troubles: requests to its admin pages, at the beginning and at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, assert_never

from ops.chaos.troubles import OrgTrouble

PLENTY: Final = 90_000
"""API calls that are left once there is room again."""

OVERFLOWS: Final = 3
"""Transactions of an object of which nothing more is told; for each the object's last changes are read again."""

_REST: Final = "^/services/data/"
_EVENTS: Final = "/meta/connect"


@dataclass(frozen=True, slots=True)
class Post:
    """A request: path below `/admin`, and JSON body."""

    path: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """What begins a trouble and what ends it. `faults` are planted at the beginning, and taken out at the end."""

    faults: Sequence[Mapping[str, Any]] = ()
    begin: Sequence[Post] = ()
    end: Sequence[Post] = ()


def script(trouble: OrgTrouble, seconds: float) -> Script:  # noqa: PLR0912 - one case for each, on purpose
    """`seconds` is how long it lasts."""
    match trouble:
        case OrgTrouble.UNAUTHORIZED:
            return Script([{"kind": "unauthorized", "path": _REST, "probability": 0.5}])
        case OrgTrouble.REVOKED:
            return Script(begin=[Post("/tokens/revoke")])
        case OrgTrouble.NO_LOGIN:
            return Script(
                [{"kind": "server_error", "path": "^/services/oauth2/", "status": 503}], begin=[Post("/tokens/revoke")]
            )
        case OrgTrouble.TOO_MANY:
            refused = {"status": 429, "code": "REQUEST_LIMIT_EXCEEDED", "message": "Too many requests."}
            return Script([{"kind": "refuse_call", "path": _REST, "probability": 0.7, **refused}])
        case OrgTrouble.UNAVAILABLE:
            return Script([{"kind": "server_error", "path": _REST, "status": 503, "probability": 0.8}])
        case OrgTrouble.GATEWAY:
            gateway = {"kind": "server_error", "path": _REST, "status": 502, "body": "gateway", "probability": 0.3}
            return Script([gateway, {**gateway, "runs": True}])
        case OrgTrouble.ROW_LOCKS:
            return Script([{"kind": "lock_row", "probability": 0.3}])
        case OrgTrouble.REQUESTS_LOST:
            return Script([{"kind": "request_lost", "path": _REST, "probability": 0.5}])
        case OrgTrouble.REPLIES_LOST:
            return Script([{"kind": "reply_lost", "path": _REST, "probability": 0.5}])
        case OrgTrouble.SLOW:
            return Script([{"kind": "delay", "path": _REST, "delay_ms": 1500}])
        case OrgTrouble.EXHAUSTED:
            return Script(
                begin=[Post("/limits", {"DailyApiRequests": 0})], end=[Post("/limits", {"DailyApiRequests": PLENTY})]
            )
        case OrgTrouble.HALF_OPEN:
            return Script(begin=[_armed("black_hole", times=None, seconds=seconds)])
        case OrgTrouble.REPLIES_CUT:
            kinds = ("cut", "lose", "bad_json")
            return Script(begin=[_armed(kind, times=2, with_events=True, on=[_EVENTS]) for kind in kinds])
        case OrgTrouble.STREAM_UNAVAILABLE:
            return Script(
                begin=[_armed("unavailable", times=None), Post("/stream", {"action": "forget_sessions", "cut": True})],
                end=[Post("/stream", {"action": "clear"})],
            )
        case OrgTrouble.DISCONNECTED:
            return Script(begin=[Post("/stream", {"action": "disconnect_clients"})])
        case OrgTrouble.SESSIONS_FORGOTTEN:
            return Script(begin=[Post("/stream", {"action": "forget_sessions"})])
        case OrgTrouble.POSITION_REFUSED:
            return Script(
                begin=[
                    # Whoever is connected still would miss what expires, and be told of nothing.
                    Post("/stream", {"action": "forget_sessions", "cut": True}),
                    Post("/stream", {"action": "forget_replay_ids"}),
                ]
            )
        case OrgTrouble.GAP_EVENTS:
            return Script([{"kind": "gap_event", "probability": 0.5}])
        case OrgTrouble.OVERFLOW:
            return Script([{"kind": "overflow_event", "probability": 0.3, "count": OVERFLOWS}])
        case _:
            assert_never(trouble)


def _armed(kind: str, **options: Any) -> Post:
    return Post("/stream", {"action": "arm", "fault": {"kind": kind, **options}})
