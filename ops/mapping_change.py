"""A new version of the mapping, step by step: planned, published, applied. Each step opens the database by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from adapters.mongo.allocations import heard_by_all
from adapters.mongo.client import Database, open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.mappings import MongoMappings, Publication, VersionConflict, next_version
from adapters.mongo.settings import MongoSettings
from adapters.mongo.versions import MongoVersions
from adapters.mongo.walks import MongoWalks
from consumers.catalog import Catalog
from consumers.rules.timing import Timing
from consumers.settings import BudgetSettings, MergeSettings
from ops.mapping_pace import Hindrance, MappingPace, unhindered
from ops.mapping_plan import Plan
from ops.mapping_source import MappingSettings
from ops.mapping_walk import Application, Applied, Passed, make_plan
from ops.processes.parts import MAPPING_LOOK_SECONDS, wall_ms
from ops.schedule_settings import ScheduleSettings
from ops.settings import read_settings
from schemas.mapping import Mapping
from schemas.mapping_reading import check_mapping
from schemas.mapping_versions import differences

Bar = Callable[[str, int], AbstractContextManager[Passed]]
"""Shows how far it is: what is being done, and with how many documents."""


TAKEN_UP_SECONDS: Final = MAPPING_LOOK_SECONDS + 1
"""By then running processes decide by a version; one that has not taken it up waits at each document that has been."""


class CannotChange(Exception):
    """Why it was not done, or not to its end, in one line."""


@dataclass(frozen=True, slots=True)
class Change:
    """A mapping on its way to be the version after the one in force. `before` is missing where it is the first."""

    before: Mapping | None
    after: Mapping
    differences: list[str]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Mappings:
    """The database, open, and the waits of the merge."""

    mappings: MongoMappings
    versions: MongoVersions
    documents: MongoDocuments
    log: MongoSyncLog
    timing: Timing
    hindrance: Hindrance
    """What an application waits for before each part."""


Wanted = Callable[[MongoMappings, Mapping | None], Awaitable[Mapping]]
"""What the next version shall say, made from the one in force."""


@asynccontextmanager
async def open_mappings() -> AsyncIterator[Mappings]:
    """The database that the settings name.

    Raises:
        WrongSettings, Unavailable, Refused.
    """
    mongo, merge, budgeting, schedule = read_settings(MongoSettings, MergeSettings, BudgetSettings, ScheduleSettings)
    async with open_database(mongo) as database:
        yield mappings_of(database, merge.timing(), pace_of(database, budgeting, schedule).hindrance)


def pace_of(database: Database, budgeting: BudgetSettings, schedule: ScheduleSettings) -> MappingPace:
    """By the settings of loads."""
    return MappingPace(
        heard=lambda: heard_by_all(database),
        due=MongoWalks(database),
        policy=budgeting.policy(),
        most=schedule.backlog,
        now=wall_ms,
    )


def mappings_of(database: Database, timing: Timing, hindrance: Hindrance = unhindered) -> Mappings:
    """In a database that is open."""
    return Mappings(
        mappings=MongoMappings(database),
        versions=MongoVersions(database),
        documents=MongoDocuments(database),
        log=MongoSyncLog(database),
        timing=timing,
        hindrance=hindrance,
    )


async def stored(version: int | None) -> Mapping | None:
    """A version; without a number the one in force, or the one that would be published first."""
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mappings = MongoMappings(database)
        if version is not None:
            return await mappings.get(version)
        return await mappings.current() or seed.read()


async def in_force() -> Mapping | None:
    """The newest version, or nothing before the first one.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    async with open_mappings() as opened:
        return await opened.mappings.current()


def of_file(mapping: Mapping) -> Wanted:
    """What a file says, which names the version that it was made from."""

    async def wanted(_mappings: MongoMappings, before: Mapping | None) -> Mapping:
        current = before.version if before is not None else 0
        if mapping.version != current:
            raise VersionConflict(mapping.version, current)
        return mapping

    return wanted


def of_version(version: int) -> Wanted:
    """What an older version said."""

    async def wanted(mappings: MongoMappings, before: Mapping | None) -> Mapping:
        found = await mappings.get(version)
        if found is None or before is None:
            raise CannotChange(f"there is no version {version}")
        return found.model_copy(update={"version": before.version})

    return wanted


async def plan_change(wanted: Wanted, names: int, bar: Bar) -> Change:
    """Look at what a new version would do to all documents; nothing is changed.

    Raises:
        VersionConflict: the file was made from another version than the one in force.
        CannotChange: there is no such version.
        InvalidMapping: it cannot be used, or documents that are there cannot follow.
        WrongSettings, Unavailable, Refused.
    """
    async with open_mappings() as opened:
        return await planned(opened, wanted, names, bar)


async def planned(opened: Mappings, wanted: Wanted, names: int, bar: Bar) -> Change:
    """As `plan_change`, in a database that is open."""
    before = await opened.mappings.current()
    mapping = await wanted(opened.mappings, before)
    check_mapping(mapping)
    after = next_version(before, mapping)
    if before is None:
        return Change(None, after, [], Plan(()))
    told = differences(before, after)
    catalog = Catalog(after)
    plan = Plan(catalog.kinds, names)
    if told:
        with bar("Deciding in memory", await _estimate(opened, catalog)) as passed:
            plan = await make_plan(
                opened.versions,
                Catalog(before),
                catalog,
                opened.timing,
                now=wall_ms,
                names=names,
                passed=passed,
            )
    return Change(before, after, told, plan)


async def publish(change: Change, *, by: str, note: str) -> Mapping:
    """Bring the version into force; documents are not touched.

    Raises:
        VersionConflict: somebody else has published since the plan was made.
        InvalidMapping, WrongSettings, Unavailable, Refused.
    """
    async with open_mappings() as opened:
        expected = change.before.version if change.before is not None else 0
        return await opened.mappings.publish(change.after, expected, by=by, note=note)


@dataclass(frozen=True, slots=True)
class Ended:
    """How an application ended: of which version, what was done, and how many documents are left."""

    version: int
    applied: Applied
    left: int


async def apply_current(bar: Bar, say: Callable[[str], None], *, taken_up: float) -> Ended:
    """Decide all documents again that an older version than the one in force has decided last.

    Waits until `taken_up` seconds after its publication, when running processes have taken the version up: one that has
    not must wait at each document that has been decided by it.

    Raises:
        CannotChange: nothing is published yet.
        InvalidMapping, WrongSettings, Unavailable, Refused.
    """
    async with open_mappings() as opened:
        return await applied_to_all(opened, bar, say, taken_up=taken_up)


async def applied_to_all(opened: Mappings, bar: Bar, say: Callable[[str], None], *, taken_up: float) -> Ended:
    """As `apply_current`, in a database that is open. `say` is told what is waited for, and "" when it goes on."""
    current = await opened.mappings.current()
    if current is None:
        raise CannotChange("no mapping is published yet")
    catalog = Catalog(current)
    application = Application(
        versions=opened.versions,
        documents=opened.documents,
        log=opened.log,
        catalog=catalog,
        timing=opened.timing,
        now=wall_ms,
        hindrance=opened.hindrance,
        waits=say,
    )
    if not await application.waiting():
        return Ended(current.version, Applied(), 0)
    (newest, *_) = await opened.mappings.publications()
    seconds = min(taken_up, newest.at.timestamp() + taken_up - time.time())
    if seconds > 0:
        say(f"running processes take version {current.version} up; {seconds:.0f} seconds")
        await asyncio.sleep(seconds)
    with bar("Deciding", await _estimate(opened, catalog)) as passed:
        applied = await application.run(passed)
    return Ended(current.version, applied, await application.waiting())


@dataclass(frozen=True, slots=True)
class History:
    """All versions, the newest first, and how many documents an older one than the newest has decided last."""

    publications: list[Publication]
    older: int


async def history() -> History:
    """All versions.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    async with open_mappings() as opened:
        current = await opened.mappings.current()
        if current is None:
            return History([], 0)
        older = [await opened.versions.count_older(kind.collection, current.version) for kind in current.kinds.values()]
        return History(await opened.mappings.publications(), sum(older))


async def _estimate(opened: Mappings, catalog: Catalog) -> int:
    return sum([await opened.versions.estimate(kind.collection) for kind in catalog.kinds.values()])
