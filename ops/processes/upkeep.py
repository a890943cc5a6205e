"""What goes on beside the writer: the sweep, what is due as a metric, parked writes that are closed, what misfits."""

import asyncio
from datetime import timedelta

from adapters.mongo.parked import ParkedQueue
from adapters.salesforce.describes import Describes
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import Salesforce
from consumers.budget import Budget
from consumers.rules.budget import BudgetLane
from consumers.writer.sweep import Sweep
from ops.mapping_fit import misfits
from ops.parked_tidy import tidy
from ops.processes.frame import Frame
from ops.processes.parts import Store, wall_ms
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

DUE_SECONDS = 5.0
MISFIT_SECONDS = 30.0
TIDY_SECONDS = 10.0


async def keep_sweeping(sweep: Sweep, budget: Budget, seconds: float, frame: Frame) -> None:
    """Ring for what is due, tell the platform and drain the audit, without end.

    While no call may be made nobody is rung for: the doorbells would only heap up.
    """
    while True:
        try:
            if budget.refusal(BudgetLane.LIVE) is None:
                await sweep.ring_due()
            told = await sweep.tell()
            if told:
                frame.log.info("told_by_sweep", rows=told)
            drained = await sweep.drain_audit()
            if drained:
                frame.log.info("audit_drained", rows=drained)
        except Unavailable as error:
            frame.log.warning("unavailable", what="sweep", reason=str(error))
        await asyncio.sleep(seconds)


async def tell_due(store: Store, frame: Frame) -> None:
    """How many documents wait for the writer, and how many fields for a person, as metrics; without end."""
    while True:
        for kind in store.mapping.current().kinds.values():
            for place in kind.places():
                frame.metrics.rows_foreseen(place.sobject)
            try:
                frame.metrics.due_seen(kind.name, await store.documents.count_due(kind.collection))
                frame.metrics.reviews_seen(kind.name, await store.documents.count_reviews(kind.collection))
            except Unavailable as error:
                frame.log.warning("due_not_seen", reason=str(error))
        await asyncio.sleep(DUE_SECONDS)


async def close_parked(store: Store, kept: timedelta, frame: Frame) -> None:
    """What was parked of a write that has gone through since is closed, however that came about."""
    queue = ParkedQueue(store.database, kept)
    while True:
        try:
            closed = await tidy(queue, store.documents, store.mapping.current(), wall_ms)
            if closed:
                frame.log.info("parked_writes_closed", rows=closed)
        except Unavailable as error:
            frame.log.warning("unavailable", what="parked", reason=str(error))
        await asyncio.sleep(TIDY_SECONDS)


async def tell_misfits(store: Store, salesforce: Salesforce, describes: Describes, frame: Frame) -> None:
    """Each version of the mapping is compared with the org as it comes into force, and again when an object is found
    changed; what does not fit has its line."""
    told: int | None = None
    while True:
        catalog = store.mapping.current()
        mapping = catalog.mapping
        changed = await describes.look()
        if changed:
            frame.log.info("schema_changed", objects=sorted(changed))
            told = None
        if mapping.version != told:
            try:
                for complaint in await misfits(salesforce, mapping, catalog.off):
                    frame.log.warning("mapping_misfit", where=complaint.where, reason=complaint.message)
                told = mapping.version
            except (CallFailed, LoginFailed, Unavailable) as error:
                frame.log.warning("unavailable", what="describe", reason=str(error))
        await asyncio.sleep(MISFIT_SECONDS)
