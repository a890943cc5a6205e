"""What enrichment keeps in MongoDB, in memory and on the real one: the cache, ids by address, and who is due."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.enrichment_world import EnrichmentWorld, FakeIdentities, FakePeopleCache
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.identities import MongoIdentities
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.members import MongoMembers
from adapters.mongo.people_cache import MongoPeopleCache
from consumers.catalog import Catalog
from consumers.enrichment.worker import EnrichmentSweep
from schemas.people import LookFailed, PersonRows
from schemas.presets import preset

ACCOUNT = "001dL0000000001AAA"
ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop"}


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def world(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> EnrichmentWorld:
    """Participants on either store."""
    mapping = preset("hackathon")
    stage, cache, identities = Stage(FakeDocuments()), FakePeopleCache(), FakeIdentities()
    given: dict[str, Any] = {"cache": cache, "identities": identities}
    if request.param == "mongodb":
        await prepare(database, mapping.collections(), mapping.counted(), mapping.matched())
        stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
        given = {"cache": MongoPeopleCache(database), "identities": MongoIdentities(database)}
        given["members"] = MongoMembers(database)
    stage.catalog = Catalog(mapping)
    return EnrichmentWorld(stage, **given)


async def test_the_cache_gives_back_what_it_was_given(world: EnrichmentWorld) -> None:
    """Parents' fields too; until its time is over, or the record or the address is heard to have changed."""
    known = PersonRows([[{"Id": "003dL0000000001AAA", "Account.Id": ACCOUNT, "Title": None}], []], 5)
    nobody = PersonRows([[], []], 6)
    await world.cache.put(
        "participant:1",
        {"a@x.example": known, "b@x.example": nobody},
        {"a@x.example": 2_000_000_000_000, "b@x.example": 1_900_000_000_000},
    )
    both = ["a@x.example", "b@x.example", "c@x.example"]
    found = await world.cache.get("participant:1", both, 1_800_000_000_000)
    assert found == {"a@x.example": known, "b@x.example": nobody}
    assert set(await world.cache.get("participant:1", both, 1_950_000_000_000)) == {"a@x.example"}
    assert not await world.cache.get("participant:2", both, 1_800_000_000_000)
    assert await world.cache.drop(now=1) == 0
    assert await world.cache.drop(now=1, records=[ACCOUNT]) == 1
    await world.cache.put("participant:1", {"a@x.example": known}, {"a@x.example": 2_000_000_000_000})
    assert await world.cache.drop(now=1, records=["003dL0000000001AAA"]) == 1
    assert await world.cache.drop(now=1, emails=["b@x.example"]) == 1


async def test_what_was_on_its_way_when_it_was_dropped_is_not_kept(world: EnrichmentWorld) -> None:
    """By its record, a parent of it, or the address; what was asked for afterwards is."""
    row = {"Id": "003dL0000000001AAA", "Account.Id": ACCOUNT, "Title": None}
    at, until = 1_800_000_000_000, {f"{name}@x.example": 2_000_000_000_000 for name in "ab"}
    for dropped in ({"records": [ACCOUNT]}, {"records": [row["Id"]]}, {"emails": ["a@x.example"]}):
        at += 100
        early, late = ({"a@x.example": PersonRows([[row]], at + more)} for more in (0, 20))
        await world.cache.put("participant:1", early | {"b@x.example": PersonRows([[]], at)}, until)
        await world.cache.drop(now=at + 10, **dropped)
        assert await world.cache.overtaken(early) == {"a@x.example"}
        await world.cache.put("participant:1", early, until)
        assert set(await world.cache.get("participant:1", list(until), at)) == {"b@x.example"}
        assert await world.cache.overtaken(late) == set()
        await world.cache.put("participant:1", late, until)
        assert await world.cache.get("participant:1", ["a@x.example"], at) == late


async def test_a_registration_from_beginning_to_end(world: EnrichmentWorld) -> None:
    """Stored, pending, found due by the sweep, looked up, and not due any more; many at once are one."""
    documents: Any = world.stage.documents
    theirs = {"Account__Id": ACCOUNT, "Account__Name": "Acme"}
    contact = world.people.add("Contact", Email="ana@acme.example", Title="CTO", **theirs)
    world.people.failing = LookFailed("HTTP_503")
    told = await world.register(**ANA)
    assert (await world.register(**ANA)).id == told.id
    world.people.failing = None
    world.requests.asked.clear()
    world.stage.now += 120_000
    sweep = EnrichmentSweep(
        catalog=lambda: world.stage.catalog, due=documents, requests=world.requests, now=lambda: world.stage.now
    )
    assert await sweep.ask_for_due() == 1
    assert await sweep.ask_for_due() == 0
    await world.work()
    stored = await world.stored(told.id)
    assert (stored["salesforce"]["contactId"], stored["salesforce"]["title"]) == (contact, "CTO")
    assert await documents.enriched_from("participants", [contact]) == {contact: [told.id]}
    assert await documents.enriched_from("participants", [ACCOUNT]) == {}
    assert not await documents.to_enrich("participants", world.stage.now + 86_400_000, 10)
    await world.lookups.close()


async def test_a_member_is_found_by_its_registration_and_by_who_names_it(world: EnrichmentWorld) -> None:
    """Ids that are numbers are the same ids; a member that is gone is named by nobody."""
    member = "00vdL0000000001AAA"
    await world.register(email="ana@acme.example", name="Ana Pop", id_="42")
    await world.post("registration.created", "r-1", participant_id=42, event_id="spring")
    found = await (world.members or world.stage.documents).registrations("registrations", "participant_id", ["42", "7"])
    assert {person: [one["_id"] for one in several] for person, several in found.items()} == {"42": ["r-1"]}
    assert found["42"][0]["_sync"]["existence"]["exists"] is True
    await world.hear("CampaignMember", member, Tandem_Registration_Id__c="r-1")
    assert (await world.stored("42"))["salesforce"]["campaignMemberId"] == member
    await world.hear("CampaignMember", member, "DELETE")
    assert "campaignMemberId" not in (await world.stored("42"))["salesforce"]


async def test_people_below_an_account_are_marked_so_many_at_a_time(world: EnrichmentWorld) -> None:
    """Each once, whoever else has the document in hand decides again, and who is due sooner stays so."""
    documents: Any = world.stage.documents
    ids = set()
    for number in range(7):
        parents = {"Account__Id": ACCOUNT if number < 5 else "001dL0000000009AAA", "Account__Name": "Acme"}
        world.people.add("Contact", Email=f"p{number}@acme.example", **parents)
        told = await world.register(email=f"p{number}@acme.example", name=f"P {number}")
        ids |= {told.id} if number < 5 else set()
    parts = [part async for part in documents.enriched_below("participants", [ACCOUNT, "001none"], 2)]
    assert sorted(map(len, parts)) == [1, 2, 2]
    assert {id_ for part in parts for id_ in part} == ids
    assert {tuple(named) for part in parts for named in part.values()} == {(ACCOUNT,)}
    (first, *_others), now = sorted(ids), world.stage.now
    before = (await world.stored(first))["revision"]
    assert await documents.look_again("participants", [first, "nobody"], now + 5_000, now) == 1
    assert await documents.look_again("participants", [first], now + 9_000, now + 1) == 1
    stored = await world.stored(first)
    assert (stored["revision"], stored["_sync"]["enriched"]["status"]) == (before + 2, "synced")
    assert stored["_sync"]["enriched"]["old"] == now + 1
    assert not await documents.to_enrich("participants", now + 4_999, 10)
    assert await documents.to_enrich("participants", now + 5_000, 10) == {first: now + 5_000}
    await world.lookups.close()
