"""Records of one org, many in a call: update, upsert, delete, read, find, and what a merge or a conversion put in
their place."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from adapters.salesforce import collections as many
from adapters.salesforce import soql
from adapters.salesforce.collections import Deletion, Operation, Write
from adapters.salesforce.errors import ROW_LOCK, CallFailed, Fault
from adapters.salesforce.replies import unexpected, without_attributes
from adapters.salesforce.rest import Rest
from adapters.salesforce.retry import QuickRetries
from schemas.record_id import is_id, to_18
from schemas.records import INVALID_ROW, Converted, Failure, RecordRead, RecordUpdate, RowResult
from schemas.unavailable import Unavailable

SPLITS: Final = 32
"""Extra calls spent at most to find the rows for which a whole call was refused."""
SPLIT_LATER: Final = "SPLIT_LATER"
"""Ours: refused together with other rows, and not yet known to be to blame."""
MERGEABLE: Final = frozenset({"Account", "Contact", "Lead"})
"""The objects whose deleted records tell by `MasterRecordId` what they were merged into (Object Reference)."""
MERGES_IN_A_ROW: Final = 20
"""So many merges of one record into the next are followed, each at the cost of a query; nobody merges so often."""

_CONTACT: Final = "ConvertedContactId"
_BECAME: Final = (_CONTACT, "ConvertedAccountId", "ConvertedOpportunityId")


class SalesforceRecords:
    """`consumers.ports.Records` on REST sObject Collections and SOQL."""

    def __init__(
        self,
        rest: Rest,
        *,
        retries: QuickRetries | None = None,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rest = rest
        self._retries = retries or QuickRetries()
        self._chance = chance
        self._sleep = sleep

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """Update up to 200 records by Id. Raises nothing of Salesforce's: each row has its outcome.

        Raises:
            ValueError: more than 200 records, or a name that is none.
        """
        return await self._write(Write(soql.name(sobject)), updates)

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """Upsert up to 200 records by external id; outcomes and errors as `update`."""
        return await self._write(Write(soql.name(sobject), soql.name(external_id_field)), updates)

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        """Delete up to 200 records by Id, one that is named twice once; outcomes and errors as `update`.

        One that is deleted already, or never was, is GONE. The call does not name the object: the ids do.
        """
        soql.name(sobject)
        keys = [to_18(each) if is_id(each) else each for each in record_ids]
        once = {key: RecordUpdate({}, record_id=key) for key in keys}
        outcomes = dict(zip(once, await self._write(Deletion(), list(once.values())), strict=True))
        return [outcomes[key] for key in keys]

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        """Up to 2,000 records by Id in one call; rows by 18-character id.

        What is not in the form of a record id is no record, and is not asked for: one such id would have the whole call
        refused. Where no id is left nothing is called, and `server_time` is 0.

        Raises:
            Unavailable: no answer, or the org is down, over its limits, does not log us in, or refuses these fields.
            ValueError: more than 2,000 records, or a name that is none.
        """
        ids = list(dict.fromkeys(to_18(record_id) for record_id in record_ids if is_id(record_id)))
        if len(ids) > many.READ_ROWS:
            raise ValueError(f"at most {many.READ_ROWS} records in a read")
        if not ids:
            return RecordRead(began_at=self._rest.now(), server_time=0)
        wanted = list(dict.fromkeys(["Id", *(soql.name(field) for field in fields)]))
        try:
            reply = await self._rest.call(
                "POST", f"composite/sobjects/{soql.name(sobject)}", json={"ids": ids, "fields": wanted}
            )
            rows = _rows(reply.json(), ids)
            return RecordRead(began_at=reply.began_at, server_time=reply.server_time(), rows=rows)
        except CallFailed as error:
            raise Unavailable(str(error)) from error

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> dict[str, list[str]]:
        """Record ids by external id, as few queries as their length allows; one that matches several has them all.

        External ids are spelled as the records hold them: Salesforce finds text without regard to case unless the field
        is told otherwise, so one that was not asked for may be among them.

        Raises:
            Unavailable: as `read`.
            ValueError: a name that is none, or an external id too long for a query.
        """
        wanted = dict.fromkeys(external_ids)
        found: dict[str, list[str]] = {}
        try:
            for query in soql.select_where_in(["Id", external_id_field], sobject, external_id_field, wanted):
                async for row in self._rest.query(query):
                    found.setdefault(str(row.get(external_id_field)), []).append(_id_of(row))
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return found

    async def match(
        self, sobject: str, field: str, values: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """Records whose field holds one of these texts, as few queries as their length allows; cases do not matter.

        Raises:
            Unavailable: as `read`.
            ValueError: a name that is none, or a value too long for a query.
        """
        wanted = list(dict.fromkeys(["Id", *fields]))
        found: list[Mapping[str, Any]] = []
        try:
            for query in soql.select_where_in(wanted, sobject, field, dict.fromkeys(values)):
                found.extend([{**row, "Id": _id_of(row)} async for row in self._rest.query(query)])
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return found

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> dict[str, str]:
        """By 18-character id, for records that a merge has deleted: the id of the record that took their place.

        A chain of merges is followed to its end, one round of queries for each link. Ids that were only deleted, never
        were, are none, or have left the recycle bin are missing. An object that cannot be merged costs no call.

        Raises:
            Unavailable: as `read`.
        """
        if sobject not in MERGEABLE:
            return {}
        ids = list(dict.fromkeys(to_18(record_id) for record_id in record_ids if is_id(record_id)))
        masters: dict[str, str] = {}
        asked: set[str] = set()
        wanted = ids
        try:
            for _ in range(MERGES_IN_A_ROW):
                if not wanted:
                    break
                found = await self._masters(sobject, wanted)
                masters.update(found)
                asked.update(wanted)
                wanted = [each for each in dict.fromkeys(found.values()) if each not in asked]
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return {each: _end_of_chain(masters, each) for each in ids if each in masters}

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        """The inverse of `successors`: by 18-character id, for records into which others were merged, the ids of those.

        And of what those had taken in. Records into which none was merged are missing.

        Raises:
            Unavailable: as `read`.
        """
        if sobject not in MERGEABLE:
            return {}
        ends = {record_id: record_id for record_id in map(to_18, filter(is_id, record_ids))}
        merged: dict[str, list[str]] = {}
        wanted = list(ends)
        try:
            for _ in range(MERGES_IN_A_ROW):
                if not wanted:
                    break
                found = await self._masters(sobject, wanted, by="MasterRecordId")
                wanted = [each for each in found if each not in ends]
                for each in wanted:
                    ends[each] = ends[found[each]]
                    merged.setdefault(ends[each], []).append(each)
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return merged

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> dict[str, Converted]:
        """By 18-character id, for leads that were converted: what they became. Any other object costs no call.

        Raises:
            Unavailable: as `read`.
        """
        if sobject != "Lead":
            return {}
        ids = list(dict.fromkeys(to_18(record_id) for record_id in record_ids if is_id(record_id)))
        found = {}
        try:
            for query in soql.select_where_in(["Id", *_BECAME], sobject, "Id", ids, only_if="IsConverted"):
                async for row in self._rest.query(query):
                    if row.get(_CONTACT) is not None:
                        found[_id_of(row)] = Converted(
                            *(_id_of(row, each) if row.get(each) else "" for each in _BECAME)
                        )
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return found

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> dict[str, list[str]]:
        """The inverse of `conversions`: by contact of 18 characters, the leads that were converted to it.

        Raises:
            Unavailable: as `read`.
        """
        if sobject != "Lead":
            return {}
        ids = list(dict.fromkeys(to_18(record_id) for record_id in record_ids if is_id(record_id)))
        leads: dict[str, list[str]] = {}
        try:
            for query in soql.select_where_in(["Id", _CONTACT], sobject, _CONTACT, ids, only_if="IsConverted"):
                async for row in self._rest.query(query):
                    leads.setdefault(_id_of(row, _CONTACT), []).append(_id_of(row))
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        return leads

    async def _masters(self, sobject: str, record_ids: Sequence[str], *, by: str = "Id") -> dict[str, str]:
        """The next record of each that was merged into one; of those ids, or into those ids."""
        masters = {}
        fields = ["Id", "MasterRecordId"]
        for query in soql.select_where_in(fields, sobject, by, record_ids, only_if="IsDeleted", deleted_too=True):
            async for row in self._rest.query(query):
                if row.get("MasterRecordId") is not None:
                    masters[_id_of(row)] = _id_of(row, "MasterRecordId")
        return masters

    async def _write(self, operation: Operation, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        if len(updates) > many.WRITE_ROWS:
            raise ValueError(f"at most {many.WRITE_ROWS} records in a write")
        outcomes: list[RowResult | None] = [None] * len(updates)
        rows: dict[int, dict[str, Any]] = {}
        for place, update in enumerate(updates):
            try:
                rows[place] = operation.row(update)
            except ValueError as error:
                fault = Fault(Failure.REJECTED, INVALID_ROW, str(error))
                outcomes[place] = many.failed(fault, update.record_id)
        attempt = _Attempt(self._rest, operation, updates, rows)
        pending = list(rows)
        tried = 0
        while pending:
            for part in _parts(pending, 2**tried):
                for place, outcome in (await attempt.run(part)).items():
                    outcomes[place] = outcome
            tried += 1
            pending = [place for place in pending if _locked(outcomes[place])]
            wait = self._retries.wait(tried, self._chance())
            if not pending or wait is None:
                break
            await self._sleep(wait)
        return [outcome for outcome in outcomes if outcome is not None]


def _parts(places: list[int], count: int) -> list[list[int]]:
    """As many parts, or fewer where there are fewer rows: a smaller call holds its locks for a shorter time."""
    size = -(-len(places) // count)
    return [places[start : start + size] for start in range(0, len(places), size)]


class _Attempt:
    """Calls for some rows of a write, cut in halves where a call is refused for what may be one row's doing."""

    def __init__(
        self, rest: Rest, operation: Operation, updates: Sequence[RecordUpdate], rows: Mapping[int, dict[str, Any]]
    ) -> None:
        self._rest = rest
        self._operation = operation
        self._updates = updates
        self._rows = rows
        self._splits_left = SPLITS

    async def run(self, places: list[int]) -> dict[int, RowResult]:
        """Outcomes by place in the request."""
        updates = [self._updates[place] for place in places]
        try:
            request = self._operation.request([self._rows[place] for place in places])
            reply = await self._rest.call(request.method, request.path, json=request.json, params=request.params)
            outcomes = many.results(self._operation, updates, reply.json())
        except CallFailed as error:
            if error.fault.failure is Failure.REJECTED and len(places) > 1:
                return await self._halves(places, error.fault)
            outcomes = [many.failed(error.fault, update.record_id) for update in updates]
        return dict(zip(places, outcomes, strict=True))

    async def _halves(self, places: list[int], fault: Fault) -> dict[int, RowResult]:
        if self._splits_left < 2:
            later = Fault(Failure.NOT_RUN, SPLIT_LATER, f"{fault.code} for one of {len(places)} rows")
            return {place: many.failed(later, self._updates[place].record_id) for place in places}
        self._splits_left -= 2
        middle = len(places) // 2
        return {**await self.run(places[:middle]), **await self.run(places[middle:])}


def _locked(outcome: RowResult | None) -> bool:
    return outcome is not None and outcome.failure is Failure.NOT_RUN and outcome.code == ROW_LOCK


def _rows(parsed: object, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not isinstance(parsed, list) or len(parsed) != len(ids):
        raise unexpected("not a row for each id")
    rows = {}
    for asked, row in zip(ids, parsed, strict=True):
        if row is None:
            continue
        if not isinstance(row, dict) or _id_of(row) != asked:
            raise unexpected("a row that was not asked for")
        rows[asked] = without_attributes(row)
    return rows


def _end_of_chain(masters: Mapping[str, str], record_id: str) -> str:
    """Where the merges of a record end as far as they are known; one that comes back on itself ends before that."""
    seen = {record_id}
    while record_id in masters and masters[record_id] not in seen:
        record_id = masters[record_id]
        seen.add(record_id)
    return record_id


def _id_of(row: Mapping[str, Any], field: str = "Id") -> str:
    record_id = row.get(field)
    if not isinstance(record_id, str) or not is_id(record_id):
        raise unexpected(f"a row without its {field}")
    return to_18(record_id)
