"""Sends each week's report once, of however many processes by the one that holds the lease."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from ops.admin.sign import Level
from ops.alerts.message import Message
from ops.sync.slots import Weekly
from ops.weekly.model import Report
from ops.weekly.render import html, missed, text, title
from ops.weekly.week import Week, week_of
from schemas.stream import Lease
from schemas.unavailable import Unavailable

LEASE: Final = "weekly report"
LOOK_SECONDS: Final = 60.0
AGAIN_SECONDS: Final = 900.0
"""After so long it is tried again where somebody did not take it."""
HELD_SECONDS: Final = 300.0
"""Longer than a mail server is waited for."""
SENT_BY: Final = "schedule"


class Sender(Protocol):
    """`ops.alerts.sender.AppriseSender`."""

    async def send_page(self, message: Message, page: str) -> bool:
        """False where not everybody it was for took it."""


class Sent(Protocol):
    """Which were sent: `adapters.mongo.operations.MongoOperations`. Raises `Unavailable` while it does not answer."""

    async def get(self, row_id: str) -> dict[str, Any] | None:
        """The row of one."""

    async def add(self, rows: list[dict[str, Any]]) -> None:
        """Keep that these were sent."""


class Leases(Protocol):
    """`adapters.mongo.leases.MongoLeases`. Raises `Unavailable` while it does not answer."""

    async def acquire(self, name: str, owner: str, seconds: float) -> Lease | None:
        """The lease, or nothing while another holds it."""

    async def release(self, lease: Lease) -> None:
        """Let it go."""


async def send(report: Report, sender: Sender, page: str) -> bool:
    """Send one report to everybody; `page` is the address of the admin page. False where somebody did not take it."""
    message = Message(title(report), text(report, page), Level.LOOK if missed(report) else Level.WELL)
    return await sender.send_page(message, html(report, page))


def sent_row(week: str, *, by: str, at: int) -> dict[str, Any]:
    """What the audit keeps of a report that was sent; the id of the scheduled one is its week's."""
    row = {"what": "send weekly report", "by": by, "at": at, "item": week, "note": "", "result": "done"}
    return {"_id": row_id(week), **row}


def row_id(week: str) -> str:
    """Of the row that says that this week's was sent by the clock."""
    return f"weekly-report:{week}"


class WeeklyReports:
    """Looks whether a report is to be sent."""

    def __init__(
        self,
        *,
        when: Weekly,
        read: Callable[[Week, int], Awaitable[Report]],
        sender: Sender,
        sent: Sent,
        leases: Leases,
        owner: str,
        page: str,
        now: Callable[[], int],
        told: Callable[[str, bool], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`read` and the stores raise `Unavailable`; `told` hears of each week that was sent, or was not taken."""
        self._when = when
        self._read = read
        self._sender = sender
        self._sent = sent
        self._leases = leases
        self._owner = owner
        self._page = page
        self._now = now
        self._told = told
        self._sleep = sleep

    async def keep(self) -> None:
        """Until cancelled. What cannot be read or sent now is tried again."""
        while True:
            try:
                seconds = LOOK_SECONDS if await self.look() else AGAIN_SECONDS
            except Unavailable:
                seconds = LOOK_SECONDS  # that MongoDB is away is told by whoever pings it
            await self._sleep(seconds)

    async def look(self) -> bool:
        """Send the report of the week before the last time that has come, unless it was; false where it was not taken.

        A time that nobody was there for is made up for, of the last one. A week of which nothing is known has no
        report: a new installation does not begin with one.

        Raises:
            Unavailable: the store does not answer.
        """
        slot = self._when.last(datetime.fromtimestamp(self._now() / 1000, UTC))
        week = week_of(int(slot.timestamp() * 1000)).moved(-1)
        if await self._sent.get(row_id(week.name)) is not None:
            return True
        lease = await self._leases.acquire(LEASE, self._owner, HELD_SECONDS)
        if lease is None:
            return True
        try:
            return await self._send(week)
        finally:
            await self._leases.release(lease)

    async def _send(self, week: Week) -> bool:
        if await self._sent.get(row_id(week.name)) is not None:
            return True
        report = await self._read(week, self._now())
        if not report.covered:
            return True
        taken = await send(report, self._sender, self._page)
        self._told(week.name, taken)
        if taken:
            await self._sent.add([sent_row(week.name, by=SENT_BY, at=self._now())])
        return taken
