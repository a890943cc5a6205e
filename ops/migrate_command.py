"""`tandem migrate`: what stored rows have to become for this release. Shows the plan unless it is told to do it."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from adapters.mongo.client import open_database
from adapters.mongo.collections import prepare
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.migrations import MongoMigrations
from adapters.mongo.settings import MongoSettings
from ops.command_end import ask, exit_code
from ops.mapping_source import MappingSettings
from ops.mapping_view import progress_bar
from ops.migrating import Due, Migrator, Unfinished
from ops.migrations import ALL, Migration
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import read_settings

NOTHING: Final = "nothing is to be migrated"


_exit_code: Final = partial(
    exit_code,
    failures=(Unfinished,),
    interrupted="interrupted; what was changed is changed, and `tandem migrate --yes` goes on",
)


def run(*, sure: bool, migrations: Sequence[Migration] = ALL) -> int:
    """Show what is to be done, or do it; the exit code."""

    def work() -> None:
        plan = ask(_planned(migrations))
        sys.stdout.writelines(f"{line}\n" for line in plan_lines(plan))
        if not sure or not plan:
            return
        for due in plan:
            with progress_bar(due.migration.name, due.total) as passed:
                changed = ask(_made(due.migration, passed))
            sys.stdout.write(f"{due.migration.name} is made: {changed:,} rows were changed\n")

    return _exit_code(work)


def plan_lines(plan: Sequence[Due]) -> Iterator[str]:
    """What would be done, migration by migration."""
    if not plan:
        yield NOTHING
        return
    for due in plan:
        begun = ", begun and not at its end" if due.begun else ""
        yield f"{due.migration.name}: {due.total:,} rows ({due.migration.why}){begun}"
        yield from (f"  {collection}: {count:,}" for collection, count in due.rows.items() if count)
        if due.migration.format is not None:
            yield f"  documents are of format {due.migration.format} then: no process of an older release may run"


async def _planned(migrations: Sequence[Migration]) -> list[Due]:
    async with _opened() as migrator:
        return await migrator.plan(migrations)


async def _made(migration: Migration, passed: Callable[[int], None]) -> int:
    async with _opened() as migrator:
        return await migrator.make(migration, by=operator_name(), passed=passed)


@asynccontextmanager
async def _opened() -> AsyncIterator[Migrator]:
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mapping = await MongoMappings(database).current() or seed.read()
        await prepare(
            database, mapping.collections(), mapping.counted(), mapping.matched(), retention=mongo.retention()
        )
        yield Migrator(MongoMigrations(database), mapping.collections(), mongo.retention(), wall_ms)
