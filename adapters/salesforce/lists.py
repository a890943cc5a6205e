"""All records of an object, or those of a filter, in the order of their ids: by REST where they are few, else by Bulk.

A list goes on from any id, so whoever is interrupted asks for what comes after the last that it has had. Of a Bulk job
no more is held than a batch of its rows.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from adapters.salesforce import soql
from adapters.salesforce.bulk_query import Batch, QueryFailed
from adapters.salesforce.describes import Describes
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.rest import Rest
from schemas.bulk import JobsUsedUp
from schemas.record_id import is_id, to_18
from schemas.records import Failure
from schemas.unavailable import Unavailable

ROWS_A_PAGE: Final = 2_000
"""Of a REST query, and the most that is handed on at once."""
CALLS_A_JOB: Final = 5
"""About: open, ask twice, take a page, discard."""


class ListRefused(Exception):
    """Salesforce will not give this list however often it is asked, or not in an order that can be gone on from."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Which records, and what of them: those changed `since`, and those made since `created`, epoch milliseconds."""

    sobject: str
    fields: tuple[str, ...]
    only_if: soql.Condition | None = None
    since: int | None = None
    created: int | None = None


Rows = list[dict[str, Any]]


class Queries(Protocol):
    """Bulk query jobs, as `adapters.salesforce.bulk_query.BulkQueries`."""

    async def start(self, soql: soql.Select | str) -> str:
        """A new job."""

    def read(self, job_id: str, types: Mapping[str, str] | None = None) -> AsyncIterator[Batch]:
        """Its rows."""

    async def discard(self, job_id: str) -> None:
        """No more of it."""


class RecordLists:
    """Lists of one org's records."""

    def __init__(
        self, rest: Rest, bulk: Queries, describes: Describes, *, bulk_rows: int = 10_000, chunk_rows: int = 50_000
    ) -> None:
        """From `bulk_rows` records on a list is had by Bulk jobs, of `chunk_rows` each, while the day's jobs last."""
        self._rest = rest
        self._bulk = bulk
        self._describes = describes
        self._bulk_rows = bulk_rows
        self._chunk_rows = chunk_rows

    async def count(self, listing: Listing, after: str = "") -> int:
        """How many there are behind this id.

        Raises:
            Unavailable: no answer, or the org is down, over its limits, or has no room left for us.
            ListRefused: the query is none that it takes.
        """
        query = soql.count(listing.sobject, _where(listing, after))
        try:
            told = (await self._rest.call("GET", "query", params={"q": str(query)})).json()
        except CallFailed as error:
            raise _told(error) from error
        total = told.get("totalSize") if isinstance(told, dict) else None
        if not isinstance(total, int):
            raise Unavailable("a count without its number")
        return total

    def calls(self, rows: int) -> int:
        """API calls that a list of so many takes, about."""
        if rows < self._bulk_rows:
            return 1 + -(-max(rows, 1) // ROWS_A_PAGE)
        return 1 + CALLS_A_JOB * -(-rows // self._chunk_rows)

    async def calculated(self, sobject: str) -> frozenset[str]:
        """The fields that Salesforce calculates: formulas and roll-up summaries."""
        fields = await self._describes.fields(sobject)
        return frozenset(name for name, field in fields.items() if field.get("calculated") is True)

    async def types(self, sobject: str) -> dict[str, str]:
        """Describe's `type` of each field, by name."""
        fields = await self._describes.fields(sobject)
        return {name: str(field.get("type", "string")) for name, field in fields.items()}

    async def rows(self, listing: Listing, after: str = "", *, total: int) -> AsyncGenerator[Rows, None]:
        """The records behind this id in the order of their ids, at most 2,000 at a time; values as REST has them.

        `total` is about how many there are, and decides which way they come.

        Raises:
            Unavailable, ListRefused: as `count`; what was given stands.
        """
        last = after
        by_bulk = total >= self._bulk_rows
        while True:
            job = await self._job(_select(listing, last, self._chunk_rows)) if by_bulk else ""
            by_bulk = bool(job)
            at_once = self._chunk_rows if by_bulk else ROWS_A_PAGE
            seen = 0
            part = self._by_bulk(listing, job) if by_bulk else self._by_rest(_select(listing, last, at_once))
            async with aclosing(part):
                async for rows in part:
                    for row in rows:
                        last = _next_id(row, last)
                    seen += len(rows)
                    if rows:
                        yield rows
            if seen < at_once:
                return

    async def _job(self, query: soql.Select) -> str:
        """A job of this query; empty where none may be made today."""
        try:
            return await self._bulk.start(query)
        except JobsUsedUp:
            return ""
        except QueryFailed as error:
            raise ListRefused(str(error)) from error

    async def _by_rest(self, query: soql.Select) -> AsyncGenerator[Rows, None]:
        rows: Rows = []
        try:
            async for row in self._rest.query(query):
                rows.append(row)
        except CallFailed as error:
            raise _told(error) from error
        yield rows

    async def _by_bulk(self, listing: Listing, job_id: str) -> AsyncGenerator[Rows, None]:
        types = await self.types(listing.sobject)
        try:
            async for batch in self._bulk.read(job_id, types):
                yield batch.rows
        except QueryFailed as error:
            raise ListRefused(str(error)) from error
        finally:
            # Also where nobody reads on: it holds people's data for a week, and the next try makes a job of its own.
            with suppress(Unavailable, QueryFailed):
                await self._bulk.discard(job_id)


def _select(listing: Listing, after: str, limit: int) -> soql.Select:
    fields = tuple(dict.fromkeys(["Id", "SystemModstamp", *listing.fields]))
    return soql.Select(fields, listing.sobject, _where(listing, after), (soql.Order("Id"),), limit)


def _where(listing: Listing, after: str) -> soql.Condition | None:
    parts: list[soql.Condition] = []
    if after:
        parts.append(soql.Compare("Id", soql.Operator.ABOVE, after))
    for name, moment in (("SystemModstamp", listing.since), ("CreatedDate", listing.created)):
        if moment is not None:
            parts.append(soql.Compare(name, soql.Operator.AT_LEAST, datetime.fromtimestamp(moment // 1000, UTC)))
    if listing.only_if is not None:
        parts.append(listing.only_if)
    return soql.AllOf(tuple(parts)) if parts else None


def _next_id(row: Mapping[str, Any], last: str) -> str:
    """The row's id, which must come after that of the row before: to go on from it would leave records out else."""
    record_id = row.get("Id")
    if not isinstance(record_id, str) or not is_id(record_id):
        raise Unavailable("a row without its Id")
    if to_18(record_id) <= last:
        raise ListRefused("Salesforce does not give records in the order of their ids")
    return to_18(record_id)


def _told(error: CallFailed) -> Exception:
    """Refused for good where the query is to blame."""
    if error.fault.failure is Failure.REJECTED and not error.fault.org_wide:
        return ListRefused(error.fault.code)
    return Unavailable(str(error))
