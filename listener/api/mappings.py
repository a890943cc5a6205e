"""`/mappings`: the mapping read and changed, in the flat form of the product's document or in full."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from listener.api import problem
from listener.api.mapping_bodies import (
    BackTo,
    Between,
    Change,
    DiffShown,
    FormAsked,
    MappingResult,
    MappingShown,
    MappingWanted,
    PlanShown,
    VersionList,
    VersionPath,
    VersionShown,
)
from listener.api.mapping_form import flat_form, with_flat
from listener.api.paths import PREFIX
from listener.api.problem import Fault, Problem, ProblemType
from listener.api.routes import GET, POST, PUT, Answer, Call, Group, Route
from schemas.api_key import Scope
from schemas.mapping import Mapping
from schemas.mapping_faults import find_faults
from schemas.mapping_mending import Reading
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_versions import differences

CANNOT_BE: Final = ProblemType("mapping_refused", 422, "The mapping cannot be used")
MOVED_ON: Final = ProblemType("mapping_moved_on", 412, "The mapping is at another version")
PLAN_TOO_SLOW: Final = ProblemType("plan_too_slow", 504, "There are too many documents for a plan by HTTP")


class Published(Exception):
    """Somebody else has published since; the text says which version is in force."""


class PlanTooSlow(Exception):
    """Not all documents could be looked at in time."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version without what it says."""

    number: int
    at: datetime
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new version would do to the documents that are there."""

    lines: Sequence[str] = field(default=())
    reads: int = 0
    writes: int = 0


class Mappings(Protocol):
    """Published mappings. Every method raises `Unavailable` while the store does not answer."""

    async def current(self) -> Mapping:
        """The version in force."""

    async def get(self, version: int) -> Mapping | None:
        """One version."""

    async def versions(self) -> Sequence[Version]:
        """All of them, the newest first."""

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[Sequence[str], str]:
        """What the org has against `after` alone that would make writes fail, a line each; why it does not tell."""

    async def plan(self, before: Mapping, after: Mapping) -> Plan:
        """What it would do; nothing is changed.

        Raises:
            InvalidMapping: documents that are there cannot follow.
            PlanTooSlow: there are too many.
        """

    async def publish(self, mapping: Mapping, expected: int, by: str, note: str) -> Mapping:
        """Make it the version after `expected`.

        Raises:
            InvalidMapping: it cannot be used, or documents that are there cannot follow.
            Published: the version in force is another one.
        """


class MappingRoutes:
    """The handlers."""

    def __init__(self, mappings: Mappings) -> None:
        self._mappings = mappings

    def group(self) -> Group:
        """Their routes."""
        return Group(
            "Mapping", PREFIX, (self._reading(), *self._changing(), *self._comparing()), "What goes with what."
        )

    def _reading(self) -> Route:
        return Route(
            GET,
            "/mappings",
            self.show,
            Scope.READ,
            "The mapping in force",
            {200: MappingShown},
            "`ETag` is its version.",
            query=FormAsked,
        )

    def _changing(self) -> tuple[Route, ...]:
        scope, refused = Scope.MAPPINGS, (CANNOT_BE, MOVED_ON)
        return (
            Route(
                PUT,
                "/mappings",
                self.change,
                scope,
                "Change the mapping",
                {200: MappingResult},
                "In the flat form what is named is set, with the defaults of direction and policy where it is new; "
                "null takes a field out. The full form replaces all. It is validated whole, and every mistake is "
                "named. Documents are decided by the new version when they next change, or by `tandem mapping "
                "apply`.",
                body=MappingWanted,
                query=Change,
                problems=refused,
                versioned=True,
            ),
            Route(
                POST,
                "/mappings/plan",
                self.plan,
                scope,
                "What a change would do",
                {200: PlanShown},
                "All documents are decided in memory; nothing is changed.",
                body=MappingWanted,
                problems=(*refused, PLAN_TOO_SLOW),
            ),
            Route(
                POST,
                "/mappings/rollback",
                self.roll_back,
                scope,
                "Publish an older version anew",
                {200: MappingResult},
                body=BackTo,
                problems=(*refused, problem.NOT_FOUND),
                idempotent=True,
            ),
        )

    def _comparing(self) -> tuple[Route, ...]:
        scope, missing = Scope.READ, (problem.NOT_FOUND,)
        return (
            Route(GET, "/mappings/versions", self.versions, scope, "All versions", {200: VersionList}),
            Route(
                GET,
                "/mappings/versions/{version}",
                self.version,
                scope,
                "One version, in full",
                {200: MappingShown},
                path=VersionPath,
                problems=missing,
            ),
            Route(
                GET,
                "/mappings/diff",
                self.diff,
                scope,
                "What differs between two versions",
                {200: DiffShown},
                query=Between,
                problems=missing,
            ),
        )

    async def show(self, call: Call) -> Answer:
        """The one in force."""
        mapping = await self._mappings.current()
        return _shown(mapping, full=call.query(FormAsked).form == "full")

    async def version(self, call: Call) -> Answer:
        """One."""
        return _shown(await self._one(call.path(VersionPath).version), full=True)

    async def versions(self, _call: Call) -> Answer:
        """All."""
        found = [
            VersionShown(version=each.number, published_at=each.at, published_by=each.by, note=each.note)
            for each in await self._mappings.versions()
        ]
        return Answer(VersionList(versions=tuple(found)))

    async def diff(self, call: Call) -> Answer:
        """Between two."""
        asked = call.query(Between)
        before = await self._one(asked.before)
        after = await self._mappings.current() if asked.after is None else await self._one(asked.after)
        told = tuple(differences(before, after))
        return Answer(DiffShown(before=before.version, after=after.version, differences=told))

    async def change(self, call: Call) -> Answer:
        """A new version."""
        how = call.query(Change)
        before, after, told = await self._wanted(call)
        return await self._published(call, before, after, told, how.note, dry_run=how.dry_run)

    async def plan(self, call: Call) -> Answer:
        """What would follow."""
        before, after, told = await self._wanted(call)
        try:
            plan = await self._mappings.plan(before, after)
        except InvalidMapping as wrong:
            raise _refused(wrong.problems) from None
        except PlanTooSlow:
            raise Problem(PLAN_TOO_SLOW, "`tandem mapping plan` takes the time that it needs") from None
        shown = PlanShown(
            version=before.version,
            differences=told,
            lines=tuple(plan.lines),
            api_calls_to_read=plan.reads,
            api_calls_to_write=plan.writes,
        )
        return Answer(shown)

    async def roll_back(self, call: Call) -> Answer:
        """What an older version said."""
        asked = call.body(BackTo)
        before = await self._mappings.current()
        older = await self._one(asked.version)
        note = asked.note or f"as version {asked.version}"
        after = older.model_copy(update={"version": before.version})
        told = await self._differences(before, Reading(after))
        return await self._published(call, before, after, told, note)

    async def _published(
        self,
        call: Call,
        before: Mapping,
        after: Mapping,
        told: tuple[str, ...],
        note: str,
        *,
        dry_run: bool = False,
    ) -> Answer:
        version, is_new = before.version, bool(told) and not dry_run
        if is_new:
            by = "" if call.key is None else f"api key {call.key.id} ({call.key.name})"
            try:
                version = (await self._mappings.publish(after, before.version, by, note)).version
            except InvalidMapping as wrong:
                raise _refused(wrong.problems) from None
            except Published as moved:
                raise Problem(MOVED_ON, str(moved)) from None
        result = MappingResult(version=version, published=is_new, differences=told)
        return Answer(result, headers={"ETag": f'"{version}"'})

    async def _wanted(self, call: Call) -> tuple[Mapping, Mapping, tuple[str, ...]]:
        """The version in force, what it shall be, and what differs."""
        body = call.body(MappingWanted)
        wanted, shape = body.root, list(body.faults)
        before = await self._mappings.current()
        if call.etag is not None and call.etag != str(before.version):
            raise Problem(MOVED_ON, f"it is at version {before.version}")
        if isinstance(wanted, Mapping):
            if "version" not in body.aside.whole and wanted.version not in (0, before.version):
                raise Problem(MOVED_ON, f"it is at version {before.version}, and this was made from {wanted.version}")
            after = wanted.model_copy(update={"version": before.version, "since": before.since})
        else:
            after, unknown = with_flat(before, wanted)
            shape += unknown
        return before, after, await self._differences(before, Reading(after, aside=body.aside), shape)

    async def _differences(self, before: Mapping, after: Reading, shape: Sequence[Fault] = ()) -> tuple[str, ...]:
        """What differs.

        Raises:
            Problem: it cannot be used; with everything that is wrong with it, and with `shape`.
        """

        async def ask_org(mapping: Mapping) -> tuple[Sequence[str], str]:
            return await self._mappings.misfits(before, mapping)

        found = await find_faults(after, before, ask_org)
        if shape:
            lines = [*found.faults, *found.not_compared]
            raise Problem(problem.INVALID, errors=[*shape, *(Fault(detail=line) for line in lines)])
        if found.told:
            raise _refused(found.told)
        return found.differences

    async def _one(self, version: int) -> Mapping:
        found = await self._mappings.get(version)
        if found is None:
            raise Problem(problem.NOT_FOUND, f"there is no version {version}")
        return found


def _shown(mapping: Mapping, *, full: bool) -> Answer:
    shown = MappingShown(mapping) if full else MappingShown(flat_form(mapping))
    return Answer(shown, headers={"ETag": f'"{mapping.version}"'})


def _refused(problems: Sequence[str]) -> Problem:
    return Problem(CANNOT_BE, errors=[Fault(detail=line) for line in problems])
