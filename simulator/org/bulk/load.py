"""An ingest job's rows, run 200 to a transaction under the same rules as any other write."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from simulator.org import ids
from simulator.org.batch import Batch, BatchRow
from simulator.org.bulk.dialect import NULL, BadContent, json_value
from simulator.org.bulk.jobs import ENDED, Job, Jobs, Kept, State
from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultKind
from simulator.org.objects import FieldDefinition, ObjectDefinition
from simulator.org.org import Org
from simulator.org.rest.rowfaults import check_row_faults
from simulator.org.tokens import User

ROWS_A_TRANSACTION = 200
ROWS_A_BATCH = 10_000
"""What one of the day's batches holds (Bulk API 2.0 guide, "Limits")."""
DELETIONS = frozenset({"delete", "hardDelete"})


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column of the upload means: a field, or the external id of a parent."""

    field: FieldDefinition
    parent_key: FieldDefinition | None = None

    def into(self, body: dict[str, Any], cell: str) -> None:
        if self.parent_key is None:
            body[self.field.name] = json_value(self.field, cell)
        elif cell == NULL:
            body[self.field.name] = None
        else:
            body[self.field.relationship] = {self.parent_key.name: json_value(self.parent_key, cell)}


async def load(org: Org, jobs: Jobs, job_id: str) -> None:
    """Run a job to its end, from where it stood; what it did stays done if it fails."""
    job = jobs.get(job_id)
    if job is None or job.state in ENDED:
        return
    began = org.clock()
    rows = job.dialect.rows(jobs.uploaded(job) or b"")
    try:
        job = jobs.change(job, columns=_header(rows))
        columns = _columns(org, job)
    except BadContent as problem:
        _end(jobs, job, State.FAILED, rows, began, str(problem))
        return
    job = jobs.change(job, state=State.IN_PROGRESS)
    done = jobs.count(job, Kept.SUCCESSFUL, Kept.FAILED)
    for _ in islice(rows, done):
        pass
    while True:
        try:
            chunk = list(islice(rows, ROWS_A_TRANSACTION))
        except BadContent as problem:
            _end(jobs, job, State.FAILED, (), began, str(problem))
            return
        delay = org.faults.take(FaultKind.JOB_DELAY, job.object)
        await asyncio.sleep(0 if delay is None else delay.delay_ms / 1000)
        if not chunk:
            _end(jobs, job, State.JOB_COMPLETE, (), began)
            return
        stopped = _stopped(org, job, done)
        if stopped:
            _end(jobs, job, State.FAILED, chain(chunk, rows), began, stopped)
            return
        job = await _run(org, jobs, job, columns, chunk)
        done += len(chunk)


def abort(jobs: Jobs, job: Job) -> Job:
    """End a job that nobody runs any more; its rows that were not run are left behind as unprocessed."""
    rows = job.dialect.rows(jobs.uploaded(job) or b"")
    try:
        job = jobs.change(job, columns=_header(rows))
    except BadContent:  # which has no rows, or none that can be told apart
        return jobs.change(job, state=State.ABORTED)
    done = jobs.count(job, Kept.SUCCESSFUL, Kept.FAILED)
    return _end(jobs, job, State.ABORTED, islice(rows, done, None), jobs.now())


def _header(rows: Iterator[list[str]]) -> tuple[str, ...]:
    header = next(rows, None)
    if header is None:
        raise BadContent("InvalidBatch : There is no content")
    return tuple(header)


def _stopped(org: Org, job: Job, done: int) -> str:
    """Why the whole job goes no further, if it does not."""
    if org.faults.take(FaultKind.JOB_FAILED, job.object) is not None:
        return "InternalServerError : The job failed while it was being processed"
    if done % ROWS_A_BATCH == 0 and not org.bulk_batches.spend():
        return "ExceededQuota : ApiBatchItems Limit exceeded."
    return ""


def _end(jobs: Jobs, job: Job, state: State, left: Iterable[list[str]], began: int, error: str = "") -> Job:
    try:
        jobs.keep(job, ((Kept.UNPROCESSED, job.dialect.line(row)) for row in left))
    except BadContent as problem:  # what comes after it cannot be told apart into rows
        error = error or str(problem)
    return jobs.change(job, state=state, took=job.took + jobs.now() - began, error=error)


def _columns(org: Org, job: Job) -> list[_Column]:
    definition = org.objects[job.object]
    columns = [_column(org, definition, name) for name in job.columns]
    names = [column.field.name for column in columns]
    if len(set(names)) < len(names):
        raise BadContent("InvalidBatch : Duplicate field in the header")
    if job.operation in DELETIONS and names != ["Id"]:
        raise BadContent(f"InvalidBatch : The '{job.operation}' batch must contain only ids")
    wanted = {"update": "Id", "upsert": job.external_id}.get(job.operation)
    if wanted is not None and wanted not in names:
        raise BadContent(f"InvalidBatch : Field name not found : {wanted}")
    return columns


def _column(org: Org, definition: ObjectDefinition, name: str) -> _Column:
    relationship, _, key_name = name.partition(".")
    reference = definition.relationships.get(relationship.lower()) if key_name else None
    if reference is not None:
        key = org.objects[reference.to].field(key_name)
        if key is not None and key.external_id:
            return _Column(reference, key)
    field = None if key_name else definition.field(name)
    if field is None:
        raise BadContent(f"InvalidBatch : Field name not found : {name}")
    return _Column(field)


async def _run(org: Org, jobs: Jobs, job: Job, columns: Sequence[_Column], chunk: Sequence[list[str]]) -> Job:
    definition = org.objects[job.object]
    rows = [_row(definition, columns, cells) for cells in chunk]
    path = f"/services/data/v{job.version}/jobs/ingest/{job.id}"

    def check_row(record_id: str) -> None:
        check_row_faults(org.faults, path, "PUT", record_id)

    user = User(job.user_id, job.username, "")
    batch = Batch(org.ledger, org.bulk_actor(user, job.version, job.client), check_row=check_row)
    key = definition.by_name[job.external_id] if job.operation == "upsert" else None
    async with org.locks.during(rows, key):
        _write(org, batch, job, rows)
    jobs.keep(job, [_result(job, row, cells) for row, cells in zip(rows, chunk, strict=True)])
    failed = sum(row.error is not None for row in rows)
    return jobs.change(job, processed=job.processed + len(rows), failed=job.failed + failed)


def _write(org: Org, batch: Batch, job: Job, rows: Sequence[BatchRow]) -> None:
    definition = org.objects[job.object]
    match job.operation:
        case "insert":
            batch.create(rows)
        case "update":
            batch.update(rows)
        case "upsert":
            batch.upsert(rows, definition.by_name[job.external_id], org.rules.readers[definition.name])
        case _:
            for row in rows:
                _name_by_id(row)
            batch.delete(rows, hard=job.operation == "hardDelete")


def _row(definition: ObjectDefinition, columns: Sequence[_Column], cells: Sequence[str]) -> BatchRow:
    row = BatchRow(definition, {})
    for column, cell in zip(columns, cells, strict=True):
        if cell == "":
            continue
        try:
            column.into(row.body, cell)
        except SalesforceError as error:
            row.error = row.error or error
    return row


def _name_by_id(row: BatchRow) -> None:
    text = str(row.body.get("Id") or "")
    row.id = ids.normalise(text)
    if row.error is None and (row.id is None or not row.id.startswith(row.definition.key_prefix)):
        row.error = SalesforceError("MALFORMED_ID", f"malformed id {text}", ["Id"])


def _result(job: Job, row: BatchRow, cells: Sequence[str]) -> tuple[Kept, str]:
    if row.error is None:
        return Kept.SUCCESSFUL, job.dialect.line([row.id, "true" if row.new else "false", *cells])
    error = row.error
    told = f"{error.code}:{error.message}:{','.join(error.fields or ())}"
    return Kept.FAILED, job.dialect.line([row.id or "", f"{told} --" if error.fields else f"{told}--", *cells])
