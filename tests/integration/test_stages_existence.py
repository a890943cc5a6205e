"""Records that are deleted, merged or met without a document: on documents in memory and on the real MongoDB."""

from typing import Any

import orjson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.catalog import Catalog
from consumers.rules.versions import DecidedByNewerMapping
from schemas import topics
from schemas.change import ChangeType
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.records import Failure
from schemas.storage import DocumentWrite
from schemas.unavailable import Unavailable

ADA = {"last_name": "Lovelace", "email": "ada@example.org", "phone": "+40712345678"}
EXTERNAL_ID = "Tandem_Customer_Id__c"
TOKEN = "Tandem_Customer_Write__c"


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def stage(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """The same stage on either store, with a customer that both sides agree on."""
    made = Stage(FakeDocuments())
    if request.param == "mongodb":
        await prepare(database, ["customers"])
        made = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    await made.post(ADA, type_="customer.created")
    await made.settle()
    return made


async def record_id(stage: Stage, id_: str = "cust-1") -> str:
    """The record of a document."""
    return str((await stage.document(id_))["_sync"]["link"]["id"])


async def test_the_records_deletion_follows_the_platforms(stage: Stage) -> None:
    """One call for all of them, and its events are no user's deletion."""
    stage.map(on_delete={"platform": "delete", "salesforce": "recreate"})
    await stage.post({}, type_="customer.deleted")
    await stage.settle()
    assert stage.salesforce.rows["Contact"] == {}
    assert (await stage.document())["salesforce"]["syncStatus"] == "deleted"
    assert [call.operation for call in stage.salesforce.calls].count("delete") == 1
    await stage.post({"phone": "+40712000111"}, changed=["phone"])
    await stage.settle()
    assert stage.contact()["Phone"] == "+40712000111"


@pytest.mark.parametrize("failure", [Failure.NOT_RUN, Failure.UNKNOWN])
async def test_a_deletion_without_an_answer_is_asked_for_again(stage: Stage, failure: Failure) -> None:
    """It may be asked for any number of times."""
    stage.map(on_delete={"platform": "delete"})
    stage.salesforce.fail_next_call(failure, "TIMEOUT", lands="at_once" if failure is Failure.UNKNOWN else "never")
    await stage.post({}, type_="customer.deleted")
    await stage.settle()
    assert stage.salesforce.rows["Contact"] == {}
    assert (await stage.document())["salesforce"]["syncStatus"] == "deleted"


async def test_a_deletion_that_got_no_answer_and_is_taken_back_makes_the_record_anew(stage: Stage) -> None:
    """Only the store knows that it was we who asked: its event looks like a user's deletion."""
    stage.map(on_delete={"platform": "delete"})
    stage.salesforce.fail_next_call(Failure.UNKNOWN, "TIMEOUT", lands="at_once")
    await stage.post({}, type_="customer.deleted")
    await stage.answer_doorbells()
    assert stage.salesforce.rows["Contact"] == {}
    stage.now += 100
    await stage.post({"phone": "+40712000111"}, changed=["phone"])
    await stage.settle()
    assert stage.contact()["Phone"] == "+40712000111"
    assert (await stage.document())["salesforce"]["syncStatus"] == "synced"


async def test_a_deletion_that_salesforce_refuses_waits_for_a_person(stage: Stage) -> None:
    """The doorbell is parked with Salesforce's code, and the call is not repeated."""
    stage.map(on_delete={"platform": "delete"})
    stage.salesforce.fail_rows(lambda _update: True, Failure.REJECTED, "DELETE_FAILED")
    await stage.post({}, type_="customer.deleted")
    await stage.settle()
    assert len(stage.salesforce.rows["Contact"]) == 1
    assert (await stage.document())["_sync"]["refusal"]["code"] == "DELETE_FAILED"
    assert [call.operation for call in stage.salesforce.calls].count("delete") == 1


async def test_a_deleted_record_is_made_again_where_the_mapping_says_so(stage: Stage) -> None:
    """Of what the document shows, under the same external id."""
    stage.map(on_delete={"salesforce": "recreate"})
    before = await record_id(stage)
    stage.salesforce.remove("Contact", before)
    await stage.settle()
    contact = stage.contact()
    assert (contact["LastName"], contact["Phone"], contact[EXTERNAL_ID]) == ("Lovelace", "+40712345678", "cust-1")
    assert await record_id(stage) == contact["Id"] != before


async def test_a_merged_record_leads_to_its_master(stage: Stage) -> None:
    """The master's values are taken over, and it gets our external id and token."""
    before = await record_id(stage)
    master = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Phone": "+40712000999"})
    stage.salesforce.merge("Contact", master, [before])
    await stage.settle()
    document, contact = await stage.document(), stage.contact()
    assert document["_sync"]["link"]["id"] == master
    assert document["_sync"]["link"]["former"] == [before]
    assert document["phone"] == contact["Phone"] == "+40712000999"
    assert (contact[EXTERNAL_ID], contact[TOKEN].partition(":")[0]) == ("cust-1", "cust-1")


@pytest.mark.parametrize("chain", [False, True])
async def test_a_master_that_is_met_before_it_is_followed_becomes_no_document(stage: Stage, chain: bool) -> None:
    """Its doorbell may come first: by another partition, or after a crash. The customer keeps the record."""
    stage.map(on_unlinked="create")
    before = await record_id(stage)
    master = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Phone": "+40712000999"})
    stage.salesforce.merge("Contact", master, [before])
    if chain:
        last = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Phone": "+40712000999"})
        stage.salesforce.merge("Contact", last, [master])
        master = last
    await stage.hear()
    stage.doorbells.rung.sort(key=lambda bell: b"cust-1" in bell[1])
    rung = [*stage.doorbells.rung]
    assert len(rung) > 1
    for bell in rung:
        stage.doorbells.rung[:] = [bell]
        await stage.answer_doorbells()
    await stage.settle()
    assert await stage.documents.read("customers", [master]) == {}
    assert await record_id(stage) == master
    assert (await stage.document())["phone"] == stage.contact()["Phone"] == "+40712000999"


async def test_a_master_that_no_document_follows_may_become_one(stage: Stage) -> None:
    """The platform has deleted the customer whose record it took in: it is sales' own from then on."""
    stage.map(on_unlinked="create")
    before = await record_id(stage)
    await stage.post({}, type_="customer.deleted")
    master = stage.salesforce.create("Contact", {"LastName": "Lovelace"})
    stage.salesforce.merge("Contact", master, [before])
    await stage.settle()
    assert await record_id(stage, master) == master


async def test_a_row_of_the_id_before_says_nothing_of_the_record(stage: Stage) -> None:
    """One writer waits long for its read; meanwhile another has followed a merge. That the old id is not there any more
    must not end the new one."""
    before = await record_id(stage)
    master = stage.salesforce.create("Contact", {"LastName": "Lovelace"})
    stage.changes.clear()
    stage.now += 60_000
    stage.salesforce.edit("Contact", before, {"Title": "told by an event that names no values"})
    (edit,) = stage.changes
    stage.changes[:] = [edit.model_copy(update={"type": ChangeType.GAP_UPDATE, "fields": {}})]
    await stage.hear()
    other, read = stage.new_writer(), stage.salesforce.read

    async def waits(*asked: Any) -> Any:
        stage.salesforce.read = read  # type: ignore[method-assign]
        stage.salesforce.merge("Contact", master, [before])
        await stage.hear()
        rung, stage.doorbells.rung[:] = stage.doorbells.rung[:], []
        await other.handle([stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in rung])
        assert await record_id(stage) == master
        stage.now += 1_000
        return await read(*asked)

    stage.salesforce.read = waits  # type: ignore[method-assign]
    await stage.settle()
    link = (await stage.document())["_sync"]["link"]
    assert (link["id"], link["gone"], link["former"]) == (master, False, [before])
    assert (await stage.document())["salesforce"]["syncStatus"] == "synced"


async def test_a_merge_into_anothers_record_is_parked_with_both_named(stage: Stage) -> None:
    """Which of two customers stays is nothing that a program may guess."""
    await stage.post({"last_name": "Byron", "email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    master = await record_id(stage, "cust-2")
    stage.salesforce.merge("Contact", master, [await record_id(stage)])
    await stage.settle()
    document = await stage.document()
    assert document["_sync"]["link"]["gone"]
    assert document["_sync"]["refusal"]["code"] == "MERGED_INTO_ANOTHERS_RECORD"
    assert "cust-2" in document["_sync"]["refusal"]["message"]
    assert await record_id(stage, "cust-2") == master
    stage.map(on_delete={"salesforce": "recreate"})
    await stage.post({"phone": "+40712000111"}, changed=["phone"])
    await stage.settle()
    assert len(stage.salesforce.rows["Contact"]) == 1, "no second record of one person"


async def test_a_record_without_a_document_is_ignored_by_default(stage: Stage) -> None:
    """A Contact that sales keep for themselves stays theirs."""
    stage.salesforce.create("Contact", {"LastName": "Byron"})
    (result,) = await stage.hear()
    assert (result.outcome, result.reason) == (Outcome.IGNORED, "rule 19: the record is not linked")


async def test_create_makes_a_document_of_a_record_and_gives_it_its_id(stage: Stage) -> None:
    """A Contact made by sales becomes a customer; later edits travel both ways."""
    stage.map(on_unlinked="create")
    made = stage.salesforce.create("Contact", {"LastName": "Byron", "Phone": "+40712000222"})
    await stage.settle()
    document = await stage.document(made)
    assert (document["last_name"], document["phone"]) == ("Byron", "+40712000222")
    assert stage.salesforce.rows["Contact"][made][EXTERNAL_ID] == made
    await stage.post({"phone": "+40712000333"}, id_=made, changed=["phone"])
    stage.salesforce.edit("Contact", made, {"LastName": "Gordon"})
    await stage.settle()
    assert stage.salesforce.rows["Contact"][made]["Phone"] == "+40712000333"
    assert (await stage.document(made))["last_name"] == "Gordon"
    assert (await stage.document(made))["salesforce"]["syncStatus"] == "synced"


async def test_create_heard_twice_makes_one_document(stage: Stage) -> None:
    """Two doorbells, two writers, or the same change again: there is one document."""
    stage.map(on_unlinked="create")
    made = stage.salesforce.create("Contact", {"LastName": "Byron"})
    stage.salesforce.edit("Contact", made, {"LastName": "Gordon"})
    await stage.hear()
    rung = [*stage.doorbells.rung]
    await stage.answer_doorbells()
    stage.doorbells.rung += rung
    (again,) = {result.reason for result in await stage.answer_doorbells()}
    assert again == "on_unlinked: the record is linked meanwhile"
    await stage.settle()
    assert (await stage.document(made))["last_name"] == "Gordon"


async def test_our_own_first_write_is_no_record_without_a_document(stage: Stage) -> None:
    """Its event may come before its answer was stored: it names our token."""
    stage.map(on_unlinked="create")
    await stage.post({"last_name": "Byron"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    assert len(stage.salesforce.rows["Contact"]) == 2
    for row in stage.salesforce.rows["Contact"]:
        assert row not in await stage.documents.read("customers", [row])


async def test_match_links_a_record_to_the_document_whose_id_it_holds(stage: Stage) -> None:
    """And leaves alone what names none, or one that has its record."""
    stage.map(on_unlinked="match", on_delete={"salesforce": "unlink"})
    stage.salesforce.remove("Contact", await record_id(stage))
    await stage.settle()
    loaded = stage.salesforce.create("Contact", {"LastName": "Lovelace", EXTERNAL_ID: "cust-1"})
    stranger = stage.salesforce.create("Contact", {"LastName": "Byron", EXTERNAL_ID: "cust-9"})
    nameless = stage.salesforce.create("Contact", {"LastName": "Shelley"})
    await stage.settle()
    assert await record_id(stage) == loaded
    assert await stage.documents.read("customers", [stranger, nameless, "cust-9"]) == {}


async def test_a_record_that_cannot_be_looked_at_is_looked_at_again(stage: Stage) -> None:
    """There is no document to say when: the doorbell itself stays."""
    stage.map(on_unlinked="create")
    made = stage.salesforce.create("Contact", {"LastName": "Byron"})
    await stage.hear()
    rung = [*stage.doorbells.rung]
    stage.salesforce.away = True
    with pytest.raises(Unavailable):
        await stage.answer_doorbells()
    stage.salesforce.away = False
    stage.doorbells.rung += rung
    await stage.settle()
    assert (await stage.document(made))["last_name"] == "Byron"


async def test_an_external_id_on_anothers_record_links_nothing(stage: Stage) -> None:
    """Somebody has overwritten it by hand: two customers must not take each other's values."""
    stage.salesforce.edit("Contact", await record_id(stage), {EXTERNAL_ID: "cust-2"})
    await stage.post({"last_name": "Byron", "email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    document = await stage.document("cust-2")
    assert document["_sync"]["refusal"]["code"] == "EXTERNAL_ID_ON_ANOTHERS_RECORD"
    assert "cust-1" in document["_sync"]["refusal"]["message"]
    assert document["last_name"] == "Byron"
    assert (await stage.document())["last_name"] == "Lovelace"


async def test_a_record_merged_into_anothers_is_taken_once_that_one_is_deleted(stage: Stage) -> None:
    """A person has decided which customer stays; it is asked every day."""
    await stage.post({"last_name": "Byron", "email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    master = await record_id(stage, "cust-2")
    stage.salesforce.merge("Contact", master, [await record_id(stage)])
    await stage.settle()
    await stage.post({}, id_="cust-2", type_="customer.deleted")
    stage.now += 25 * 3_600_000
    await stage.settle()
    document = await stage.document()
    assert document["_sync"]["link"]["id"] == master
    assert "refusal" not in document["_sync"]
    assert document["last_name"] == "Byron"


async def test_a_document_of_a_newer_mapping_keeps_back_no_answer_but_its_own(stage: Stage) -> None:
    """One of a call's documents is ahead: the others' answers are stored, and their log rows too."""
    await stage.post({"last_name": "Byron", "email": "b@example.org"}, id_="cust-2", type_="customer.created")
    await stage.settle()
    await stage.post({"title": "Countess"}, changed=["title"])
    await stage.post({"title": "Baron"}, id_="cust-2", changed=["title"])
    update = stage.salesforce.update

    async def moved_on(*call: Any) -> Any:
        document = await stage.document("cust-2")
        change = DocumentWrite(
            id="cust-2",
            revision=document["revision"],
            decision="other",
            set={"revision": document["revision"] + 1, "_sync.mapping": stage.catalog.version + 1},
            unset=[],
        )
        assert await stage.documents.write("customers", [change]) == set()
        return await update(*call)

    stage.salesforce.update = moved_on  # type: ignore[method-assign]
    with pytest.raises(DecidedByNewerMapping):
        await stage.answer_doorbells()
    states = [(await stage.document(key))["_sync"]["writes"][-1]["state"] for key in ("cust-1", "cust-2")]
    assert states == ["acknowledged", "open"]


async def test_kinds_of_one_object_meet_a_record_each_by_its_own_rule(stage: Stage) -> None:
    """A record that one kind has is still met by the other, in whatever order; our own writes are met by neither."""
    raw = preset("customers").model_dump(mode="json")
    participant = {
        **raw["kinds"]["customer"],
        "collection": "customers",
        "external_id": "Tandem_Participant_Id__c",
        "token": "Tandem_Participant_Write__c",
        "events": {},
        "on_unlinked": "create",
    }
    participant["fields"] = [{**field, "direction": "pull"} for field in participant["fields"]]
    raw["kinds"]["participant"] = {**participant, "collection": "participants"}
    stage.catalog = Catalog(Mapping.model_validate(raw))
    await stage.post({"title": "Countess"}, changed=["title"])
    await stage.answer_doorbells()
    await stage.hear()
    assert not stage.doorbells.rung
    record = await record_id(stage)
    stage.salesforce.edit("Contact", record, {"Title": "Analyst"})
    await stage.hear()
    assert [orjson.loads(value) for _key, value in stage.doorbells.rung][-1] == {
        "kind": "participant",
        "id": "",
        "record_id": record,
    }
