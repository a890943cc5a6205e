"""The mapping as the API's routes ask for it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from adapters.mongo.client import Database
from adapters.mongo.mappings import MongoMappings, VersionConflict, next_version
from adapters.mongo.versions import MongoVersions
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import Salesforce
from consumers.catalog import Catalog
from consumers.rules.timing import Timing
from listener.api.mappings import Plan, PlanTooSlow, Published, Version
from ops import mapping_plan
from ops.mapping_fit import new_misfits
from ops.mapping_walk import make_plan
from ops.processes.parts import wall_ms
from schemas.mapping import Mapping
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

FIT_SECONDS: Final = 10.0
"""How long the org is asked whether a mapping fits it."""


class StoredMappings:
    """Satisfies `listener.api.mappings.Mappings`."""

    def __init__(
        self,
        database: Database,
        salesforce: Salesforce,
        timing: Timing,
        plan_seconds: float,
        off: frozenset[str] = frozenset(),
    ) -> None:
        """`off` are the objects that are switched off."""
        self._mappings = MongoMappings(database)
        self._versions = MongoVersions(database)
        self._salesforce = salesforce
        self._timing = timing
        self._plan_seconds = plan_seconds
        self._off = off

    async def current(self) -> Mapping:
        """As the port."""
        found = await self._mappings.current()
        if found is None:  # it was seeded when the process began, and versions are never removed
            raise Unavailable("no mapping is published")
        return found

    async def get(self, version: int) -> Mapping | None:
        """As the port."""
        return await self._mappings.get(version)

    async def versions(self) -> Sequence[Version]:
        """As the port."""
        return [Version(each.version, each.at, each.by, each.note) for each in await self._mappings.publications()]

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[Sequence[str], str]:
        """As the port: what did not fit before is no reason to refuse a change."""
        try:
            async with asyncio.timeout(FIT_SECONDS):
                return await new_misfits(self._salesforce, before, after, self._off), ""
        # An org that is away forbids nothing: each process says what does not fit when it takes the version up.
        except TimeoutError:
            return (), f"it did not answer within {FIT_SECONDS:.0f} seconds"
        except (CallFailed, LoginFailed, Unavailable) as error:
            return (), str(error)

    async def plan(self, before: Mapping, after: Mapping) -> Plan:
        """As the port."""
        new = Catalog(next_version(before, after))
        plan = mapping_plan.Plan(new.kinds)
        try:
            async with asyncio.timeout(self._plan_seconds):
                plan = await make_plan(
                    self._versions, Catalog(before), new, self._timing, now=wall_ms, names=0, passed=lambda _count: None
                )
        except TimeoutError:
            raise PlanTooSlow from None
        reads, writes = plan.calls()
        return Plan(tuple(plan.lines()), reads, writes)

    async def publish(self, mapping: Mapping, expected: int, by: str, note: str) -> Mapping:
        """As the port."""
        try:
            return await self._mappings.publish(mapping, expected, by=by, note=note)
        except VersionConflict as conflict:
            raise Published(str(conflict)) from None
