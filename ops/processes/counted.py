"""Rows that go to Salesforce, counted by their own outcome, whichever way they take."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence

from adapters.telemetry.tracing import OFF, Tracing
from consumers.ports import BulkLoad, BulkOutcome, BulkRecords, Converted, Records, RecordUpdate, RowResult
from schemas.records import INVALID_ROW


class CountedRecords:
    """Salesforce records whose written rows are counted by their outcome. Satisfies `consumers.ports.Records`."""

    def __init__(self, records: Records, told: Callable[[str, str], None], tracing: Tracing = OFF) -> None:
        """`told` hears the object and the outcome of every row; the calls that write are traced."""
        self._records = records
        self._told = told
        self._tracing = tracing
        self.read = records.read
        self.find = records.find
        self.match = records.match

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        with self._tracing.calling("update", sobject, len(updates)):
            return self._counted(sobject, await self._records.update(sobject, updates))

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        with self._tracing.calling("upsert", sobject, len(updates)):
            return self._counted(sobject, await self._records.upsert(sobject, external_id_field, updates))

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        """As the port."""
        with self._tracing.calling("delete", sobject, len(record_ids)):
            return self._counted(sobject, await self._records.delete(sobject, record_ids), done="deleted")

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """As the port."""
        return await self._records.successors(sobject, record_ids)

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """As the port."""
        return await self._records.merged(sobject, record_ids)

    async def conversions(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Converted]:
        """As the port."""
        return await self._records.conversions(sobject, record_ids)

    async def converted(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """As the port."""
        return await self._records.converted(sobject, record_ids)

    def _counted(self, sobject: str, rows: list[RowResult], done: str = "written") -> list[RowResult]:
        for row in rows:
            self._told(sobject, str(row.failure) if row.failure is not None else done)
        return rows


class CountedBulk:
    """Bulk jobs whose rows are counted by their outcome. Satisfies `consumers.ports.BulkRecords`."""

    def __init__(self, bulk: BulkRecords, told: Callable[[str, str], None], tracing: Tracing = OFF) -> None:
        """`told` hears the object and the outcome of every row; what carries rows there and back is traced."""
        self._bulk = bulk
        self._told = told
        self._tracing = tracing
        self.open = bulk.open
        self.state = bulk.state
        self.abandon = bulk.abandon
        self.discard = bulk.discard

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> Sequence[BulkOutcome]:
        """As the port."""
        sent = 0

        async def counted() -> AsyncIterator[RecordUpdate]:
            nonlocal sent
            async for row in rows:
                sent += 1
                yield row

        with self._tracing.calling(f"bulk {load.operation}", load.sobject) as said:
            unfit = await self._bulk.send(job_id, load, counted())
            said(sent - len(unfit))
        for outcome in unfit:
            if outcome.result.code != INVALID_ROW:  # that goes by a call, and is counted there
                self._count(load, outcome)
        return unfit

    async def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        """As the port."""
        # Most often the sweep rings for a job, and then no record's trace has led here.
        with self._tracing.calling("bulk results", load.sobject, begins=True) as said:
            rows = 0
            async for outcome in self._bulk.outcomes(job_id, load):
                rows += 1
                self._count(load, outcome)
                yield outcome
            said(rows)

    def _count(self, load: BulkLoad, outcome: BulkOutcome) -> None:
        failure = outcome.result.failure
        self._told(load.sobject, "written" if failure is None else str(failure))
