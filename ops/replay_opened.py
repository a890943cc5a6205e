"""What a replay works with, opened: a topic's window, and the documents that its records are decided by."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from adapters.kafka.settings import KafkaSettings
from adapters.kafka.window import open_window
from adapters.mongo.client import Database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.history import outcomes_of
from adapters.mongo.operations import MongoOperations
from consumers.catalog import Catalog
from consumers.ports import ErasedList
from consumers.rules.timing import Timing
from ops.processes.parts import wall_ms
from ops.replay import Replayer


@asynccontextmanager
async def open_replayer(
    kafka: KafkaSettings,
    database: Database,
    erasures: ErasedList | None,
    topic: str,
    *,
    catalog: Catalog,
    timing: Timing,
    group: str,
) -> AsyncIterator[Replayer]:
    """Of one topic; `group` is whose handling of it counts.

    Raises:
        Unavailable: no broker answers, or there is no such topic.
    """
    async with open_window(kafka, topic) as window:
        yield Replayer(
            log=window,
            documents=MongoDocuments(database),
            erasures=erasures,
            operations=MongoOperations(database),
            logged=partial(outcomes_of, database),
            catalog=catalog,
            timing=timing,
            now=wall_ms,
            group=group,
        )
