"""Puts an eraser together, for the schedule that works at what is asked for and for the commands."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import retentions
from adapters.mongo.client import Database
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import MongoErasures
from adapters.mongo.removal import MongoRemoval
from adapters.salesforce.opening import Salesforce
from consumers.catalog import Catalog
from ops.erasure.eraser import Eraser
from ops.processes.frame import Frame
from schemas import topics
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 5.0
PERSONAL: Final = (
    topics.PLATFORM_EVENTS,
    topics.SALESFORCE_CHANGES,
    topics.SALESFORCE_WRITES,
    topics.PLATFORM_CHANGES,
    topics.ENRICHMENT_REQUESTS,
    topics.COMMANDS,
)
"""The topics that hold something of people: their ids at least, and of runs that were asked for their filters."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an eraser works with."""

    database: Database
    erasures: MongoErasures
    salesforce: Salesforce
    catalog: Callable[[], Catalog]
    kafka: KafkaSettings


def eraser_of(opened: Opened, settings: ErasedSettings, now: Callable[[], int]) -> Eraser:
    """The eraser of these."""
    return Eraser(
        erasures=opened.erasures,
        removal=MongoRemoval(opened.database),
        records=opened.salesforce.records,
        recycle_bin=opened.salesforce.recycle_bin,
        catalog=opened.catalog,
        retentions=lambda: retentions(opened.kafka, PERSONAL),
        now=now,
        settle=round(settings.settle_seconds * 1000),
    )


async def follow(erasures: MongoErasures | None, eraser: Eraser | None, frame: Frame) -> None:
    """Work at erasures that are due, without end; nothing where none can be asked for."""
    while True:
        if erasures is not None and eraser is not None:
            try:
                if passes := await eraser.work():
                    frame.log.info("erasures_passed", passes=passes)
                frame.metrics.erasures_seen(await erasures.unfinished())
            except Unavailable as error:
                frame.log.warning("unavailable", what="erasures", reason=str(error))
        await asyncio.sleep(LOOK_SECONDS)
