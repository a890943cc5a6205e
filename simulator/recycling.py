"""What sales delete, and what they take out of the recycle bin again."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

DEALS: Final = 0.4
"""The share of deals among what is deleted, where there are any; the rest are people."""
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Deleted:
    """A record in the recycle bin."""

    sobject: str
    record_id: str
    is_person: bool


class Recycling:
    """One deletion or undeletion at a time. Choices come from `chance`, and from what is there.

    `act` makes an edit as a user, and tells the record's id, or nothing where the org refuses. Deals may stay deleted.
    People all come back in the end: what names a person waits for that person's record, and would wait for good.
    """

    def __init__(
        self,
        chance: random.Random,
        act: Callable[[Mapping[str, Any]], Awaitable[str | None]],
        people: tuple[str, Callable[[], Awaitable[Rows]]],
        deals: tuple[str, Callable[[], Awaitable[Rows]]] | None,
    ) -> None:
        """`people` and `deals` are each an object and what tells its records that may be deleted."""
        self._chance = chance
        self._act = act
        self._people = people
        self._deals = deals
        self._bin: list[Deleted] = []
        self._began = False

    async def delete(self) -> bool:
        """Delete a record, a person's at first and where there is no deal; whether one was."""
        gone = await self._chosen()
        if gone is None:
            return False
        if await self._act({"action": "delete", "object": gone.sobject, "id": gone.record_id}) is None:
            return False
        self._bin.append(gone)
        self._began = True
        return True

    async def _chosen(self) -> Deleted | None:
        if self._began and self._deals is not None and self._chance.random() < DEALS:
            sobject, tell = self._deals
            if rows := await tell():
                return Deleted(sobject, str(self._chance.choice(rows)["Id"]), is_person=False)
        sobject, tell = self._people
        rows = await tell()
        return Deleted(sobject, str(self._chance.choice(rows)["Id"]), is_person=True) if rows else None

    async def undelete(self) -> bool:
        """Take one of the deleted records out again; whether one came back."""
        return bool(self._bin) and await self._back(self._chance.choice(self._bin))

    async def undelete_people(self) -> int:
        """All people who are still deleted come back; how many."""
        return sum([await self._back(one) for one in [*self._bin] if one.is_person])

    async def _back(self, gone: Deleted) -> bool:
        self._bin.remove(gone)
        return await self._act({"action": "undelete", "object": gone.sobject, "id": gone.record_id}) is not None
