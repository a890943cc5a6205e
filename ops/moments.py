"""A moment as a person types it: a date, a date with a time, or how long ago."""

import re
from datetime import UTC, datetime
from typing import Final

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class NoMoment(ValueError):
    """What was typed is no moment; the message says what is one."""


def moment_of(typed: str, *, now: int) -> int:
    """Epoch milliseconds of `2026-11-28`, `2026-11-28T18:00`, the same with a zone (else UTC), or `12h` ago.

    Raises:
        NoMoment: it is none of these.
    """
    if ago := _AGO.fullmatch(typed.strip()):
        return now - int(ago[1]) * _SECONDS[ago[2]] * 1000
    try:
        found = datetime.fromisoformat(typed.strip())
    except ValueError:
        raise NoMoment(
            f'"{typed}" is no moment: write 2026-11-28, 2026-11-28T18:00 (UTC, or with a zone), or 12h for '
            "twelve hours ago (s, m, h or d)"
        ) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def shown_moment(at: int) -> str:
    """Epoch milliseconds as people read them: `2026-11-28 18:00:00` (UTC)."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S}"
