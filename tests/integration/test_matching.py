"""A person whom sales already know is not made a second time: matched by e-mail, in memory and on the real MongoDB."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from adapters.mongo.collections import ANY_CASE, prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.catalog import Catalog
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from schemas.unavailable import Unavailable

EXTERNAL_ID = "Tandem_Customer_Id__c"
MATCH = {"by": ["Email"], "prefer": [{"take": "present", "field": "AccountId"}]}
ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
async def stage(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """Customers who are matched by e-mail, on either store."""
    made = Stage(FakeDocuments())
    if request.param == "mongodb":
        await prepare(database, ["customers"])
        made = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))
    made.map(match=MATCH)
    return made


def contacts(stage: Stage) -> dict[str, str | None]:
    """External ids by record id."""
    return {record_id: row.get(EXTERNAL_ID) for record_id, row in stage.salesforce.rows.get("Contact", {}).items()}


async def status(stage: Stage, id_: str) -> tuple[str, str | None]:
    public = (await stage.document(id_))["salesforce"]
    return public["syncStatus"], public.get("syncError")


async def test_a_contact_with_the_same_email_becomes_the_customers_record(stage: Stage) -> None:
    """It gets our external id, both sides are brought together as at any first contact, and no second one is made."""
    known = stage.salesforce.create(
        "Contact", {"LastName": "Byron", "Email": "ADA@example.org", "Phone": "+40712345678"}
    )
    await stage.post(ADA)
    await stage.settle()
    assert contacts(stage) == {known: "cust-1"}
    document = await stage.document()
    assert document["salesforce"] == document["salesforce"] | {"recordId": known, "syncStatus": "synced"}
    assert document["phone"] == "+40712345678"
    assert stage.contact()["LastName"] == document["last_name"]


async def test_the_preferred_of_several_is_taken_and_the_others_are_told(stage: Stage) -> None:
    """An account goes before age; whoever looks at the history sees which others there were."""
    oldest, young = (stage.salesforce.create("Contact", {"LastName": "A", "Email": "ada@example.org"}) for _ in "12")
    dealt_with = stage.salesforce.create(
        "Contact", {"LastName": "A", "Email": "ada@example.org", "AccountId": "0015g0000000001AAA"}
    )
    await stage.post(ADA)
    await stage.settle()
    assert contacts(stage) == {oldest: None, young: None, dealt_with: "cust-1"}
    (row,) = [row for row in await rows_of(stage) if row["type"] == "match"]
    assert row["record"] == dealt_with
    assert row["by"] == "Email"
    assert row["runners_up"] == [oldest, young]


@pytest.mark.parametrize(
    ("prefer", "order"),
    [
        ([], ["old", "busy", "dealt with"]),
        ([{"take": "present", "field": "AccountId"}], ["dealt with", "old", "busy"]),
        ([{"take": "latest", "field": "LastActivityDate"}], ["busy", "old", "dealt with"]),
        ([{"take": "earliest", "field": "LastActivityDate"}], ["old", "busy", "dealt with"]),
        (
            [{"take": "latest", "field": "LastActivityDate"}, {"take": "present", "field": "AccountId"}],
            ["busy", "old", "dealt with"],
        ),
        (
            [{"take": "present", "field": "AccountId"}, {"take": "latest", "field": "LastActivityDate"}],
            ["dealt with", "busy", "old"],
        ),
    ],
    ids=["oldest", "account", "active", "longest idle", "active, then account", "account, then active"],
)
async def test_each_rule_for_several_matches_takes_its_own(
    stage: Stage, prefer: list[dict[str, str]], order: list[str]
) -> None:
    """The record that the rule names is linked and claimed, and the others are told, best first."""
    stage.map(match={"by": ["Email"], "prefer": prefer})
    named = {}
    for name, more in {
        "old": {"LastActivityDate": "2024-05-01"},
        "busy": {"LastActivityDate": "2026-11-01"},
        "dealt with": {"AccountId": "0015g0000000001AAA"},
    }.items():
        stage.now += 86_400_000
        named[name] = stage.salesforce.create("Contact", {"LastName": "A", "Email": "ada@example.org", **more})
    stage.changes.clear()
    await stage.post(ADA)
    await stage.settle()
    assert contacts(stage) == {named[name]: "cust-1" if name == order[0] else None for name in named}
    (row,) = [row for row in await rows_of(stage) if row["type"] == "match"]
    assert [row["record"], *row["runners_up"]] == [named[name] for name in order]


async def rows_of(stage: Stage) -> list[dict[str, Any]]:
    if isinstance(stage.log, MongoSyncLog):
        return await stage.log._database["salesforce_sync_logs"].find({}).to_list()
    return list(stage.log.rows.values())


@pytest.mark.parametrize("together", [True, False])
async def test_a_second_customer_with_the_same_email_parks_with_both_named(stage: Stage, together: bool) -> None:
    """In one batch, or later; neither takes the other's values."""
    known = stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org"})
    await stage.post(ADA)
    if not together:
        await stage.settle()
    await stage.post(ADA | {"last_name": "Other"}, id_="cust-2")
    await stage.settle()
    owners = [id_ for id_ in ("cust-1", "cust-2") if (await status(stage, id_))[0] == "synced"]
    assert len(owners) == 1
    assert contacts(stage) == {known: owners[0]}
    (other,) = {"cust-1", "cust-2"} - set(owners)
    assert await status(stage, other) == ("error", "MATCHED_RECORD_TAKEN")
    refusal = (await stage.document(other))["_sync"]["refusal"]
    assert refusal["message"] == f"{known} is that of {owners[0]}"
    await stage.post({"email": "own@example.org"}, id_=other, changed=["email"])
    await stage.settle()
    assert await status(stage, other) == ("synced", None), "another address of its own: it is made"
    assert sorted(str(name) for name in contacts(stage).values()) == ["cust-1", "cust-2"]


async def test_by_the_mapping_a_second_customer_has_a_record_of_its_own(stage: Stage) -> None:
    """For platforms on which families share an address."""
    stage.map(match=MATCH | {"taken": "create"})
    known = stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org"})
    for id_ in ("cust-1", "cust-2"):
        await stage.post(ADA, id_=id_)
        await stage.settle()
    assert contacts(stage)[known] == "cust-1"
    assert sorted(str(name) for name in contacts(stage).values()) == ["cust-1", "cust-2"]


async def test_a_record_with_another_external_id_is_not_taken(stage: Stage) -> None:
    """It is somebody's, of whom we may have heard nothing yet."""
    stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org", EXTERNAL_ID: "cust-9"})
    await stage.post(ADA)
    await stage.settle()
    assert await status(stage, "cust-1") == ("error", "MATCHED_RECORD_TAKEN")
    assert list(contacts(stage).values()) == ["cust-9"]


async def test_nobody_with_that_email_and_no_email_are_made_anew(stage: Stage) -> None:
    """One look-up for all of them."""
    await stage.post(ADA)
    await stage.post({"last_name": "Nameless"}, id_="cust-2")
    await stage.settle()
    assert sorted(str(name) for name in contacts(stage).values()) == ["cust-1", "cust-2"]
    assert len([call for call in stage.salesforce.calls if call.operation == "match"]) == 1


async def test_two_writers_at_once_give_one_record_to_one_document(stage: Stage) -> None:
    """Both have found it free: the claim decides."""
    known = stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org"})
    await stage.post(ADA)
    await stage.post(ADA, id_="cust-2")
    match, both_look = stage.salesforce.match, asyncio.Barrier(2)

    async def looking(*asked: Any) -> Any:
        found = await match(*asked)
        await both_look.wait()
        return found

    stage.salesforce.match = looking  # type: ignore[method-assign]
    rung, stage.doorbells.rung[:] = stage.doorbells.rung[:], []
    bells = {value: stage.record("salesforce.writes", key, value) for key, value in rung}
    assert len(bells) == 2
    await asyncio.gather(*(stage.new_writer().handle([bell]) for bell in bells.values()))
    stage.salesforce.match = match  # type: ignore[method-assign]
    await stage.settle()
    statuses = sorted([(await status(stage, id_))[0] for id_ in ("cust-1", "cust-2")])
    assert statuses == ["error", "synced"]
    assert len(contacts(stage)) == 1
    assert contacts(stage)[known] in ("cust-1", "cust-2")


async def test_a_writer_killed_between_claim_and_link_leaves_it_to_the_next(stage: Stage) -> None:
    """The claim is the document's own: it is linked at the next look."""
    known = stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org"})
    await stage.post(ADA)
    write, killed = stage.documents.write, False

    async def kill(collection: str, writes: Any) -> Any:
        nonlocal killed
        if not killed and any("_sync.link" in one.set or "link" in one.set.get("_sync", {}) for one in writes):
            killed = True
            raise Unavailable("killed here")
        return await write(collection, writes)

    stage.documents.write = kill  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await stage.answer_doorbells()
    await stage.settle()
    assert killed
    assert contacts(stage) == {known: "cust-1"}


async def test_where_salesforce_is_away_nobody_is_made_without_a_look(stage: Stage) -> None:
    """It is deferred, and matched when Salesforce is back."""
    known = stage.salesforce.create("Contact", {"LastName": "Byron", "Email": "ada@example.org"})
    await stage.post(ADA)
    match = stage.salesforce.match

    async def away(*_asked: Any) -> Any:
        raise Unavailable("away")

    stage.salesforce.match = away  # type: ignore[method-assign]
    assert [result.outcome for result in await stage.answer_doorbells()] == [Outcome.DEFERRED]
    stage.salesforce.match = match  # type: ignore[method-assign]
    await stage.settle()
    assert contacts(stage) == {known: "cust-1"}


# From Salesforce: a record that names no document


async def waiting_customer(stage: Stage, id_: str = "cust-1", **fields: Any) -> None:
    """One who is not written to Salesforce, by the mapping's filter."""
    assert (await stage.post(ADA | fields, id_=id_)).outcome is Outcome.APPLIED
    await stage.settle()
    assert (await status(stage, id_))[0] == "filtered"


@pytest.fixture(params=["match", "create"])
def adopting(request: pytest.FixtureRequest, stage: Stage) -> Stage:
    """Records are looked at; customers without a title stay out of Salesforce."""
    stage.map(match=MATCH, on_unlinked=request.param, filters={"push": {"path": "title", "present": True}})
    return stage


async def test_a_contact_made_by_sales_is_linked_to_the_customer_of_its_email(adopting: Stage) -> None:
    """In whatever case; both sides are brought together, and the platform has the person once."""
    stage = adopting
    await waiting_customer(stage)
    made = stage.salesforce.create(
        "Contact", {"LastName": "Lovelace", "Email": "Ada@Example.org", "Phone": "+40712345678"}
    )
    await stage.settle()
    document = await stage.document()
    assert document["_sync"]["link"]["id"] == made
    assert (document["phone"], document["email"]) == ("+40712345678", "ada@example.org")
    assert await stage.documents.read("customers", [made]) == {}


async def test_of_two_contacts_the_first_is_linked(adopting: Stage) -> None:
    """The other belongs to nobody: it makes no second customer of the same person, and none is refused."""
    stage = adopting
    await waiting_customer(stage)
    first, second = (stage.salesforce.create("Contact", {"LastName": "A", "Email": "ada@example.org"}) for _ in "12")
    await stage.hear()
    results = await stage.answer_doorbells()
    assert sorted(result.reason for result in results) == [
        "on_unlinked: matched",
        "on_unlinked: the document that it matches has matched another record",
    ]
    await stage.settle()
    assert (await stage.document())["_sync"]["link"]["id"] in (first, second)
    assert await stage.documents.read("customers", [first, second]) == {}


async def test_where_several_customers_match_nobody_guesses(adopting: Stage) -> None:
    stage = adopting
    await waiting_customer(stage, "cust-1")
    await waiting_customer(stage, "cust-2", email="ADA@example.org")
    stage.salesforce.create("Contact", {"LastName": "Lovelace", "Email": "ada@example.org"})
    await stage.hear()
    (result,) = await stage.answer_doorbells()
    assert (result.outcome, result.reason) == (Outcome.IGNORED, "on_unlinked: several documents match the record")


async def test_a_customer_whose_record_is_being_made_gets_no_other(adopting: Stage) -> None:
    """The answer to the first write is lost: the record may be there."""
    stage = adopting
    stage.salesforce.fail_next_call(lands="later")
    await stage.post(ADA | {"title": "Countess"})
    await stage.answer_doorbells()
    made = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Email": "ada@example.org"})
    await stage.hear()
    results = await stage.answer_doorbells()
    assert "on_unlinked: a record of the document that it matches is being made" in [one.reason for one in results]
    stage.salesforce.land_late()
    await stage.settle()
    assert (await stage.document())["_sync"]["link"]["id"] != made


async def test_what_was_set_in_a_record_that_is_gone_unread_is_kept_when_another_is_taken(adopting: Stage) -> None:
    """Sales edit a record that we have just made, delete it, and import one that names the customer: its doorbell comes
    before anybody has asked what has taken the place of the first."""
    stage = adopting
    await stage.post(ADA | {"title": "Countess", "phone": "+40712345678"})
    await stage.answer_doorbells()
    first = (await stage.document())["_sync"]["link"]["id"]
    await stage.hear()
    stage.salesforce.edit("Contact", first, {"Title": "Baroness"})
    stage.salesforce.remove("Contact", first)
    await stage.hear()
    assert (await stage.document())["_sync"]["link"] | {"read": False, "gone": True} == (await stage.document())[
        "_sync"
    ]["link"]
    second = stage.salesforce.create("Contact", {"LastName": "Lovelace", EXTERNAL_ID: "cust-1"})
    stage.doorbells.rung.clear()
    await stage.hear()
    assert [result.reason for result in await stage.answer_doorbells()] == ["on_unlinked: matched"]
    await stage.settle()
    document = await stage.document()
    assert document["_sync"]["link"]["id"] == second
    assert document["title"] == "Baroness"
    assert stage.salesforce.rows["Contact"][second]["Title"] == "Baroness"


async def test_a_merged_record_that_names_the_customer_is_followed_and_not_met_anew(stage: Stage) -> None:
    """Whoever merges has chosen our external id, and no title: what is empty there was cleared, and is in no other."""
    stage.map(match=MATCH, on_unlinked="match")
    await stage.post(ADA | {"title": "Countess"})
    await stage.settle()
    first = (await stage.document())["_sync"]["link"]["id"]
    second = stage.salesforce.create("Contact", {"LastName": "Lovelace"})
    await stage.settle()
    stage.now += 60_000
    stage.salesforce.merge("Contact", second, [first], {EXTERNAL_ID: "cust-1", "Email": ADA["email"]})
    await stage.hear()
    stage.doorbells.rung[:] = [bell for bell in stage.doorbells.rung if second.encode() in bell[0]]
    assert [one.reason for one in await stage.answer_doorbells()] == ["rule 23: a document's record was merged into it"]
    await stage.settle()
    document = await stage.document()
    assert (document["_sync"]["link"]["id"], document["_sync"]["link"]["former"]) == (second, [first])
    assert document["title"] is None
    assert "Title" not in stage.salesforce.rows["Contact"][second]


async def test_a_record_that_matches_nobody_is_as_before(adopting: Stage) -> None:
    """A customer of another e-mail, a linked one, and one whom the platform has deleted are not taken."""
    stage = adopting
    await waiting_customer(stage)
    await stage.post({}, type_="customer.deleted")
    other = stage.salesforce.create("Contact", {"LastName": "Lovelace", "Email": "ada@example.org"})
    await stage.hear()
    (result,) = await stage.answer_doorbells()
    made = stage.catalog.kinds["customer"].on_unlinked == "create"
    assert result.reason == ("on_unlinked: a document was made of the record" if made else LEFT)
    assert bool(await stage.documents.read("customers", [other])) is made


LEFT = "on_unlinked: the record names no document"


@pytest.mark.integration
async def test_documents_are_matched_in_one_indexed_query(database: AsyncDatabase[dict[str, Any]]) -> None:
    """The plan that MongoDB makes of the very query: by the index, and no more documents looked at than found."""
    await prepare(database, ["customers"], (), [("customers", "email")])
    documents = [{"_id": f"cust-{number}", "email": f"user{number}@example.org"} for number in range(500)]
    await database["customers"].insert_many(documents)
    found = await MongoDocuments(database).matching("customers", "email", ["USER7@example.org", "user8@example.org"])
    assert sorted(one["_id"] for one in found) == ["cust-7", "cust-8"]
    query = {"find": "customers", "filter": {"email": {"$in": ["USER7@example.org", "user8@example.org"]}}}
    query["collation"] = ANY_CASE.document
    told = await database.command({"explain": query, "verbosity": "executionStats"})
    assert told["queryPlanner"]["winningPlan"]["inputStage"]["stage"] == "IXSCAN"
    assert told["executionStats"]["totalDocsExamined"] == 2


@pytest.mark.parametrize("held", ["https://www.Acme.com", "http://acme.com/", "ACME.com"])
async def test_a_company_is_matched_by_its_domain_and_then_by_its_name(stage: Stage, held: str) -> None:
    """However sales have written its address; a name is compared whatever its case."""
    company = {
        "collection": "customers",
        "sobject": "Account",
        "external_id": "Tandem_Company_Id__c",
        "token": "Tandem_Company_Write__c",
        "events": {"company.created": "values"},
        "match": {"by": ["Website", "Name"]},
        "fields": [
            {"platform": "name", "salesforce": "Name", "transform": ["trim"]},
            {"platform": "website", "salesforce": "Website", "transform": ["trim", "domain"]},
        ],
    }
    stage.catalog = Catalog(Mapping.model_validate({"kinds": {"company": company}}))
    by_name = stage.salesforce.create("Account", {"Name": "ACME Travel"})
    by_domain = stage.salesforce.create("Account", {"Name": "Acme Inc.", "Website": held})
    await stage.post({"name": "Acme travel", "website": "acme.com/en"}, id_="acme", type_="company.created")
    await stage.settle()
    rows = stage.salesforce.rows["Account"]
    assert rows[by_domain]["Tandem_Company_Id__c"] == "acme"
    assert rows[by_domain]["Website"] == held, "the same to both sides, so it stays as sales have written it"
    await stage.post({"name": "acme travel", "website": "other.com"}, id_="other", type_="company.created")
    await stage.settle()
    assert rows[by_name]["Tandem_Company_Id__c"] == "other"
    assert len(rows) == 2
