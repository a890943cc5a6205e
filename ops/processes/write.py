"""`tandem write`: documents into Salesforce, and the sweep that rings again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from adapters.kafka.logs import Doorbells
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.limits import Allocation
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.ports import Records, RecordUpdate, RowResult
from consumers.runner.runner import Runner
from consumers.runner.settings import RunnerSettings
from consumers.settings import MergeSettings, WriterSettings
from consumers.writer.send import ROWS_A_CALL
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from ops.mapping_source import MappingSettings
from ops.processes.frame import Frame, run
from ops.processes.parts import (
    Store,
    Timed,
    beside,
    conflict_told,
    open_store,
    opened_for,
    results_told,
    unavailable_told,
    wall_ms,
)
from ops.settings import read_settings
from schemas import topics
from schemas.unavailable import Unavailable

GROUP = "tandem.writer"
DUE_SECONDS = 5.0


class CountedRecords:
    """Salesforce records whose written rows are counted by their outcome. Satisfies `consumers.ports.Records`."""

    def __init__(self, records: Records, told: Callable[[str, str], None]) -> None:
        self._records = records
        self._told = told
        self.read = records.read
        self.find = records.find

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        return self._counted(sobject, await self._records.update(sobject, updates))

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        return self._counted(sobject, await self._records.upsert(sobject, external_id_field, updates))

    async def delete(self, sobject: str, record_ids: Sequence[str]) -> list[RowResult]:
        """As the port."""
        return self._counted(sobject, await self._records.delete(sobject, record_ids), done="deleted")

    async def successors(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, str]:
        """As the port."""
        return await self._records.successors(sobject, record_ids)

    async def merged(self, sobject: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """As the port."""
        return await self._records.merged(sobject, record_ids)

    def _counted(self, sobject: str, rows: list[RowResult], done: str = "written") -> list[RowResult]:
        for row in rows:
            self._told(sobject, str(row.failure) if row.failure is not None else done)
        return rows


async def stage(frame: Frame) -> None:
    """Any number of these share the partitions; each sweeps, which does no harm twice."""
    kafka, mongo, salesforce_settings, runner_settings, merge, writing, mapping = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, RunnerSettings, MergeSettings, WriterSettings, MappingSettings
    )
    await make_topics(kafka)

    def allocation_told(allocation: Allocation) -> None:
        frame.metrics.api_usage_seen(allocation.used, allocation.limit)

    async with (
        open_store(mongo, mapping, frame) as store,
        open_producer(kafka) as producer,
        open_salesforce(
            salesforce_settings,
            now=wall_ms,
            on_allocation=allocation_told,
            on_call=frame.metrics.salesforce_called,
        ) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        writer = Writer(
            catalog=store.mapping.current,
            documents=store.documents,
            records=CountedRecords(salesforce.records, frame.metrics.rows_written),
            log=store.log,
            parked=store.parked,
            now=wall_ms,
            timing=merge.timing(),
            retry=writing.retry(),
            on_conflict=conflict_told(frame),
        )
        runner = Runner(
            Timed(writer, frame),
            runner_settings.model_copy(update={"lanes": writing.lanes, "batch_size": ROWS_A_CALL}),
            linger=writing.linger_seconds,
            on_results=results_told(frame),
            on_unavailable=unavailable_told(frame),
        )
        sweep = Sweep(
            catalog=store.mapping.current,
            documents=store.documents,
            doorbells=Doorbells(producer),
            log=store.log,
            now=wall_ms,
        )
        async with (
            opened_for(runner, kafka, GROUP, (topics.SALESFORCE_WRITES,), store.gaps, frame) as stream,
            beside(_sweep(sweep, writing.sweep_seconds, frame), frame) as sweeping,
            beside(_tell_due(store, frame), frame),
        ):
            frame.alive["sweep"] = lambda: not sweeping.done()
            frame.up.add("write")
            await runner.run(stream, frame.stop)


async def _sweep(sweep: Sweep, seconds: float, frame: Frame) -> None:
    while True:
        try:
            await sweep.ring_due()
            drained = await sweep.drain_audit()
            if drained:
                frame.log.info("audit_drained", rows=drained)
        except Unavailable as error:
            frame.log.warning("unavailable", what="sweep", reason=str(error))
        await asyncio.sleep(seconds)


async def _tell_due(store: Store, frame: Frame) -> None:
    while True:
        for kind in store.mapping.current().kinds.values():
            try:
                frame.metrics.due_seen(kind.name, await store.documents.count_due(kind.collection))
                frame.metrics.reviews_seen(kind.name, await store.documents.count_reviews(kind.collection))
            except Unavailable as error:
                frame.log.warning("due_not_seen", reason=str(error))
        await asyncio.sleep(DUE_SECONDS)


def main() -> int:
    """Run the process; its exit code."""
    return run("write", [stage])
