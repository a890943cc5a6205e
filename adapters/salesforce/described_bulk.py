"""Bulk jobs whose rows are compared with the org's description, and whose outcomes may tell that it has changed."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Final, Protocol

from adapters.salesforce.describes import Describes
from schemas.bulk import UNPROCESSED, BulkLoad, BulkOperation, BulkOutcome, BulkState
from schemas.records import RecordUpdate

AT_A_TIME: Final = 200
"""Rows that are compared together."""


class Bulk(Protocol):
    """Where the jobs are: as `consumers.ports.BulkRecords`."""

    async def open(self, load: BulkLoad) -> str:
        """A new job."""

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> Sequence[BulkOutcome]:
        """Its rows."""

    async def state(self, job_id: str) -> BulkState:
        """Where it is."""

    async def abandon(self, job_id: str) -> BulkState:
        """Its end, if it was never closed."""

    def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        """What became of its rows."""

    async def discard(self, job_id: str) -> None:
        """No more of it."""


class DescribedBulk:
    """Leaves out of a job what Salesforce would refuse. Satisfies `consumers.ports.BulkRecords`.

    A row that would be refused comes back from `send` with the field named, as it does from a call.

    What Salesforce says of a job's rows may tell that the object has changed: then it is described anew. A row may be
    refused for it as in a call. A field that the object lacks, or that is hidden from the login, fails the
    job as a whole with no row refused: its rows come back unprocessed.
    """

    def __init__(self, bulk: Bulk, describes: Describes) -> None:
        self._bulk = bulk
        self._describes = describes
        self.open = bulk.open
        self.state = bulk.state
        self.abandon = bulk.abandon
        self.discard = bulk.discard

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> Sequence[BulkOutcome]:
        """As the port."""
        if load.operation is BulkOperation.DELETE:
            return await self._bulk.send(job_id, load, rows)
        refused: list[BulkOutcome] = []
        unfit = await self._bulk.send(job_id, load, self._fitting(load, rows, refused))
        return [*refused, *unfit]

    async def outcomes(self, job_id: str, load: BulkLoad) -> AsyncIterator[BulkOutcome]:
        """As the port."""
        async for outcome in self._bulk.outcomes(job_id, load):
            if outcome.result.code == UNPROCESSED:
                self._describes.doubt(load.sobject)
            self._describes.heard(load.sobject, (outcome.result.code,))
            yield outcome

    async def _fitting(
        self, load: BulkLoad, rows: AsyncIterable[RecordUpdate], refused: list[BulkOutcome]
    ) -> AsyncIterator[RecordUpdate]:
        """The rows that nothing speaks against; the others are put among the refused."""
        async for some in _in_parts(rows):
            misfits = await self._describes.misfits(load.sobject, some, upsert=load.operation is BulkOperation.UPSERT)
            for place, row in enumerate(some):
                if place in misfits:
                    refused.append(BulkOutcome(load.key_of(row), misfits[place]))
                else:
                    yield row


async def _in_parts(rows: AsyncIterable[RecordUpdate]) -> AsyncIterator[list[RecordUpdate]]:
    some: list[RecordUpdate] = []
    async for row in rows:
        some.append(row)
        if len(some) == AT_A_TIME:
            yield some
            some = []
    if some:
        yield some
