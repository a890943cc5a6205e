"""`tandem deliveries`: see what the platform was told, have it told again, and say where."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
from rich.console import Console
from rich.table import Table

from adapters.mongo.client import open_database
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.platform.addresses import UnfitUrl
from adapters.platform.poster import resolves
from adapters.platform.settings import DeliverSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import exit_code
from ops.moments import shown_moment
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import read_settings
from schemas.delivery import tried

RESOLVE_SECONDS: Final = 5.0
AT_MOST: Final = 100_000

Answer = TypeVar("Answer")
Row = dict[str, Any]


class Nothing(Exception):
    """There is nothing of that name; the message says so."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands work with."""

    deliveries: MongoDeliveries
    endpoints: MongoEndpoints
    operations: MongoOperations
    settings: DeliverSettings

    async def note(self, what: str, note: str, **told: Any) -> None:
        """Keep who did what, and why."""
        row = {"_id": uuid.uuid4().hex, "what": what, "by": operator_name(), "note": note, "at": wall_ms(), **told}
        await self.operations.add([row])


def run_list(state: str, kind: str, document_id: str, limit: int, *, as_json: bool) -> int:
    """Show them; the exit code."""

    async def listed(desk: Desk) -> tuple[list[Row], Mapping[str, int], str]:
        rows = await desk.deliveries.listed(state=state, kind=kind, document_id=document_id, limit=limit)
        return rows, await desk.deliveries.counts(), await where(desk.endpoints)

    def show() -> None:
        rows, counts, told = _with_desk(listed)
        if as_json:
            for row in rows:
                sys.stdout.write(f"{json.dumps(row, default=str)}\n")
            return
        console = Console()
        console.print(told, markup=False, highlight=False, soft_wrap=True)
        console.print(", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "no deliveries")
        if rows:
            console.print(table(rows))

    return _exit_code(show)


async def where(endpoints: MongoEndpoints) -> str:
    """Where deliveries go, in a line."""
    endpoint = await endpoints.current()
    if endpoint is None:
        return "no URL is set: nobody is told"
    state = "enabled" if endpoint.enabled else f"disabled: {endpoint.reason}"
    failing = "" if endpoint.failing_since is None else f", taking nothing since {shown_moment(endpoint.failing_since)}"
    return f"{endpoint.url} ({state}{failing})"


def table(rows: list[Row]) -> Table:
    """Deliveries without their values."""
    found = Table(show_lines=False)
    for column in ("id", "type", "document", "revision", "state", "tries", "last answer", "made"):
        found.add_column(column, overflow="fold")
    for row in rows:
        last = (row.get("attempts") or [{}])[-1]
        answer = str(last.get("status") or last.get("why") or "")
        found.add_row(
            row["_id"], row["type"], row["key"], str(row["revision"]), row["state"], str(tried(row)), answer,
            shown_moment(row["made_at"]),
        )  # fmt: skip
    return found


def run_show(delivery_id: str, *, values: bool) -> int:
    """Show one; the exit code."""

    async def read(desk: Desk) -> Row:
        found = await desk.deliveries.get(delivery_id)
        if found is None:
            raise Nothing(f"there is no delivery {delivery_id}")
        body = found.pop("body")
        return {**found, "body": json.loads(body)} if values else found

    def show() -> None:
        sys.stdout.write(f"{json.dumps(_with_desk(read), default=str, indent=2)}\n")

    return _exit_code(show)


def run_redeliver(ids: list[str], *, failed: bool, note: str) -> int:
    """Have them posted again; the exit code."""

    async def again(desk: Desk) -> int:
        wanted = [*ids, *(await desk.deliveries.failed_ids(AT_MOST) if failed else [])]
        if not wanted:
            raise Nothing("name deliveries by their ids, or --failed")
        await desk.note("redeliver", note, deliveries=wanted[:100], count=len(wanted))
        return await desk.deliveries.redeliver(wanted, wall_ms())

    def redeliver() -> None:
        count = _with_desk(again)
        if not count:
            raise Nothing("there are no such deliveries")
        sys.stdout.write(f"{count} to be posted again\n")

    return _exit_code(redeliver)


def run_url(url: str, *, note: str) -> int:
    """Set the URL, if it may be; the exit code."""

    async def set_url(desk: Desk) -> str:
        await refuse_unfit(url, desk.settings)
        await desk.note("deliveries_url", note, url=url)
        await desk.endpoints.set_url(url, operator_name(), wall_ms())
        return await where(desk.endpoints)

    return _exit_code(lambda: _say(_with_desk(set_url)))


async def refuse_unfit(url: str, settings: DeliverSettings) -> None:
    """Return if the URL may be set; an empty one, which leaves it to the settings, always may.

    Raises:
        UnfitUrl: why not.
    """
    if not url:
        return
    if not settings.keys():
        raise UnfitUrl("cannot be used: DELIVER_SECRETS is not set, so nothing could be signed")
    await resolves(url, settings.guard(), aiohttp.ThreadedResolver(), RESOLVE_SECONDS)


def run_enable(*, enabled: bool, note: str) -> int:
    """Enable or disable the URL; the exit code."""

    async def switch(desk: Desk) -> str:
        who = operator_name()
        await desk.note("deliveries_enable" if enabled else "deliveries_disable", note)
        if enabled:
            await desk.endpoints.enable(who, wall_ms())
        else:
            await desk.endpoints.disable(f"by {who}", wall_ms())
        return await where(desk.endpoints)

    return _exit_code(lambda: _say(_with_desk(switch)))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _exit_code(work: Callable[[], None]) -> int:
    def done() -> None:
        try:
            work()
        except UnfitUrl as unfit:
            raise Nothing(f"The URL {unfit}") from unfit

    return exit_code(done, failures=(Nothing,))


def _with_desk(ask: Callable[[Desk], Awaitable[Answer]]) -> Answer:
    async def asked() -> Answer:
        async with open_desk() as desk:
            return await ask(desk)

    with quiet_libraries():
        return asyncio.run(asked())


@asynccontextmanager
async def open_desk() -> AsyncIterator[Desk]:
    """What the commands need, of the database that the settings name.

    Raises:
        WrongSettings, Unavailable, Refused.
    """
    mongo, deliver = read_settings(MongoSettings, DeliverSettings)
    async with open_database(mongo) as database:
        yield Desk(MongoDeliveries(database), MongoEndpoints(database, deliver.url), MongoOperations(database), deliver)
