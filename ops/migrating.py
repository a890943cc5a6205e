"""Makes migrations: in batches, resumable, beside running processes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from adapters.mongo.migrations import Changed
from adapters.mongo.retention import Retention
from ops.migrations import Migration, Step

BATCH: Final = 500
PASSES: Final = 20
"""How often all are walked for rows that were being written by others in the moment they were to be changed."""

Passed = Callable[[int], None]


class Rows(Protocol):
    """Where the rows are: `adapters.mongo.migrations.MongoMigrations`. Every method raises `Unavailable`."""

    async def count(self, collection: str, due: Mapping[str, Any]) -> int:
        """How many rows have still to be changed."""

    async def page(self, collection: str, due: Mapping[str, Any], after: Any, limit: int) -> list[dict[str, Any]]:
        """So many of them in the order of `_id`, behind that of `after`."""

    async def change(self, collection: str, due: Mapping[str, Any], rows: Sequence[Changed]) -> int:
        """Change those that nobody has changed since they were read; how many were."""

    async def begin(self, name: str, *, format: int | None, by: str, at: int) -> dict[str, Any]:  # noqa: A002
        """The row of a migration, made where there is none."""

    async def keep(self, name: str, collection: str, after: Any, changed: int) -> None:
        """How far it has come with a collection."""

    async def end(self, name: str, at: int) -> None:
        """It is made."""

    async def made(self) -> dict[str, dict[str, Any]]:
        """Those that were begun or made, by name."""


@dataclass(frozen=True, slots=True)
class Due:
    """A migration that is to be made, and how many rows of which collection it would change."""

    migration: Migration
    rows: Mapping[str, int]
    begun: bool

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.rows.values())


@dataclass(frozen=True, slots=True)
class Migrator:
    """`kinds` are the collections of the documents; `now` gives epoch milliseconds."""

    rows: Rows
    kinds: Sequence[str]
    retention: Retention
    now: Callable[[], int]

    async def plan(self, migrations: Sequence[Migration]) -> list[Due]:
        """Those that are not made yet, in their order."""
        made = await self.rows.made()
        return [
            Due(one, await self._left(one), begun=one.name in made)
            for one in migrations
            if made.get(one.name, {}).get("state") != "done"
        ]

    async def make(self, migration: Migration, *, by: str, passed: Passed = lambda _rows: None) -> int:
        """Make one, from where it was left; how many rows were changed now. `passed` is told of each batch.

        What others are writing in that moment is read and changed again, until none is left.

        Raises:
            Unavailable: MongoDB does not answer, or rows are being written by others without end: begin again.
        """
        row = await self.rows.begin(migration.name, format=migration.format, by=by, at=self.now())
        after: dict[str, Any] = dict(row.get("after", {}))
        changed = 0
        for _pass in range(PASSES):
            for step in migration.steps:
                for collection in step.collections(self.kinds):
                    changed += await self._walk(migration, step, collection, after.pop(collection, None), passed)
            if not sum((await self._left(migration)).values()):
                await self.rows.end(migration.name, self.now())
                return changed
        raise Unfinished(f"{migration.name}: rows are being written by others without end; run it again")

    async def _walk(self, migration: Migration, step: Step, collection: str, after: Any, passed: Passed) -> int:
        changed = 0
        while page := await self.rows.page(collection, step.due, after, BATCH):
            wanted = [
                Changed(row["_id"], row.get("revision") if step.documents else None, step.values(row, self.retention))
                for row in page
            ]
            done = await self.rows.change(collection, step.due, wanted)
            after = page[-1]["_id"]
            await self.rows.keep(migration.name, collection, after, done)
            changed += done
            passed(len(page))
        return changed

    async def _left(self, migration: Migration) -> dict[str, int]:
        found: dict[str, int] = {}
        for step in migration.steps:
            for collection in step.collections(self.kinds):
                found[collection] = found.get(collection, 0) + await self.rows.count(collection, step.due)
        return found


class Unfinished(Exception):
    """A migration that has still rows to change."""
