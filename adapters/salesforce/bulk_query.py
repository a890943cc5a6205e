"""Bulk API 2.0 query: a query of any size read row by row in little memory, and taken up again where it was left.

Source: Bulk API 2.0 guide, "Bulk API 2.0 Query". Results are frozen when the job has run, and kept for seven days.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.salesforce.bulk import NONE_LEFT
from adapters.salesforce.csv_text import CsvReader, typed
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.replies import unexpected
from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import Select
from schemas.bulk import JobsUsedUp
from schemas.record_id import is_id, to_18
from schemas.unavailable import Unavailable

JOBS: Final = "jobs/query"
ROWS_A_PAGE: Final = 50_000
"""Rows had by one call."""
ROWS_A_BATCH: Final = 2_000
_LAST: Final = "null"
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 15.0


class QueryFailed(Exception):
    """The job ended without results; the text is Salesforce's own reason, which quotes no record."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: the page, by its locator, and how many of its rows have been taken."""

    locator: str = ""
    taken: int = 0
    done: bool = False
    """Nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, and the place after them."""

    rows: list[dict[str, Any]]
    after: Place


class BulkQueries:
    """Query jobs of one org."""

    def __init__(
        self,
        rest: Rest,
        *,
        rows_a_page: int = ROWS_A_PAGE,
        rows_a_batch: int = ROWS_A_BATCH,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pace: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`pace` says how many seconds a job goes unasked at least."""
        self._rest = rest
        self._pace = pace
        self._rows_a_page = rows_a_page
        self._rows_a_batch = rows_a_batch
        self._sleep = sleep

    async def start(self, soql: Select | str, *, deleted_too: bool = False) -> str:
        """A new job's id: store it, and it can be read by another process.

        Raises:
            JobsUsedUp: the org has no query job left today; a query of REST has the same rows.
            Unavailable: no answer, or the org is down or over its limits.
            QueryFailed: Bulk API cannot run this query.
        """
        deleted_too = deleted_too or (isinstance(soql, Select) and soql.deleted_too)
        body = {"operation": "queryAll" if deleted_too else "query", "query": str(soql), "contentType": "CSV"}
        body |= {"lineEnding": "LF", "columnDelimiter": "COMMA"}
        job = await self._call("POST", JOBS, json=body)
        job_id = job.get("id")
        if not isinstance(job_id, str) or not is_id(job_id):
            raise Unavailable(str(unexpected("a job without its id")))
        return to_18(job_id)

    async def read(
        self, job_id: str, types: Mapping[str, str] | None = None, start: Place | None = None
    ) -> AsyncIterator[Batch]:
        """Rows in batches, from a place on, once the job has run; values as REST has them where `types` knows them.

        `types` gives describe's `type` by field; of others the values are text. Null and empty text are None.

        Raises:
            Unavailable: no answer; what was given stands, and `start` goes on after it.
            QueryFailed: the job failed, was aborted, or is no more.
        """
        await self._run_to_its_end(job_id)
        place = start or Place()
        while not place.done:
            async for batch in self._page(job_id, types or {}, place):
                place = batch.after
                yield batch

    async def discard(self, job_id: str) -> None:
        """Delete a job that was read; one that is gone already is as good.

        Raises:
            Unavailable: no answer.
        """
        try:
            await self._rest.call("DELETE", f"{JOBS}/{job_id}")
        except CallFailed as error:
            if error.fault.code != "NOT_FOUND":
                raise Unavailable(str(error)) from error

    async def _run_to_its_end(self, job_id: str) -> None:
        wait = _FIRST_WAIT
        while True:
            job = await self._call("GET", f"{JOBS}/{job_id}")
            match job.get("state"):
                case "JobComplete":
                    return
                case "Failed" | "Aborted":
                    raise QueryFailed(str(job.get("errorMessage") or job["state"]))
            await self._sleep(max(wait, self._pace()))
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _page(self, job_id: str, types: Mapping[str, str], place: Place) -> AsyncIterator[Batch]:
        params = {"maxRecords": str(self._rows_a_page)} | ({"locator": place.locator} if place.locator else {})
        reader = CsvReader()
        rows: list[dict[str, Any]] = []
        seen = 0
        try:
            async with self._rest.stream(f"{JOBS}/{job_id}/results", params=params) as stream:
                following = stream.headers.get("Sforce-Locator", _LAST)
                number = int(stream.headers["Sforce-NumberOfRecords"])
                async for block in stream.blocks:
                    for row in reader.feed(block):
                        seen += 1
                        if seen > place.taken:
                            rows.append(typed(row, types))
                        if len(rows) == self._rows_a_batch and seen < number:
                            yield Batch(rows, Place(place.locator, seen))
                            rows = []
            for row in reader.end():
                seen += 1
                if seen > place.taken:
                    rows.append(typed(row, types))
        except CallFailed as error:
            raise self._told(error) from error
        except (KeyError, ValueError) as problem:
            raise Unavailable(f"a page of a Bulk query cannot be read: {problem}") from problem
        if seen != number:
            raise Unavailable(f"a page of a Bulk query was to have {number} rows and has {seen}")
        yield Batch(rows, Place(done=True) if following == _LAST else Place(following))

    async def _call(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        try:
            parsed = (await self._rest.call(method, path, json=json)).json()
        except CallFailed as error:
            if method == "POST" and error.fault.code in NONE_LEFT:
                raise JobsUsedUp(str(error)) from error
            raise self._told(error) from error
        if not isinstance(parsed, dict):
            raise Unavailable(str(unexpected("not a job")))
        return parsed

    @staticmethod
    def _told(error: CallFailed) -> Exception:
        """Refused for good where the query or the job is to blame."""
        if error.fault.code == "NOT_FOUND" or (error.fault.code in _OF_THE_QUERY):
            return QueryFailed(error.fault.code)
        return Unavailable(str(error))


_OF_THE_QUERY: Final = frozenset({"API_ERROR", "INVALIDENTITY", "INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY"})
