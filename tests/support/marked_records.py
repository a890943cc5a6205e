"""Records in an org that others use too: whatever a test makes is marked, and all of it is removed in the end."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import quote
from consumers.ports import Records
from schemas.records import Converted, RecordRead, RecordUpdate, RowResult

MARK = "tandem-test-"
"""What every external id begins with that a test gives. Nobody else's does."""
EXTERNAL_ID = "Tandem_Customer_Id__c"


@dataclass
class MarkedRecords:
    """The `Records` port on Contacts, each external id with a mark before it that the caller does not see."""

    records: Records
    mark: str
    made: set[str] = field(default_factory=set)

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        return await self.records.update(sobject, updates)

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        marked = [replace(update, external_id=self.mark + update.external_id) for update in updates]
        results = await self.records.upsert(sobject, external_id_field, marked)
        self.made.update(result.record_id for result in results if result.succeeded)
        return results

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        return await self.records.delete(sobject, record_ids)

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        return await self.records.read(sobject, record_ids, fields)

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        found = await self.records.find(sobject, external_id_field, [self.mark + each for each in external_ids])
        return {external_id.removeprefix(self.mark): matches for external_id, matches in found.items()}

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        rows = await self.records.match(sobject, field, values, fields)
        return [row for row in rows if row["Id"] in self.made]

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        return await self.records.successors(sobject, record_ids)

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return await self.records.merged(sobject, record_ids)

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Converted]:
        return await self.records.conversions(sobject, record_ids)

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return await self.records.converted(sobject, record_ids)


@contextlib.asynccontextmanager
async def marked(rest: Rest, records: Records, run: str) -> AsyncIterator[MarkedRecords]:
    """Records of one run, which are gone when the block is left: those it made, and those that hold its mark."""
    mine = MarkedRecords(records, f"{MARK}{run}-")
    try:
        yield mine
    finally:
        left = [str(row["Id"]) async for row in rest.query(of_mark(mine.mark))]
        doomed = sorted({*mine.made, *left})
        for start in range(0, len(doomed), 200):
            await records.delete("Contact", doomed[start : start + 200])
        still = [row async for row in rest.query(of_mark(mine.mark))]
        assert not still, f"{len(still)} records of this run could not be removed; they begin with {mine.mark}"


def of_mark(mark: str) -> str:
    """The query for the records whose external id begins with a mark."""
    like = quote(mark.replace("_", "\\_") + "%").replace("\\\\", "\\")
    return f"SELECT Id FROM Contact WHERE {EXTERNAL_ID} LIKE {like}"
