"""`tandem parked`: what waits for a person, redriven or discarded. A dry run unless it is told to do it.

What it prints may be personal data: Salesforce's own words quote values. Nothing of it is logged.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import open_erasures
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.parked import ParkedQueue, Wanted
from adapters.mongo.settings import MongoSettings
from consumers.catalog import Catalog
from consumers.settings import MergeSettings
from ops.command_end import ask, exit_code, say
from ops.mapping_source import MappingSettings
from ops.mapping_view import progress_bar
from ops.mapping_walk import end_if_cancelled
from ops.moments import NoMoment, moment_of
from ops.operator_name import operator_name
from ops.parked import CannotDo, Found, Parking, watch
from ops.parked_items import Item
from ops.parked_view import lines_of_json, list_lines, record_lines, write_lines
from ops.processes.parts import wall_ms
from ops.settings import read_settings
from ops.sync_settings import SyncSettings

LOOK_AGAIN_SECONDS: Final = 0.5
AGAIN: Final = ("parked again", "refused again")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which are meant: these ids, or all that are like this."""

    ids: Sequence[str] = ()
    reasons: Sequence[str] = ()
    topic: str = ""
    kind: str = ""
    key: str = ""
    since: str = ""
    until: str = ""
    state: str = "parked"
    limit: int = 50

    @property
    def chooses(self) -> bool:
        """Whether it leaves any out."""
        return bool(self.ids or self.reasons or self.topic or self.kind or self.key or self.since or self.until)

    def wanted(self, now: int) -> Wanted:
        """The same for the store.

        Raises:
            NoMoment: a time is none.
        """
        return Wanted(
            reasons=self.reasons,
            topic=self.topic,
            kind=self.kind,
            key=self.key,
            since=moment_of(self.since, now=now) if self.since else None,
            until=moment_of(self.until, now=now) if self.until else None,
            states=[self.state],
        )


parking_exit_code: Final = partial(
    exit_code, failures=(CannotDo, NoMoment), interrupted="interrupted; what is said above is done"
)
"""Of what redrives, discards or replays."""


def run_list(chosen: Chosen, *, as_json: bool) -> int:
    """Show what is parked; the exit code."""

    def show() -> None:
        found, redriven = ask(_found(chosen))
        if as_json:
            sys.stdout.write(lines_of_json(found))
        else:
            say(list_lines(found, filtered=chosen.chooses or chosen.state != "parked", redriven=redriven))

    return parking_exit_code(show)


def run_show(row_id: str, *, values: bool) -> int:
    """Show all that is kept of one; the exit code."""

    async def find() -> tuple[Item, Any]:
        async with open_parking() as parking:
            (item,) = await parking.by_ids([row_id])
            return item, await parking.row(item)

    def show() -> None:
        item, row = ask(find())
        lines = write_lines(item, row, values=values) if item.is_write else record_lines(item, row, values=values)
        say(lines)

    return parking_exit_code(show)


def run_redrive(chosen: Chosen, *, everything: bool, note: str, sure: bool, wait: float) -> int:
    """Redrive these, or tell what would come of it; the exit code."""

    def work() -> None:
        _refuse_all(chosen, everything=everything)
        ask(_redrive(chosen, note, wait) if sure else _foretell(chosen))

    return parking_exit_code(work)


def run_discard(chosen: Chosen, *, everything: bool, note: str, sure: bool) -> int:
    """Discard these, or tell which would be; the exit code."""

    def work() -> None:
        _refuse_all(chosen, everything=everything)
        ask(_discard(chosen, note, sure=sure))

    return parking_exit_code(work)


@asynccontextmanager
async def open_parking() -> AsyncIterator[Parking]:
    """What is parked in the database that the settings name, by the mapping in force.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    mongo, merge, seed, sync = read_settings(MongoSettings, MergeSettings, MappingSettings, SyncSettings)
    (erased,) = read_settings(ErasedSettings)
    async with open_database(mongo) as database, open_erasures(erased, mongo) as erasures:
        yield Parking(
            queue=ParkedQueue(database, mongo.retention().parked),
            documents=MongoDocuments(database),
            erasures=erasures,
            operations=MongoOperations(database),
            log=MongoSyncLog(database),
            catalog=Catalog(await MongoMappings(database).current() or seed.read(), sync.switched_off()),
            timing=merge.timing(),
            now=wall_ms,
        )


async def _found(chosen: Chosen) -> tuple[Found, int]:
    """What is asked for, and how many records beside those that wait are on their way: none is to be forgotten."""
    async with open_parking() as parking:
        found = await parking.find(chosen.wanted(wall_ms()), chosen.limit)
        if chosen.state != "parked":
            return found, 0
        on_their_way = replace(chosen, state="redriven").wanted(wall_ms())
        return found, (await parking.find(on_their_way, 1)).number


async def _items(parking: Parking, chosen: Chosen) -> tuple[list[Item], int]:
    """Those that are meant, and how many more there are than were asked for at most."""
    if chosen.ids:
        return await parking.by_ids(chosen.ids), 0
    found = await parking.find(chosen.wanted(wall_ms()), chosen.limit)
    return found.items, found.number - len(found.items)


async def _foretell(chosen: Chosen) -> None:
    async with open_parking() as parking:
        items, left = await _items(parking, chosen)
        async for item, told in parking.foretell(items):
            say([f"{item.id}  {told}"])
        say([*_more(left), *_dry("redriven", len(items))])


async def _redrive(chosen: Chosen, note: str, wait: float) -> None:
    (kafka,) = read_settings(KafkaSettings)
    async with open_parking() as parking:
        items, left = await _items(parking, chosen)
        redriven: list[Item] = []
        async with open_producer(kafka) as producer:
            with progress_bar("Redriving", len(items)) as passed:
                for item in items:
                    told = await parking.redrive(item, producer, who=operator_name(), note=note)
                    passed(1)
                    if told in ("redriven", "sent again"):
                        redriven.append(item)
                    else:
                        say([f"{item.id}  {told}"])
                    end_if_cancelled()
        until = time.monotonic() + wait

        async def enough() -> bool:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            return time.monotonic() < until

        again: list[Item] = []

        def ended(item: Item, end: str) -> None:
            say([f"{item.id}  redriven; {end}"])
            if end.startswith(AGAIN):
                again.append(item)

        waiting = await watch(parking, redriven, ended, enough)
        say([f"{item.id}  redriven; not heard of yet" for item in waiting])
        if waiting:
            say(["what is redriven ends by itself: `tandem parked show <id>` tells how"])
        say(_more(left))
        if again:
            raise CannotDo(f"{len(again):,} of {len(redriven):,} have failed as before: the cause is still there")


async def _discard(chosen: Chosen, note: str, *, sure: bool) -> None:
    async with open_parking() as parking:
        items, left = await _items(parking, chosen)
        for item in items:
            if sure:
                say([f"{item.id}  {await parking.discard(item, who=operator_name(), note=note)}"])
            else:
                say([f"{item.id}  would be discarded: {item.reason}"])
            end_if_cancelled()
        say([*_more(left), *([] if sure else _dry("discarded", len(items)))])


def _refuse_all(chosen: Chosen, *, everything: bool) -> None:
    if not chosen.chooses and not everything:
        raise CannotDo("say which: ids, --reason, --topic, --kind, --key, --from, --to, or --all")


def _more(left: int) -> list[str]:
    return [f"{left:,} more are like that; --limit takes them too"] if left else []


def _dry(what: str, count: int) -> list[str]:
    if not count:
        return ["nothing parked is like that"]
    return [f"nothing was changed: {count:,} would be {what}; --yes does it"]
