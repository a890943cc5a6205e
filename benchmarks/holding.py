"""What the measured processes share: a database of their own, waiting, and the time."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from adapters.mongo.client import Database, open_database
from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.metrics import Metrics
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import Reconciler
from schemas.mapping import Mapping as MappingOfAll
from schemas.presets import preset


@asynccontextmanager
async def store(mongodb: str, mapping: MappingOfAll | None = None) -> AsyncIterator[tuple[Database, Catalog]]:
    """A database that nobody else has, prepared for this mapping, or for that of customers alone."""
    settings = MongoSettings(uri=mongodb, database=f"bench_{uuid.uuid4().hex[:8]}")
    async with open_database(settings, retry_writes=False) as database:
        catalog = Catalog(mapping or preset("customers"))
        await prepare(database, catalog.mapping.collections())
        yield database, catalog


def reconciler(database: Database, catalog: Catalog, doorbells: Any) -> Reconciler:
    """As `tandem reconcile` puts it together."""
    metrics = Metrics()
    return Reconciler(
        catalog=lambda: catalog,
        documents=MongoDocuments(database),
        log=MongoSyncLog(database),
        parked=MongoParkedRecords(database),
        gaps=MongoObjectGaps(database),
        doorbells=doorbells,
        now=now,
        on_conflict=lambda row: metrics.conflict_settled(row["path"], row["rule"], row["winner"]),
    )


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not holds():  # noqa: ASYNC110 - what is measured tells nobody
        await asyncio.sleep(0.01)


def now() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000
