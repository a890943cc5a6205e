"""A person is forgotten: in both systems and everywhere beside, and stays so through replays and a restore."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from support.enrichment_world import EnrichmentWorld
from support.fake_deliveries import FakeEndpoints
from support.fake_documents import FakeTellings
from support.fake_erasures import behaves_as_the_list
from support.org_world import World, world_of
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.erasures import MongoErasures
from adapters.mongo.identities import MongoIdentities
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.operations import MongoOperations
from adapters.mongo.people_cache import MongoPeopleCache, digest
from adapters.mongo.removal import MongoRemoval
from consumers.deliver.keeper import Keeper
from consumers.ports import Unavailable
from consumers.reconciler.forget import ASKED_BEFORE, FORGET, FORGOTTEN, NOT_SET_UP
from consumers.reconciler.reconciler import Reconciler
from listener.api.exports import NothingHeld as NothingToExport
from ops.api.exports import AuditedExports
from ops.erasure.eraser import NEVER, Eraser
from ops.held import NothingHeld, as_json, held_of
from schemas import cloudevents, topics
from schemas.delivery import Delivery, Endpoint
from schemas.erasure import ErasureState, Removed
from schemas.log_record import Record
from schemas.outcome import Outcome, Result
from schemas.people import PersonRows
from schemas.presets import preset
from schemas.registration import Erased
from schemas.telling import record_of, telling_id

SETTLE = 600_000
ROUNDS = 12
"""A project waits for its person's Contact, so nothing ever comes to rest."""
DAY = 86_400_000
PEOPLE = ("part-ana", "part-ben")
ANA = ("ana@example.com", "Ana-Maria", "Popescu-Ionescu", "+12025550143", "part-ana", "reg-ana", "proj-ana")
"""What is told of her, of which nothing may be left anywhere."""


class Recording:
    """A reconciler that keeps what it was given: the topics, to be replayed."""

    def __init__(self, reconciler: Reconciler, kept: list[Record]) -> None:
        self._reconciler, self._kept = reconciler, kept

    async def handle(self, records: Any) -> list[Result]:
        self._kept += records
        return await self._reconciler.handle(records)


@dataclass
class Registry:
    """Documents and all else on MongoDB, a simulated org, and an eraser."""

    world: World
    database: AsyncDatabase[dict[str, Any]]
    apart: AsyncDatabase[dict[str, Any]]
    eraser: Eraser
    erasures: MongoErasures
    topic: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told, self.site = (
            FakeTellings(),
            EnrichmentWorld(
                self.stage, identities=MongoIdentities(self.database), cache=MongoPeopleCache(self.database)
            ),
        )
        self.stage.tellings = self.told
        endpoints = FakeEndpoints(Endpoint("https://platform.example/hooks"))
        self.keeper = Keeper(
            MongoDeliveries(self.database), endpoints, self.stage.parked, lambda: self.stage.now, self.erasures
        )

    @property
    def stage(self) -> Stage:
        return self.world.stage

    async def event(self, type_: str, id_: str, **fields: Any) -> Result:
        kind = type_.partition(".")[0]
        record = self.stage.event(fields, id_=id_, type_=type_)
        raw = {**{name: getattr(record, name) for name in record.__slots__}, "key": topics.document_key(kind, id_)}
        (end,) = await self.stage.reconciler.handle([Record(**raw)])
        return end

    async def people(self) -> None:
        """Ana and Ben, both at one hackathon; of Ana there is something everywhere."""
        await self.event("event.created", "hack-1", name="Spring", type="hackathon", status="open")
        ben = ("ben", "Ben", "Bar", "ben@example.com", "+12025550199")
        for person, first, last, mail, phone in (("ana", ANA[1], ANA[2], ANA[0], ANA[3]), ben):
            who = {"first_name": first, "last_name": last, "email": mail, "consent": True, "phone": phone}
            await self.event("participant.registered", f"part-{person}", **who)
            named = {"participant_id": f"part-{person}", "event_id": "hack-1"}
            await self.event("registration.created", f"reg-{person}", **named, status="registered")
            await self.event("project.created", f"proj-{person}", **named, title=f"Of {first}", status="draft")
        await self.world.pass_by(ROUNDS)
        lead = await self.world.row(f"SELECT Id FROM Lead WHERE Email = '{ANA[0]}'")
        await self.world.edit("Lead", lead["Id"], City="Turin", Title="Maker")
        await self.event("participant.updated", "part-ana", city="Rome", title="Lead maker")
        await self.world.pass_by(ROUNDS)
        strange = Record(topics.PLATFORM_EVENTS, 9, 9, b"participant:part-ana", ANA[0].encode(), {}, 1, [])
        await self.stage.reconciler.handle([strange])
        told = Delivery("told_1", "participant", "part-ana", "participant.changed", 3, ANA[0].encode(), 1)
        await MongoDeliveries(self.database).keep([told], 1)
        done = {"_id": "op-1", "kind": "participant", "document": "part-ana", "note": f"for {ANA[0]}", "at": 1}
        await MongoOperations(self.database).add([done])

    async def copy(self) -> dict[str, list[dict[str, Any]]]:
        """A backup: every collection of the main database."""
        names = [each["name"] async for each in await self.database.list_collections(filter={"type": "collection"})]
        return {name: await self.database[name].find().to_list() for name in names if not name.startswith("system")}

    async def restore(self, backup: Mapping[str, list[dict[str, Any]]]) -> None:
        """Everything as it was."""
        for name, rows in backup.items():
            await self.database[name].delete_many({})
            if rows:
                await self.database[name].insert_many(rows)

    async def traces(self, needles: tuple[str, ...] = ANA) -> list[str]:
        """Where anything of her is left: both databases, and the org with its recycle bin."""
        found = []
        for database in (self.database, self.apart):
            for name in await database.list_collection_names(filter={"type": "collection"}):
                found += [f"{name}: {each}" for each in needles for row in await _rows(database, name) if each in row]
        org = self.world.org.org.org
        for definition in org.objects:
            for deleted in (False, True):
                rows = [str(dict(row)) for row in org.store.page(definition, "", 1_000, deleted=deleted)]
                found += [f"{definition.name}: {each}" for each in needles for row in rows if each in row]
        return found

    async def replay(self) -> set[Outcome]:
        """Every record of every topic again, and every document and record looked at again."""
        ends = []
        for record in list(self.topic):
            ends += await self.stage.reconciler.handle([record])
        for record in list(self.topic):
            bell = f'{{"kind":"participant","id":"part-ana","record_id":"{(record.key or b"").decode()}"}}'
            ends += await self.stage.writer.handle([self.stage.record(topics.SALESFORCE_WRITES, b"k", bell.encode())])
        for number, row in enumerate(self.told.rows):
            key, value, headers = record_of(row)
            record = Record(topics.PLATFORM_CHANGES, 0, number, key, value, cloudevents.read(headers), 1, headers)
            ends += await self.keeper.handle([record])
        self.site.requests.asked += [("participant", person) for person in PEOPLE]
        ends += await self.site.work()
        await self.world.pass_by(ROUNDS)
        return {end.outcome for end in ends}


async def _rows(database: AsyncDatabase[dict[str, Any]], name: str) -> list[str]:
    return [str(row) async for row in database[name].find()]


@pytest.fixture
async def apart(mongo_client: AsyncMongoClient[dict[str, Any]]) -> AsyncIterator[AsyncDatabase[dict[str, Any]]]:
    """The database of the list, which no backup of the other holds."""
    name = f"erased_{secrets.token_hex(6)}"
    yield mongo_client[name]
    await mongo_client.drop_database(name)


@asynccontextmanager
async def registry_of(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], folder: Path
) -> AsyncIterator[Registry]:
    mapping = preset("hackathon")
    await prepare(database, mapping.collections(), mapping.counted(), mapping.matched())
    erasures = MongoErasures(apart, secrets.token_bytes(32))
    await erasures.prepare()
    stage = Stage(
        MongoDocuments(database),
        log=MongoSyncLog(database),
        parked=MongoParkedRecords(database),
        erasures=erasures,
    )

    async def retentions() -> Mapping[str, int]:
        return {topics.PLATFORM_EVENTS: 7 * DAY, topics.SALESFORCE_CHANGES: -1}

    async with world_of(mapping, folder, stage) as world:
        assert world.salesforce is not None
        eraser = Eraser(
            erasures=erasures,
            removal=MongoRemoval(database),
            records=world.salesforce.records,
            recycle_bin=world.salesforce.recycle_bin,
            catalog=lambda: stage.catalog,
            retentions=retentions,
            now=lambda: stage.now,
            settle=SETTLE,
        )
        registry = Registry(world, database, apart, eraser, erasures)
        stage.reconciler = stage.new_reconciler()
        stage.reconciler = Recording(stage.reconciler, registry.topic)  # type: ignore[assignment]
        yield registry


async def test_an_erased_person_stays_erased_through_a_replay_of_every_topic_and_a_restore(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """Everything of Ana goes, nothing of Ben does; nothing comes back by what was kept anywhere."""
    async with registry_of(database, apart, tmp_path) as registry:
        await registry.people()
        backup = await registry.copy()
        assert {row["document"] for row in registry.told.rows} >= {"part-ana"}
        of_her = (*ANA, (await registry.world.row(f"SELECT Id FROM Lead WHERE Email = '{ANA[0]}'"))["Id"])
        assert {each.partition(":")[0] for each in await registry.traces()} >= {
            "participants",
            "registrations",
            "projects",
            "salesforce_sync_logs",
            "tandem_parked",
            "tandem_deliveries",
            "tandem_operations",
            "Lead",
        }

        assert await registry.event("participant.erased", "part-ana") == FORGET
        assert await registry.eraser.work() == 1
        registry.stage.now += SETTLE
        assert await registry.eraser.work() == 1
        await registry.world.pass_by(ROUNDS)
        assert await registry.traces(of_her) == []

        assert await registry.event("participant.updated", "part-ana", title="Back") == FORGOTTEN
        assert await registry.event("participant.erased", "part-ana") == ASKED_BEFORE
        with pytest.raises(Erased):
            await registry.site.register(id_="part-ana", email=ANA[0], name="Ana Pop", consent=True)
        assert not registry.site.log.records
        late = {"participant_id": "part-ana", "event_id": "hack-1", "status": "registered"}
        assert await registry.event("registration.created", "reg-new", **late) == FORGOTTEN
        await registry.replay()
        assert await registry.traces(of_her) == []

        await registry.restore(backup)
        await registry.replay()
        assert await registry.eraser.apply("restore") == [
            ("participant", "part-ana"),
            ("registration", "reg-ana"),
            ("project", "proj-ana"),
        ]
        await registry.eraser.work()
        registry.stage.now += SETTLE
        await registry.eraser.work()
        await registry.replay()
        assert await registry.traces(of_her) == []
        assert await registry.eraser.apply("restore") == []

        ben = await registry.stage.document("part-ben", "participants")
        assert ben["email"] == "ben@example.com"
        assert (await registry.world.row("SELECT Id FROM Lead WHERE Email = 'ben@example.com'"))["Id"]
        assert await registry.traces(("ben@example.com",))


async def test_an_export_is_all_that_an_erasure_would_remove(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """Of Ana everything and of Ben nothing; afterwards nothing is held."""
    async with registry_of(database, apart, tmp_path) as registry:
        await registry.people()
        removal, records, catalog = registry.eraser.removal, registry.eraser.records, registry.stage.catalog
        held = await held_of(removal, records, catalog, "participant", "part-ana")
        assert {"participant:part-ana", "registration:reg-ana", "project:proj-ana"} == held["documents"].keys()
        assert {row["Email"] for row in held["salesforce"].values() if row.get("Email")} == {ANA[0]}
        for name in ("salesforce_sync_logs", "tandem_parked", "tandem_deliveries", "tandem_operations"):
            assert held[name], name
        told = as_json(held)
        assert all(each in told for each in ANA)
        assert "ben@example.com" not in told
        exports, at = AuditedExports(database, records, lambda: catalog), registry.stage.now + 1
        shown = await exports.held("participant", "part-ana", at, "api key 0123")
        assert shown["documents"].keys() == held["documents"].keys()
        (row,) = await MongoOperations(database).of_document("participant", "part-ana", 1)
        assert (row["what"], row["by"], row["at"]) == ("export", "api key 0123", at)
        await registry.erasures.ask("participant", "part-ana", registry.stage.now, "a test")
        await registry.eraser.work()
        with pytest.raises(NothingHeld):
            await held_of(removal, records, catalog, "participant", "part-ana")
        with pytest.raises(NothingToExport):
            await exports.held("participant", "part-ana", at, "api key 0123")
        assert not await MongoOperations(database).of_document("participant", "part-ana", 1)


async def test_what_was_told_of_somebody_who_was_looked_up_and_not_linked_is_theirs_too(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """By the address that was asked for, and by the record that was taken over from; the export tells it."""
    async with registry_of(database, apart, tmp_path) as registry:
        site = registry.site
        contact = site.people.add("Contact", Email="Cleo@example.com", Title="Queen")
        cleo = {"email": " CLEO@example.com", "name": "Cleo Phil", "consent": True}
        await site.register(id_="part-cleo", **cleo)
        await site.register(id_="part-dan", email="dan@example.com", name="Dan", consent=True)
        link = ((await registry.stage.document("part-cleo", "participants"))["_sync"]).get("link")
        assert not link
        elsewhere = PersonRows([[{"Id": contact, "Email": "old@example.com"}], []], registry.stage.now)
        await site.cache.put("participant:1", {"old@example.com": elsewhere}, {"old@example.com": 10**13})
        removal, records = registry.eraser.removal, registry.eraser.records
        held = await held_of(removal, records, registry.stage.catalog, "participant", "part-cleo")
        assert len(held["salesforce_object_cache"]) == 2
        await registry.erasures.ask("participant", "part-cleo", registry.stage.now, "a test")
        await registry.eraser.work()
        certificate = await registry.erasures.certificate("participant", "part-cleo")
        assert certificate is not None
        assert certificate["passes"][0]["removed"]["mongodb.salesforce_object_cache"] == 2
        (left,) = await database["salesforce_object_cache"].find().to_list()
        assert left["address"] == digest("dan@example.com")


async def test_a_certificate_says_what_was_removed_where_and_when_the_topics_will_have(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """And names nobody."""
    async with registry_of(database, apart, tmp_path) as registry:
        await registry.people()
        await registry.erasures.ask("participant", "part-ana", registry.stage.now, "a test")
        await registry.eraser.work()
        early = await registry.erasures.certificate("participant", "part-ana")
        assert early is not None
        assert (early["state"], early["document"]) == (ErasureState.REMOVED, "part-ana")
        registry.stage.now += SETTLE
        await registry.eraser.work()
        certificate = await registry.erasures.certificate("participant", "part-ana")
        assert certificate is not None
        assert certificate["state"] == ErasureState.DONE
        assert not {"document", "things", "records"} & certificate.keys()
        first, second = certificate["passes"]
        removed = first["removed"]
        assert removed["mongodb.participants"] == removed["mongodb.registrations"] == 1
        assert removed["salesforce.Lead"] == 1
        assert removed["salesforce.recycle_bin"] >= 1
        assert removed["mongodb.tandem_parked"] == removed["mongodb.tandem_deliveries"] == 1
        assert first["left"] == second["left"] == []
        assert certificate["topics"][topics.SALESFORCE_CHANGES] == NEVER
        assert certificate["topics"][topics.PLATFORM_EVENTS].endswith("Z")


async def test_what_people_asked_for_by_a_record_or_an_address_goes_too(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """A replay by a record's id, debugging of a record, a run by an address, a note: the export tells it, the erasure
    removes it, and that somebody did something stays."""
    async with registry_of(database, apart, tmp_path) as registry:
        await registry.people()
        lead = (await registry.world.row(f"SELECT Id FROM Lead WHERE Email = '{ANA[0]}'"))["Id"]
        operations, runs = MongoOperations(database), database["tandem_runs"]
        told = telling_id("participant", "part-ana", 3)
        await MongoDeliveries(database).keep([Delivery(told, "participant", "part-ana", "a.b", 3, b"{}", 1)], 1)
        done: dict[str, Any] = {"by": "joe", "at": 1, "note": ""}
        about_her = [
            {"_id": "by-record", "what": "replay", "key": lead, **done},
            {"_id": "by-short-id", "what": "replay", "key": lead[:15], **done},
            {"_id": "by-address", "what": "replay", "key": ANA[0].upper(), **done},
            {"_id": "debugged", "what": "debug", "record": lead, "item": lead, **done},
            {"_id": "of-old", "what": "replay", "key": "participant:part-ana", **done},
        ]
        beside = [
            {"_id": "noted", "what": "replay", "key": "", **done, "note": f"for {ANA[0]}, part-ana and {lead}"},
            {
                "_id": "planned",
                "what": "replay",
                "key": "",
                **done,
                "plan": ["1 to publish", f"participant:part-ana, {lead}"],
            },
            {"_id": "redelivered", "what": "redeliver", **done, "deliveries": [told, "told_bens"]},
            {"_id": "bens", "what": "replay", "key": "participant:part-ben", **done, "note": "for ben@example.com"},
        ]
        await operations.add([*about_her, *beside])
        asked = {"what": "leads", "filter": {"path": "email", "equals": ANA[0]}}
        ended = {"_id": "run-1", "state": "done", "request": asked, "steps": [{"cursor": "part-ana"}]}
        going = {"_id": "run-2", "state": "paused", "request": asked, "steps": [{"cursor": "part-ana"}]}
        await runs.insert_many([ended, going])

        held = await held_of(
            registry.eraser.removal, registry.eraser.records, registry.stage.catalog, "participant", "part-ana"
        )
        assert {row["_id"] for row in held["tandem_operations"]} == {
            "op-1",
            *(row["_id"] for row in about_her),
            "noted",
            "planned",
        }
        assert {row["_id"] for row in held["tandem_runs"]} == {"run-1", "run-2"}

        await registry.erasures.ask("participant", "part-ana", registry.stage.now, "a test")
        await registry.eraser.work()
        left = {row["_id"]: row async for row in database["tandem_operations"].find()}
        assert left.keys() == {"noted", "planned", "redelivered", "bens"}
        assert left["noted"]["note"] == "for [erased], [erased] and [erased]"
        assert left["planned"]["plan"] == ["1 to publish", "[erased], [erased]"]
        assert left["redelivered"]["deliveries"] == ["told_bens"]
        assert (left["bens"]["key"], left["bens"]["note"]) == ("participant:part-ben", "for ben@example.com")
        of_runs = {row["_id"]: row async for row in runs.find()}
        assert [row["request"]["filter"]["equals"] for row in of_runs.values()] == ["[erased]"] * 2
        assert [of_runs[each]["steps"][0]["cursor"] for each in ("run-1", "run-2")] == ["[erased]", "part-ana"]
        certificate = await registry.erasures.certificate("participant", "part-ana")
        assert certificate is not None
        removed = certificate["passes"][0]["removed"]
        assert removed["mongodb.tandem_operations"] == 1 + len(about_her)
        assert removed["mongodb.tandem_operations.words"] == removed["mongodb.tandem_runs.words"] == 2
        assert removed["mongodb.tandem_operations.tandem_deliveries"] == 1


async def test_a_kill_between_any_two_steps_leaves_more_to_do_and_loses_no_record(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """The documents are gone, and Salesforce was away: the ids of the records were kept before."""
    async with registry_of(database, apart, tmp_path) as registry:
        await registry.people()
        await registry.erasures.ask("participant", "part-ana", registry.stage.now, "a test")
        await registry.world.org.admin("POST", "/faults", {"kind": "limit", "count": 1, "path": "composite"})
        with pytest.raises(Unavailable):
            await registry.eraser.work()
        assert await registry.database["participants"].find_one({"_id": "part-ana"}) is None
        assert await registry.eraser.work() == 0
        registry.stage.now += SETTLE
        assert await registry.eraser.work() == 1
        registry.stage.now += SETTLE
        assert await registry.eraser.work() == 1
        assert await registry.traces() == []


async def test_asked_for_at_once_again_and_again_no_pass_is_the_last_before_its_time(
    database: AsyncDatabase[dict[str, Any]], apart: AsyncDatabase[dict[str, Any]], tmp_path: Path
) -> None:
    """Nor is one made beside another's; what Salesforce did not delete is tried again at once."""
    async with registry_of(database, apart, tmp_path) as registry:
        eraser, erasures = registry.eraser, registry.erasures

        async def seen() -> tuple[str, int]:
            row = await erasures.certificate("participant", "part-ana")
            assert row is not None
            return row["state"], len(row["passes"])

        await registry.people()
        await registry.world.org.admin("POST", "/faults", {"kind": "limit", "count": 1, "path": "composite"})
        with pytest.raises(Unavailable):
            await eraser.at_once("participant", "part-ana", "ana")
        held = await erasures.take(registry.stage.now, registry.stage.now + 5_000)
        assert held is not None
        await eraser.at_once("participant", "part-ana", "ana")
        assert await seen() == (ErasureState.ASKED, 0)
        await eraser.erase(held)
        for _time in range(2):
            await eraser.at_once("participant", "part-ana", "ana")
            assert await seen() == (ErasureState.REMOVED, 1)
        await erasures.passed(
            held, Removed({}, ["Contact: DELETE_FAILED"]), {}, now=registry.stage.now, again_at=10**14
        )
        await eraser.at_once("participant", "part-ana", "ana")
        assert await seen() == (ErasureState.REMOVED, 3)
        registry.stage.now += SETTLE
        await eraser.at_once("participant", "part-ana", "ana")
        assert await seen() == (ErasureState.DONE, 4)
        assert await registry.traces() == []


async def test_without_a_key_who_asks_is_parked(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Nothing is silently not forgotten."""
    await prepare(database, ("customers",))
    stage = Stage(MongoDocuments(database), parked=MongoParkedRecords(database))
    (end,) = await stage.reconciler.handle([stage.event({}, type_="customer.erased")])
    assert (end.outcome, end.reason) == (Outcome.PARKED, NOT_SET_UP)
    assert await asyncio.wait_for(MongoParkedRecords(database).count_waiting(), 30) == 1


async def test_the_list_behaves_as_the_one_in_memory(apart: AsyncDatabase[dict[str, Any]]) -> None:
    """What everybody who asks it relies on."""
    await behaves_as_the_list(MongoErasures(apart, secrets.token_bytes(32)))


async def test_who_is_erased_elsewhere_is_known_at_the_next_question_however_empty_the_list_was(
    apart: AsyncDatabase[dict[str, Any]],
) -> None:
    """That it was empty is not remembered, and that it is not any more is."""
    key = secrets.token_bytes(32)
    asking, elsewhere = MongoErasures(apart, key), MongoErasures(apart, key)
    names = ["customer:42", "customer:43"]
    assert await asking.among(names) == set()
    assert await asking.among([]) == set()
    await elsewhere.add(["customer:42"], 1)
    assert await asking.among(names) == {"customer:42"}
    await elsewhere.add(["customer:43"], 2)
    assert await asking.among(names) == set(names)
    assert await asking.among(["customer:44"]) == set()
