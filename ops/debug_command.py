"""`tandem debug`: look closely at one thing for a while, and end that. Needs MongoDB alone."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.mongo.client import open_database
from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import exit_code
from ops.debugging import CannotDebug, Switch
from ops.mapping_source import MappingSettings
from ops.moments import shown_moment
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import read_settings
from schemas.debugging import DebugMark
from schemas.mapping import Mapping

MINUTE_MS: Final = 60_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands work with."""

    switch: Switch
    mapping: Mapping


_exit_code: Final = partial(exit_code, failures=(CannotDebug,))


def run_on(kind: str, document_id: str, record_id: str, *, minutes: int, why: str) -> int:
    """Switch it on; the exit code."""

    async def on(desk: Desk) -> DebugMark:
        who, lasts = operator_name(), minutes * MINUTE_MS
        if record_id:
            return await desk.switch.on_record(record_id, by=who, why=why, lasts_ms=lasts)
        collection = _collection(desk.mapping, kind)
        return await desk.switch.on(collection, kind, document_id, by=who, why=why, lasts_ms=lasts)

    def told(mark: DebugMark) -> None:
        record = f", and its record {mark.record_id}" if mark.kind and mark.record_id else ""
        sys.stdout.write(f"{mark.name}{record}: every decision is told until {shown_moment(mark.until)} UTC\n")

    return _exit_code(lambda: told(_with_desk(on)))


def run_off(kind: str, document_id: str, record_id: str, *, why: str) -> int:
    """Switch it off; the exit code."""

    async def off(desk: Desk) -> bool:
        if record_id:
            return await desk.switch.off_record(record_id, by=operator_name(), why=why)
        _collection(desk.mapping, kind)
        return await desk.switch.off(kind, document_id, by=operator_name(), why=why)

    def told(gone: bool) -> None:
        name = record_id or f"{kind}:{document_id}"
        if not gone:
            raise CannotDebug(f"nobody looks at {name}")
        sys.stdout.write(f"{name}: no more is told\n")

    return _exit_code(lambda: told(_with_desk(off)))


def run_list(*, as_json: bool) -> int:
    """List what is looked at; the exit code."""

    async def listed(desk: Desk) -> list[DebugMark]:
        return await desk.switch.lasting()

    def show(marks: list[DebugMark]) -> None:
        if as_json:
            for mark in marks:
                sys.stdout.write(f"{json.dumps(as_row(mark))}\n")
        elif marks:
            Console(highlight=False).print(table(marks))
        else:
            sys.stdout.write("nothing is debugged\n")

    return _exit_code(lambda: show(_with_desk(listed)))


def as_row(mark: DebugMark) -> dict[str, str | int]:
    """A mark for scripts, without its key."""
    return {
        "kind": mark.kind,
        "id": mark.document_id,
        "record": mark.record_id,
        "until": mark.until,
        "by": mark.by,
        "why": mark.why,
        "at": mark.at,
    }


def table(marks: list[DebugMark]) -> Table:
    """Marks for people; times are UTC."""
    found = Table()
    for column in ("what", "record", "until", "by", "why"):
        found.add_column(column, overflow="fold")
    for mark in marks:
        cells = (mark.name, mark.record_id, shown_moment(mark.until), mark.by, mark.why)
        found.add_row(*map(Text, cells))
    return found


def _collection(mapping: Mapping, kind: str) -> str:
    if kind not in mapping.kinds:
        raise CannotDebug(f'"{kind}" is no kind of the mapping; there are: {", ".join(mapping.kinds)}')
    return mapping.kinds[kind].collection


def _with_desk(ask: Callable[[Desk], Awaitable[Answer]]) -> Answer:
    async def asked() -> Answer:
        async with _open_desk() as desk:
            return await ask(desk)

    with quiet_libraries():
        return asyncio.run(asked())


@asynccontextmanager
async def _open_desk() -> AsyncIterator[Desk]:
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mapping = await MongoMappings(database).current() or seed.read()
        marks, documents = MongoDebugMarks(database), MongoDocuments(database)
        yield Desk(Switch(marks, MongoOperations(database), documents, wall_ms), mapping)
