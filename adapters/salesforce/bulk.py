"""Bulk API 2.0 ingest: rows written by a job, in steps that a new process can take up where another ended.

A job is opened, and its id stored by whoever opened it; then its rows are sent and it is closed; then it runs; then its
lists are read. Nothing of a job is run before it is closed, so one that is found open after a crash is abandoned and
begun anew. Source: Bulk API 2.0 guide, "Bulk API 2.0 Ingest".
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Final

from adapters.salesforce.calls import Csv
from adapters.salesforce.collections import failed
from adapters.salesforce.csv_text import CsvReader, Upload, cells
from adapters.salesforce.errors import UNREADABLE_ERROR, ApiError, CallFailed, Fault, is_code, row_fault
from adapters.salesforce.replies import unexpected
from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import name
from schemas.bulk import UNPROCESSED, BulkLoad, BulkOperation, BulkOutcome, BulkState, JobsUsedUp
from schemas.record_id import is_id, to_18
from schemas.records import INVALID_ROW, Failure, RecordUpdate, RowResult
from schemas.unavailable import Unavailable

JOBS: Final = "jobs/ingest"
NONE_LEFT: Final = frozenset({"LIMIT_EXCEEDED", "EXCEEDEDQUOTA", "ExceededQuota"})
_STATES: Final = {
    "Open": BulkState.OPEN,
    "UploadComplete": BulkState.RUNNING,
    "InProgress": BulkState.RUNNING,
    "JobComplete": BulkState.ENDED,
    "Failed": BulkState.ENDED,
    "Aborted": BulkState.ENDED,
}


class SalesforceBulk:
    """`consumers.ports.BulkRecords` on Bulk API 2.0."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def open(self, load: BulkLoad) -> str:
        """A new job's id. It is empty and runs nothing: one whose id was lost ends by itself within a day.

        Raises:
            JobsUsedUp: the org has no batch left today.
            Unavailable: no answer, or the org is down, over its limits, or does not make the job.
        """
        body = {
            "object": name(load.sobject),
            "operation": str(load.operation),
            "contentType": "CSV",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        if load.external_id:
            body["externalIdFieldName"] = name(load.external_id)
        try:
            job_id = _job(await self._rest.call("POST", JOBS, json=body)).get("id")
        except CallFailed as error:
            raise (JobsUsedUp if error.fault.code in NONE_LEFT else Unavailable)(str(error)) from error
        if not isinstance(job_id, str) or not is_id(job_id):
            raise Unavailable(str(unexpected("a job without its id")))
        return to_18(job_id)

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> list[BulkOutcome]:
        """Upload all rows and close the job; the outcomes of those that cannot be sent at all, which are left out.

        Rows are taken one by one and held on disk; their columns are the union of their fields. With no row to send the
        job is abandoned. A text that reads `#N/A` cannot be sent by CSV, which has that for null.

        Raises:
            Unavailable: no answer, or refused. Whether the job was closed, its state tells.
            UploadTooLarge: more than 100 MB; the job is open still.
        """
        with Upload() as upload:
            unfit = await _fill(upload, load, rows)
            if not upload.rows:
                await self.abandon(job_id)
                return unfit
            await asyncio.to_thread(upload.finish)
            try:
                await self._rest.call("PUT", f"{JOBS}/{_id(job_id)}/batches", csv=Csv(upload.open))
                await self._set_state(job_id, "UploadComplete")
            except CallFailed as error:
                raise Unavailable(str(error)) from error
        return unfit

    async def state(self, job_id: str) -> BulkState:
        """Where the job is.

        Raises:
            Unavailable: no answer, or one that makes no sense.
        """
        try:
            job = _job(await self._rest.call("GET", f"{JOBS}/{_id(job_id)}"))
        except CallFailed as error:
            if error.fault.code == "NOT_FOUND":
                return BulkState.MISSING
            raise Unavailable(str(error)) from error
        state = _STATES.get(str(job.get("state")))
        if state is None:
            raise Unavailable(str(unexpected("a job in no known state")))
        return state

    async def abandon(self, job_id: str) -> BulkState:
        """Abort the job if it is open; its state after that. One that has been closed meanwhile is left to run.

        Raises:
            Unavailable: as `state`.
        """
        found = await self.state(job_id)
        if found is not BulkState.OPEN:
            return found
        try:
            await self._set_state(job_id, "Aborted")
        except CallFailed as error:
            if error.fault.failure is not Failure.REJECTED:
                raise Unavailable(str(error)) from error
        return await self.state(job_id)

    async def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        """What became of each row of a job that has ended: those that failed, never ran, succeeded, in this order.

        Only when all three lists were read to their end is the job finished with: a row that was to be in it and is in
        none of them was never sent. They can be read as often as it takes, for a week.

        Raises:
            Unavailable: a list could not be read to its end, or they do not add up to what the job has processed.
        """
        path = f"{JOBS}/{_id(job_id)}"
        by_id = load.operation is not BulkOperation.UPSERT
        ran = 0
        try:
            async for row in self._rows(f"{path}/failedResults"):
                ran += 1
                yield BulkOutcome(row[load.key], _failed(row, by_id=by_id))
            async for row in self._rows(f"{path}/unprocessedrecords"):
                yield BulkOutcome(row[load.key], failed(Fault(Failure.NOT_RUN, UNPROCESSED, org_wide=True)))
            async for row in self._rows(f"{path}/successfulResults"):
                ran += 1
                created = row["sf__Created"] == "true"
                yield BulkOutcome(row[load.key], RowResult(record_id=to_18(row["sf__Id"]), created=created))
            processed = _job(await self._rest.call("GET", path)).get("numberRecordsProcessed")
        except CallFailed as error:
            raise Unavailable(str(error)) from error
        except (KeyError, ValueError) as problem:
            raise Unavailable(f"a list of a Bulk job cannot be read: {problem}") from problem
        if processed != ran:
            raise Unavailable(f"a Bulk job has processed {processed} rows and tells of {ran}")

    async def discard(self, job_id: str) -> None:
        """Delete a job that was finished with, its rows with it. One that is gone already is as good.

        Raises:
            Unavailable: no answer, or it may not be deleted yet.
        """
        try:
            await self._rest.call("DELETE", f"{JOBS}/{_id(job_id)}")
        except CallFailed as error:
            if error.fault.code != "NOT_FOUND":
                raise Unavailable(str(error)) from error

    async def _set_state(self, job_id: str, state: str) -> None:
        await self._rest.call("PATCH", f"{JOBS}/{_id(job_id)}", json={"state": state})

    async def _rows(self, path: str) -> AsyncIterator[dict[str, str]]:
        reader = CsvReader()
        async with self._rest.stream(path) as stream:
            async for block in stream.blocks:
                for row in reader.feed(block):
                    yield row
        for row in reader.end():
            yield row


async def _fill(upload: Upload, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> list[BulkOutcome]:
    unfit = []
    async for update in rows:
        try:
            upload.add(_row(load, update))
        except ValueError as error:
            outcome = failed(Fault(Failure.REJECTED, INVALID_ROW, str(error)), update.record_id)
            unfit.append(BulkOutcome(load.key_of(update), outcome))
    return unfit


def _row(load: BulkLoad, update: RecordUpdate) -> dict[str, str]:
    row = {} if load.operation is BulkOperation.DELETE else cells(update.values)
    if load.operation is BulkOperation.UPSERT:
        if not update.external_id:
            raise ValueError("no external id")
        row[load.external_id] = update.external_id
    else:
        if not is_id(update.record_id):
            raise ValueError("no record id")
        row["Id"] = update.record_id
    if not row.get(load.key):
        raise ValueError("no key")
    return row


def _failed(row: dict[str, str], *, by_id: bool) -> RowResult:
    told = row["sf__Id"]
    record_id = to_18(told) if is_id(told) else ""
    return failed(row_fault([row_error(row["sf__Error"])], by_id=by_id), record_id)


def row_error(text: str) -> ApiError:
    """`REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --` taken apart; the message may hold colons.

    A text that does not begin with a code is kept whole, as the message of UNREADABLE_ERROR.
    """
    code, _, rest = text.partition(":")
    if not is_code(code.strip()):
        return ApiError(UNREADABLE_ERROR, text)
    message, _, fields = rest.rpartition(":")
    named = fields.removesuffix("--").strip()
    return ApiError(code.strip(), message, tuple(field.strip() for field in named.split(",") if field.strip()))


def _job(reply: Any) -> dict[str, Any]:
    parsed = reply.json()
    if not isinstance(parsed, dict):
        raise unexpected("not a job")
    return parsed


def _id(job_id: str) -> str:
    if not is_id(job_id):
        raise ValueError("not the id of a job")
    return job_id
