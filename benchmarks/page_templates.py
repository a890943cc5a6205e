"""A small world as the stages leave it, of which `benchmarks.page_data` makes a large one.

The reconciler and the writer decide on every document, log row and parked record of it, over a cheap org; what people
and other processes leave is written by the adapters that they use. So nothing here knows the shape of a row.
"""

import itertools
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from adapters.mongo.client import Database, open_database
from adapters.mongo.collections import prepare
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoGaps, MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.operations import MongoOperations
from adapters.mongo.reservations import MongoReservations
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from benchmarks.cheap_org import REFUSED
from benchmarks.events import customer_event
from benchmarks.feed import Kept
from benchmarks.holding import now
from consumers.catalog import Catalog
from consumers.reconciler.reconciler import Reconciler
from consumers.rules.timing import Timing
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from schemas import cloudevents, topics
from schemas.change import Change, ChangeType
from schemas.codec import encode
from schemas.delivery import Answer, Delivery
from schemas.gap import GapReason
from schemas.log_record import Record
from schemas.mapping import Mapping
from schemas.position import CommitPosition
from schemas.presets import preset
from schemas.stream import Gap

REFUSALS, QUESTIONS, DUE = range(120, 140), range(140, 160), range(160, 180)
"""Which customers are refused, which wait for a person's choice, and which are to be written."""
EVERYBODY: Final = range(180)
PARKED, DELIVERED, DONE, GAPS = 20, 40, 40, 20
QUICK: Final = Timing(visible_after=0, event_within=200, look_again=200, quiet_before_read=200, ring_again=100)
LONGEST_SECONDS: Final = 300.0


def choosing_mapping() -> Mapping:
    """The preset's customers; of two phone numbers a person chooses one."""
    raw = preset("customers").model_dump(mode="json")
    for field in raw["kinds"]["customer"]["fields"]:
        if field["platform"] == "phone":
            field["policy"] = "review"
    return Mapping.model_validate(raw)


class Stages:
    """The reconciler and the writer on one database, and those who post to them."""

    def __init__(self, database: Database, salesforce: Any) -> None:
        self._catalog = catalog = Catalog(choosing_mapping())
        self._documents = documents = MongoDocuments(database)
        log, parked, self._bells = MongoSyncLog(database), MongoParkedRecords(database), Kept()
        self._offsets = itertools.count()
        self._reconciler = Reconciler(
            catalog=lambda: catalog,
            documents=documents,
            log=log,
            parked=parked,
            gaps=MongoObjectGaps(database),
            doorbells=self._bells,
            now=now,
            timing=QUICK,
        )
        self._writer = Writer(
            catalog=lambda: catalog,
            documents=documents,
            records=salesforce.records,
            log=log,
            parked=parked,
            now=now,
            timing=QUICK,
            reservations=MongoReservations(database),
        )
        self._sweep = Sweep(
            catalog=lambda: catalog, documents=documents, doorbells=self._bells, log=log, now=now, ring_again=100
        )
        self._database = database

    async def post(self, numbers: Iterable[int], edit: int, **fields: object) -> None:
        """An event of each of these customers; with `fields` one that names only these."""
        records = []
        for number in numbers:
            id_, body = customer_event(number + edit * len(EVERYBODY), len(EVERYBODY))
            if fields:
                told = {"id": id_, "fields": fields, "changed": list(fields)}
                body = orjson.dumps({"type": "customer.updated", "data": told})
            records.append(self._record(topics.PLATFORM_EVENTS, topics.document_key("customer", id_), body))
        await self._reconciler.handle(records)

    async def post_unreadable(self, count: int) -> None:
        """Bodies that hold no event: parked."""
        key = topics.document_key("customer", "cust-none")
        await self._reconciler.handle([self._record(topics.PLATFORM_EVENTS, key, b"{") for _ in range(count)])

    async def change(self, numbers: Iterable[int], **fields: object) -> None:
        """People in Salesforce change the records of these customers."""
        ids = [customer_event(number, len(EVERYBODY))[0] for number in numbers]
        found = await self._documents.read("customers", ids)
        records = []
        for number, document in enumerate(found.values()):
            record_id, at = document["_sync"]["link"]["id"], now()
            change = Change(
                entity="Contact",
                record_id=record_id,
                type=ChangeType.UPDATE,
                position=CommitPosition(at, at, number + 1),
                transaction_key=f"{at}-{number}",
                fields=fields,
                commit_user="0055g000001PersAAM",
            )
            records.append(self._record(topics.SALESFORCE_CHANGES, topics.record_key(record_id), encode(change)))
        await self._reconciler.handle(records)

    async def settle(self) -> None:
        """Write until nothing is due any more.

        Raises:
            TimeoutError: that did not come about.
        """
        ends = time.monotonic() + LONGEST_SECONDS
        while await self._database["customers"].count_documents({"_sync.due_at": {"$exists": True}}):
            if time.monotonic() > ends:
                raise TimeoutError("the customers do not come to rest")
            await self._sweep.ring_due()
            self.forget(bells := list(dict.fromkeys(self._bells.bells)))
            await self._writer.handle([self._record(topics.SALESFORCE_WRITES, *bell) for bell in bells])
        await self._sweep.drain_audit()

    def forget(self, _bells: object = None) -> None:
        """Doorbells that nobody is to answer."""
        self._bells.bells.clear()

    def _record(self, topic: str, key: bytes, value: bytes) -> Record:
        at, offset = now(), next(self._offsets)
        headers = {cloudevents.ID: f"msg_{offset:024d}", cloudevents.RECEIVED_AT: str(at)}
        raw = [(name, text.encode()) for name, text in headers.items()]
        return Record(topic, 0, offset, key, value, headers, at, raw)


@asynccontextmanager
async def templates(mongodb: str, org: str, name: str) -> AsyncIterator[Database]:
    """A database of this name with the small world in it."""
    settings = SalesforceSettings(client_id="bench", client_secret="bench", login_url=org)
    async with (
        open_database(MongoSettings(uri=mongodb, database=name)) as database,
        open_salesforce(settings, now=now) as salesforce,
    ):
        await prepare(database, ["customers"])
        stages = Stages(database, salesforce)
        await stages.post(EVERYBODY, 0)
        await stages.settle()
        await stages.post(EVERYBODY, 1, title="Head of Sales")
        await stages.change(EVERYBODY, Title="Head of Art", Department="Art")
        await stages.settle()
        await stages.post(QUESTIONS, 2, phone="+40 721 999999")
        await stages.change(QUESTIONS, Phone="+40 721 888888")
        await stages.post(REFUSALS, 3, title=f"{REFUSED}: none")
        await stages.settle()
        await stages.post(DUE, 4, title="Head of Everything")
        await stages.post_unreadable(PARKED)
        stages.forget()
        await _beside(database)
        yield database


async def _beside(database: Database) -> None:
    """What people and the other processes leave."""
    at = now()
    rows = [
        {"_id": f"redrive:{number}", "what": "redrive", "item": f"customer:cust-{number:06d}", "kind": "customer"}
        | {"document": f"cust-{number:06d}", "by": "grace", "note": "it was mended", "at": at, "result": "redriven"}
        for number in range(DONE)
    ]
    await MongoOperations(database).add(rows)
    made = [
        Delivery(f"told-{number}", "customer", id_, "customer.updated", number, body, at)
        for number, (id_, body) in enumerate(map(customer_event, range(DELIVERED)))
    ]
    deliveries = MongoDeliveries(database)
    await deliveries.keep(made, at)
    for number, each in enumerate(made):
        if number % 10 == 0:
            await deliveries.given_up(each, Answer(500, milliseconds=12), at)
        else:
            await deliveries.delivered([(each, Answer(204, milliseconds=12))], at)
    gaps = MongoGaps(database, "00D")
    for number in range(GAPS):
        await gaps.record(Gap("/data/ChangeEvents", GapReason.POSITION_REFUSED, at - number * 3_600_000, at))
