"""A version of the mapping that was asked for on the admin page: planned, then published and applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from adapters.mongo.mappings import MongoMappings, VersionConflict
from adapters.mongo.operations import Row
from ops.errands.keeper import CannotGoOn, Progress
from ops.mapping_change import TAKEN_UP_SECONDS, Bar, CannotChange, Mappings, applied_to_all, of_file, planned
from ops.mapping_walk import Passed
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping, read_mapping

PLAN: Final = "plan mapping"
APPLY: Final = "apply mapping"


def asked_row(row_id: str, mapping: Mapping, told: list[str], notes: list[str], *, by: str, at: int) -> Row:
    """A version that is wanted after `mapping.version`, of which a plan is to be made.

    `told` is what differs, `notes` what the org says of it.
    """
    return {
        "_id": row_id,
        "what": "mapping",
        "item": f"after version {mapping.version}",
        "by": by,
        "note": "",
        "at": at,
        "before": mapping.version,
        "mapping": mapping.model_dump(mode="json", exclude_defaults=True),
        "differences": told,
        "notes": notes,
        "state": "planning",
        "work": PLAN,
    }


class MappingChanges:
    """Both halves, as `ops.errands.keeper.Doing` has it."""

    def __init__(self, opened: Mappings, taken_up: float = TAKEN_UP_SECONDS) -> None:
        """`taken_up` is after how many seconds running processes have taken a version up."""
        self._opened = opened
        self._taken_up = taken_up

    async def plan(self, row: Row, progress: Progress) -> Row:
        """Decide all documents again in memory; nothing is changed."""
        try:
            change = await planned(self._opened, of_file(wanted(row)), 0, _bar(progress))
        except (VersionConflict, InvalidMapping, CannotChange) as reason:
            raise CannotGoOn(str(reason)) from None
        return {"state": "planned", "plan": list(change.plan.lines())}

    async def apply(self, row: Row, progress: Progress) -> Row:
        """Bring it into force, unless that is done already, and have all documents decided by it."""
        version = await self._in_force(row)

        def says(told: str) -> None:
            progress.waits = told

        try:
            ended = await applied_to_all(self._opened, _bar(progress), says, taken_up=self._taken_up)
        except InvalidMapping as reason:
            raise CannotGoOn(str(reason)) from None
        told = {"version": version, "decided": ended.applied.decided}
        if left := ended.left or len(ended.applied.refused):
            why = f"{left:,} documents are still to be decided by version {ended.version}"
            refused = [f"{name}: MongoDB will not store it: {reason}" for name, reason in ended.applied.refused.items()]
            return {**told, "state": "failed", "reason": why, "refused": refused[:100]}
        return {**told, "state": "done", "result": f"version {version} is in force", "reason": "", "refused": []}

    async def _in_force(self, row: Row) -> int:
        """Publish it. Where a process was killed right after it had done so, the version is found to be there."""
        mappings: MongoMappings = self._opened.mappings
        if row.get("version"):
            return int(row["version"])
        mapping, expected = wanted(row), int(row["before"])
        try:
            published = await mappings.publish(mapping, expected, by=row["by"], note=row["note"])
        except InvalidMapping as reason:
            raise CannotGoOn(str(reason)) from None
        except VersionConflict as conflict:
            there = await mappings.get(expected + 1)
            if there is None or not _says_the_same(there, mapping):
                raise CannotGoOn(str(conflict)) from None
            return there.version
        return published.version


def wanted(row: Row) -> Mapping:
    """What the version shall say; its number is that of the version it was made from."""
    return read_mapping({**row["mapping"], "version": row["before"]})


def _says_the_same(one: Mapping, other: Mapping) -> bool:
    return one.kinds == other.kinds


def _bar(progress: Progress) -> Bar:
    @contextmanager
    def shown(_doing: str, total: int) -> Iterator[Passed]:
        progress.of, progress.waits = total, ""
        yield progress.advance

    return shown
