"""What the token endpoint answers, and what a refusal means. Pure.

A token's life is not told (there is no `expires_in`), so a 401 is what ends it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from adapters.salesforce.hosts import may_follow
from schemas.record_id import is_id, to_18
from schemas.session import LoginFailed, Session

TRANSIENT: Final = frozenset(
    {
        "login_error",
        "rate_limit_exceeded",
        "server_error",
        "service_unavailable",
        "slow_down",
        "system_down",
        "temporarily_unavailable",
        "unknown_error",
    }
)
"""OAuth error codes that pass by themselves; every other one needs a person."""

_MOST_DIGITS: Final = 15
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,79}")
NO_ANSWER: Final = "no_answer"
BAD_ANSWER: Final = "bad_answer"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave. `issued_at` is epoch milliseconds; what was not told is empty."""

    session: Session
    issued_at: int
    org_id: str
    user_id: str = ""
    scopes: tuple[str, ...] = ()
    refresh_token: str = field(default="", repr=False)


def is_terminal(status: int, code: str) -> bool:
    """True where the same login will be refused again until a person changes something."""
    return 400 <= status < 500 and status not in (408, 429) and code not in TRANSIENT


def hold(failure: LoginFailed) -> float:
    """Seconds for which a failed login is not tried again: everyone who asks meanwhile gets the same answer.

    An org allows 3,600 logins an hour and user, and wrong ones may lock the user out.
    """
    return 30.0 if failure.terminal or failure.code == "rate_limit_exceeded" else 1.0


def read_grant(
    status: int, body: bytes, *, login_url: str, allowed: Collection[str] = (), hide: tuple[str, ...] = ()
) -> Grant:
    """The grant in the token endpoint's reply.

    `login_url` is where it was asked for, `allowed` the hosts that an instance may have besides Salesforce's own.

    Raises:
        LoginFailed: refused, or not a reply of the token endpoint, or its instance is none that our token may be sent
            to. Texts in `hide` never appear in the message.
    """
    parsed = _parse(body)
    if status != 200:
        raise _refusal(status, parsed, hide)
    token, address = parsed.get("access_token"), parsed.get("instance_url")
    if not isinstance(token, str) or not isinstance(address, str) or not _is_header_text(token):
        raise LoginFailed("the login's answer holds no usable token and address", code=BAD_ANSWER)
    address = address.rstrip("/")
    if not may_follow(address, login_url, allowed):
        raise LoginFailed(
            "the login names an instance that is neither Salesforce's nor allowed by SALESFORCE_ALLOWED_HOSTS",
            code=BAD_ANSWER,
        )
    org_id, user_id = _identity(parsed.get("id"))
    refresh_token = parsed.get("refresh_token")
    return Grant(
        session=Session(instance_url=address, access_token=token),
        issued_at=_milliseconds(parsed.get("issued_at")),
        org_id=org_id,
        user_id=user_id,
        scopes=tuple(str(parsed.get("scope") or "").split()),
        refresh_token=refresh_token if isinstance(refresh_token, str) else "",
    )


def _milliseconds(told: object) -> int:
    """Of a text of digits; 0 for anything else, and for more digits than a moment has."""
    text = str(told)
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit() else 0


def _is_header_text(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _refusal(status: int, parsed: dict[str, Any], hide: tuple[str, ...]) -> LoginFailed:
    told = parsed.get("error")
    if not isinstance(told, str) or not told:
        return LoginFailed(f"login refused: HTTP {status}", code=f"http_{status}", terminal=is_terminal(status, ""))
    text = f"{told}: {parsed.get('error_description', '')}"[:200]
    for secret in hide:
        text = text.replace(secret, "***")
    code = told if _CODE.fullmatch(told) else f"http_{status}"
    return LoginFailed(f"login refused: {text}", code=code, terminal=is_terminal(status, told))


def _identity(identity: object) -> tuple[str, str]:
    """Org and user of an identity URL, `https://…/id/<org>/<user>`."""
    parts = str(identity).split("/")
    org, user = parts[-2:] if len(parts) > 2 else ("", "")
    return to_18(org) if is_id(org) else "", to_18(user) if is_id(user) else ""
