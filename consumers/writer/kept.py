"""Records of a kind, in whichever of its objects they are kept: asked for in one, told by the kind's own names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumers.ports import Converted, RecordRead, Records
from consumers.rules.kinds import Kind
from schemas.place import IS_CONVERTED, Place

ROWS_A_READ: Final = 2_000


@dataclass(frozen=True, slots=True)
class Successor:
    """The record that has taken the place of one that is gone; by a conversion, with all that came of it."""

    record_id: str
    conversion: Converted | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Record ids by external id. Those that are contacts `by_conversion` need not hold it: their lead does."""

    records: dict[str, list[str]]
    by_conversion: frozenset[str]


class KeptRecords:
    """`Records`, for kinds. Every method raises `Unavailable` where one of the objects cannot be asked."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def read(self, kind: Kind, record_ids: Sequence[str], fields: Sequence[str] | None = None) -> RecordRead:
        """Up to 2,000 records, these of the kind's fields or whole. Its times are the earliest of what was asked."""
        reads = []
        for place, ids in by_place(kind, record_ids):
            wanted = place.read_fields() if fields is None else place.asked(fields)
            reads.append((place, await self._records.read(place.sobject, ids, wanted)))
        if not reads:
            return RecordRead(began_at=0, server_time=0)
        rows = {record_id: place.incoming(row) for place, read in reads for record_id, row in read.rows.items()}
        _place, first = reads[0]
        return RecordRead(first.began_at, first.server_time, rows)

    async def find(self, kind: Kind, external_ids: Sequence[str]) -> dict[str, list[str]]:
        """Records by external id, in the kind's own object first; a Lead counts where nothing is there.

        One that was converted counts as what it has become, which need not hold the external id itself: it is
        asked for by `find_all`.
        """
        return (await self.find_all(kind, external_ids)).records

    async def find_all(self, kind: Kind, external_ids: Sequence[str]) -> Found:
        """As `find`, with those records that were found by the lead that they had been."""
        found: dict[str, list[str]] = {}
        became: set[str] = set()
        for place in kind.places():
            spelled = {each.casefold() for each in found}
            left = [each for each in external_ids if each.casefold() not in spelled]
            if left:
                answer = await self._records.find(place.sobject, place.external_id, left)
                there = await self._of_now(place, answer, became) if place.is_lead else answer
                found |= {external_id: list(ids) for external_id, ids in there.items()}
        return Found(found, frozenset(became))

    async def _of_now(
        self, place: Place, found: Mapping[str, Sequence[str]], contacts: set[str]
    ) -> dict[str, list[str]]:
        """With contacts instead of leads that were converted to them; those are added to `contacts`."""
        leads = sorted({each for ids in found.values() for each in ids})
        closed: list[str] = []
        for start in range(0, len(leads), ROWS_A_READ):
            read = await self._records.read(place.sobject, leads[start : start + ROWS_A_READ], ["Id", IS_CONVERTED])
            closed += [lead for lead, row in read.rows.items() if row.get(IS_CONVERTED) is True]
        became = await self._records.conversions(place.sobject, closed) if closed else {}
        contacts |= {each.contact_id for each in became.values()}
        of_now = {
            external_id: [
                became[lead].contact_id if lead in became else lead
                for lead in ids
                if lead in became or lead not in closed
            ]
            for external_id, ids in found.items()
        }
        return {external_id: ids for external_id, ids in of_now.items() if ids}

    async def match(
        self, place: Place, field: str, texts: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """Records of one object that can still be written to, by its own names for the fields."""
        rows = await self._records.match(place.sobject, place.names[field], texts, fields)
        return [row for row in rows if row.get(IS_CONVERTED) is not True]

    async def successors(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, Successor]:
        """By id: what has taken the place of records that are gone, by a conversion or a merge."""
        found: dict[str, Successor] = {}
        for place, ids in by_place(kind, record_ids):
            if place.is_lead:
                became = await self._records.conversions(place.sobject, ids)
                found |= {lead: Successor(each.contact_id, each) for lead, each in became.items()}
            if left := [each for each in ids if each not in found]:
                masters = await self._records.successors(place.sobject, left)
                found |= {loser: Successor(master) for loser, master in masters.items()}
        return found

    async def predecessors(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, list[str]]:
        """The inverse of `successors`, by id."""
        found: dict[str, list[str]] = {}
        for place, ids in by_place(kind, record_ids):
            for master, losers in (await self._records.merged(place.sobject, ids)).items():
                found.setdefault(master, []).extend(losers)
            if not place.is_lead and kind.lead is not None:
                for contact, leads in (await self._records.converted(kind.lead.sobject, ids)).items():
                    found.setdefault(contact, []).extend(leads)
        return found


def by_place(kind: Kind, record_ids: Iterable[str]) -> list[tuple[Place, list[str]]]:
    """Record ids by their object."""
    groups: dict[str, tuple[Place, list[str]]] = {}
    for record_id in record_ids:
        place = kind.place_of(record_id)
        groups.setdefault(place.sobject, (place, []))[1].append(record_id)
    return list(groups.values())
