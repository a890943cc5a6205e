"""Stages and the operator's commands on one MongoDB, and a log in memory that takes what is published again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.operations import MongoOperations
from adapters.mongo.parked import ParkedQueue, Wanted
from ops.parked import Parking
from ops.parked_items import Item
from schemas import cloudevents
from schemas.cloudevents import Headers
from schemas.log_record import Record
from schemas.outcome import Result
from support.sync_stage import TIMING, Stage

Database = AsyncDatabase[dict[str, Any]]
KEPT = timedelta(days=3)


@dataclass
class Log:
    """Satisfies `ops.parked.Publisher`. `fails` is raised once the record is in."""

    published: list[tuple[str, bytes | None, bytes | None, Headers]] = field(default_factory=list)
    fails: Exception | None = None

    async def deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        self.published.append((topic, key, value, headers))
        if self.fails is not None:
            raise self.fails

    def records(self, stage: Stage) -> list[Record]:
        """As the consumers get them, at offsets of their own."""
        return [
            Record(
                topic=topic,
                partition=0,
                offset=next(stage.offsets),
                key=key,
                value=value,
                headers=cloudevents.read(headers),
                timestamp=stage.now,
                raw_headers=headers,
            )
            for topic, key, value, headers in self.published
        ]


@dataclass
class Operator:
    """Somebody at the command line beside the stages."""

    stage: Stage
    parking: Parking
    database: Database
    log: Log = field(default_factory=Log)

    @classmethod
    async def at(cls, database: Database) -> "Operator":
        await prepare(database, ["customers"])
        stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database, KEPT))
        return cls(stage, parking_at(database, stage), database)

    async def items(self, **wanted: Any) -> list[Item]:
        """What is parked."""
        return (await self.parking.find(Wanted(**wanted), 100)).items

    async def redrive(self, items: Sequence[Item], note: str = "") -> list[str]:
        """What is said of each."""
        return [await self.parking.redrive(item, self.log, who="ana", note=note) for item in items]

    async def handle(self) -> list[Result]:
        """Have the reconciler handle what was published, all of it at once."""
        records = self.log.records(self.stage)
        self.log.published.clear()
        return await self.stage.reconciler.handle(records)

    async def row(self, row_id: str) -> dict[str, Any]:
        found = await self.database["tandem_parked"].find_one({"_id": row_id})
        assert found is not None
        return found

    async def operations(self) -> list[dict[str, Any]]:
        return await self.database["tandem_operations"].find().sort("at").to_list()


def parking_at(database: Database, stage: Stage) -> Parking:
    """By the mapping and the clock of the stage."""
    return Parking(
        queue=ParkedQueue(database, KEPT),
        documents=stage.documents,
        erasures=stage.erasures,
        operations=MongoOperations(database),
        log=stage.log,
        catalog=stage.catalog,
        timing=TIMING,
        now=lambda: stage.now,
    )
