"""What stands until a person does something about it: the platform's URL, runs, erasures, the credential. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.salesforce.credential import QUARTER_DAYS, in_use_since
from ops.admin.process_signs import CONNECTION
from ops.admin.sign import HOUR, Level, Sign, counted
from ops.reviews_view import age
from schemas.connection import Connection

DAY: Final = 24 * HOUR
ERASING: Final = DAY
"""How long an erasure may take: what is left behind after that is told by its certificate."""
FAILED_LATELY: Final = DAY
"""For so long a run that has failed is told of: a comparison is made anew each night."""


@dataclass(frozen=True, slots=True)
class Untended:
    """What was read, to be judged. `credential_since` is epoch milliseconds, 0 where it is not known."""

    url_disabled: bool = False
    given_up: int = 0
    """Deliveries that the platform did not take at any try."""
    runs_failed: int = 0
    """Within `FAILED_LATELY`."""
    runs_paused: int = 0
    erasures_late: int = 0
    """Asked for longer ago than `ERASING`, and not done."""
    credential_since: int = 0


def credential_since(connections: Sequence[Connection]) -> int:
    """Since when the credential in use is the one it is: that of the last login. Others are of apps before it."""
    newest = max(connections, key=lambda each: each.refreshed_at, default=None)
    return 0 if newest is None else in_use_since(newest)


def of_untended(seen: Untended, now: int) -> Iterator[Sign]:
    """What of it is to be looked at."""
    if seen.url_disabled:
        told = "the platform is not told of what Salesforce changes: its URL is disabled"
        yield Sign("deliveries_disabled", Level.LOOK, told, "/admin/deliveries")
    if seen.given_up:
        told = f"{counted(seen.given_up, 'delivery', 'deliveries')} given up, waiting for a person to redeliver"
        yield Sign("deliveries_failed", Level.LOOK, told, "/admin/deliveries?state=failed")
    if seen.runs_failed:
        told = f"{counted(seen.runs_failed, 'run')} failed within a day"
        yield Sign("runs_failed", Level.LOOK, told, "/admin/runs")
    if seen.runs_paused:
        told = f"{counted(seen.runs_paused, 'run')} paused: nothing goes on with it before somebody says so"
        yield Sign("runs_paused", Level.LOOK, told, "/admin/runs")
    if seen.erasures_late:
        told = f"{counted(seen.erasures_late, 'person', 'people')} to be forgotten for more than a day"
        yield Sign("erasures_late", Level.LOOK, told, "/admin/erase")
    if seen.credential_since and now - seen.credential_since > QUARTER_DAYS * DAY:
        since = age(now - seen.credential_since)
        told = f"the credential for Salesforce has been in use for {since}: change it every quarter"
        yield Sign("credential_old", Level.LOOK, told, CONNECTION)
