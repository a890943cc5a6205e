"""`salesforce_field_mappings`: every published version of the mapping. Versions count from 1 and never change."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping, check_mapping, read_mapping
from schemas.mapping_versions import impossible, since

COLLECTION = "salesforce_field_mappings"


class VersionConflict(Exception):
    """Somebody else has published since: `current` is the version to look at before publishing again."""

    def __init__(self, expected: int, current: int) -> None:
        super().__init__(f"the mapping is at version {current}, not at {expected}: look at what has changed since")
        self.expected = expected
        self.current = current


@dataclass(frozen=True, slots=True)
class Publication:
    """A version without what it says: when and by whom it was published, and why."""

    version: int
    at: datetime
    by: str
    note: str


class MongoMappings:
    """Published mappings, one document a version: `{_id, version, mapping, published_at, published_by, note}`.

    Every method raises `Unavailable` while MongoDB does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._versions = database[COLLECTION]

    async def current(self) -> Mapping | None:
        """The newest version, or nothing before the first one."""
        with answering():
            found = await self._versions.find_one({}, sort=[("_id", DESCENDING)])
        return _mapping(found)

    async def get(self, version: int) -> Mapping | None:
        """One version."""
        with answering():
            found = await self._versions.find_one({"_id": version})
        return _mapping(found)

    async def publications(self) -> list[Publication]:
        """All versions, the newest first."""
        with answering():
            rows = await self._versions.find({}, {"mapping": 0}, sort=[("_id", DESCENDING)]).to_list()
        return [Publication(row["_id"], row["published_at"], row["published_by"], row["note"]) for row in rows]

    async def publish(self, mapping: Mapping, expected_version: int, *, by: str, note: str = "") -> Mapping:
        """Make `mapping` the version after `expected_version` (0: the first), and return it with its version.

        Raises:
            InvalidMapping: it cannot be used.
            VersionConflict: the current version is another one.
        """
        check_mapping(mapping)
        before = await self.current()
        current = before.version if before is not None else 0
        if current != expected_version:
            raise VersionConflict(expected_version, current)
        published = next_version(before, mapping)
        row = {
            "_id": published.version,
            "version": published.version,
            "mapping": published.model_dump(mode="json", exclude_defaults=True),
            "published_at": datetime.now(UTC),
            "published_by": by,
            "note": note,
        }
        try:
            with answering():
                await self._versions.insert_one(row)
        except DuplicateKeyError:
            raise VersionConflict(expected_version, await self._current_version()) from None
        return published

    async def seed(self, mapping: Mapping, *, by: str = "tandem") -> Mapping:
        """The current mapping; where there is none, `mapping` as version 1. Any number of processes seed once.

        Raises:
            InvalidMapping: it cannot be used.
        """
        current = await self.current()
        if current is not None:
            return current
        try:
            return await self.publish(mapping, 0, by=by, note="seeded")
        except VersionConflict:
            current = await self.current()
            if current is None:  # versions are never removed
                raise
            return current

    async def watch(self, after: int, *, every: float) -> AsyncGenerator[Mapping, None]:
        """Each version published after version `after`, as it is seen; looks every so many seconds, without end.

        Versions published between two looks are passed over but for the last. Raises `Unavailable` while MongoDB does
        not answer; watch again from the last version seen.
        """
        while True:
            if await self._current_version() > after:
                current = await self.current()
                if current is not None:
                    after = current.version
                    yield current
            await asyncio.sleep(every)

    async def _current_version(self) -> int:
        with answering():
            found = await self._versions.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        return int(found["_id"]) if found else 0


def next_version(before: Mapping | None, mapping: Mapping) -> Mapping:
    """`mapping` as the version after `before`.

    Raises:
        InvalidMapping: documents that are there cannot follow.
    """
    if before is None:
        return mapping.model_copy(update={"version": 1, "since": {}})
    problems = impossible(before, mapping)
    if problems:
        raise InvalidMapping(problems)
    version = before.version + 1
    return mapping.model_copy(update={"version": version, "since": since(before, mapping, version)})


def _mapping(row: dict[str, Any] | None) -> Mapping | None:
    return None if row is None else read_mapping({**row["mapping"], "version": row["_id"]})
