"""A query job's rows, found and written down as CSV once."""

import asyncio
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from simulator.org.bulk.dialect import cell_of
from simulator.org.bulk.jobs import ENDED, Jobs, Kept, State
from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultKind
from simulator.org.objects import FieldDefinition, FieldType
from simulator.org.org import Org
from simulator.org.soql.compile import CompiledQuery, compile_query
from simulator.org.soql.parse import SoqlParser

_ROWS_A_STEP = 2_000


class Extraction:
    """Compiles and runs the queries of jobs."""

    def __init__(self, org: Org, jobs: Jobs) -> None:
        self._org = org
        self._jobs = jobs
        self._parser = SoqlParser()

    def compile(self, soql: str, version: str, *, deleted: bool) -> CompiledQuery:
        """The query, if a Bulk job can run it.

        Raises:
            SalesforceError: it cannot be run at all, or not by Bulk.
        """
        parsed = self._parser.parse(soql)
        query = compile_query(
            soql,
            parsed,
            self._org.objects,
            now=self._org.clock(),
            root=f"/services/data/v{version}",
            deleted=deleted,
        )
        if query.count or query.offset:
            raise _not_in_bulk("Aggregate queries and OFFSET are not supported in Bulk Query")
        if query.children:
            raise _not_in_bulk("Subqueries are not supported in Bulk Query")
        if any(field.type is FieldType.ADDRESS for _, field in query.selected):
            raise _not_in_bulk("Selecting compound data not supported in Bulk Query")
        return query

    async def run(self, job_id: str) -> None:
        """Run a job to its end, from its beginning."""
        job = self._jobs.get(job_id)
        if job is None or job.state in ENDED:
            return
        began = self._org.clock()
        self._jobs.clear(job)
        query = self.compile(job.query, job.version, deleted=job.operation == "queryAll")
        columns = tuple(".".join(names) for names, _ in query.selected)
        job = self._jobs.change(job, state=State.IN_PROGRESS, columns=columns, processed=0)
        database = self._org.store.connection
        numbers = array(
            "q", (n for (n,) in database.execute(query.numbering(), (*query.parameters, query.limit, query.offset)))
        )
        cells = [_cells(names, field) for names, field in query.selected]
        for start in range(0, len(numbers) or 1, _ROWS_A_STEP):
            delay = self._org.faults.take(FaultKind.JOB_DELAY, job.object)
            await asyncio.sleep(0 if delay is None else delay.delay_ms / 1000)
            if self._org.faults.take(FaultKind.JOB_FAILED, job.object) is not None:
                error = "InternalServerError : The job failed while it was being processed"
                self._jobs.change(job, state=State.FAILED, error=error)
                return
            wanted = numbers[start : start + _ROWS_A_STEP].tolist()
            rows = database.execute(query.rereading(), (orjson.dumps(wanted).decode(),))
            records = {row[0]: query.record(row[1:]) for row in rows}
            lines = [
                job.dialect.line([cell(records[number]) for cell in cells]) for number in wanted if number in records
            ]
            self._jobs.keep(job, ((Kept.FOUND, line) for line in lines))
            job = self._jobs.change(job, processed=job.processed + len(lines))
        self._jobs.change(job, state=State.JOB_COMPLETE, took=self._org.clock() - began)


def _cells(names: Sequence[str], field: FieldDefinition) -> Callable[[dict[str, Any]], str]:
    """What reads one column's cell out of a record."""

    def cell(record: dict[str, Any]) -> str:
        value: Any = record
        for name in names:
            value = None if value is None else value[name]
        if field.type is FieldType.DATETIME and value is not None:
            return str(value).replace("+0000", "Z")
        return cell_of(value)

    return cell


def _not_in_bulk(message: str) -> SalesforceError:
    return SalesforceError("API_ERROR", message)
