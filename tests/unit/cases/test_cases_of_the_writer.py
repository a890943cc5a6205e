"""The failure cases of the way out to Salesforce, each by its number in docs/failure-cases.md: 7, 8 and 16 to 25.

The real adapter and writer on a simulated org whose events are heard by the real stream; Kafka and MongoDB are in
memory. The same cases on the real ones are in `tests/e2e`.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.case_world import KEY, CaseWorld, case_world
from support.fake_documents import FakeReservations
from support.refresh_world import OneAtATime
from support.refresh_world import World as RefreshWorld

from adapters.salesforce.refresh import RefreshedLogins
from consumers.rules.budget import BudgetPolicy
from schemas import topics
from schemas.mapping_reading import parse_mapping
from schemas.outcome import Outcome
from schemas.presets import preset
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind

ROWS_OF_A_JOB = 5
LONG_ENOUGH = 600
"""Rounds in which a Bulk job of a few rows is done."""
TEXT = 'Two lines,\n"quoted"'


async def titles(world: CaseWorld, *ids: str) -> list[str]:
    """What the documents show, where the records show the same."""
    shown = [await world.both(id_, "title", "Title") for id_ in ids]
    assert all(document == record for document, record in shown), shown
    return [document for document, _record in shown]


async def status(world: CaseWorld, id_: str, collection: str = "customers") -> str:
    """What the platform reads of the sync."""
    return str((await world.document(id_, collection))["salesforce"]["syncStatus"])


@pytest.mark.parametrize("marked", [True, False])
async def test_case_07_an_echo(tmp_path: Path, *, marked: bool) -> None:
    """In the field: our write returns as a change, is taken for somebody's edit, and is written back, for ever.

    Here: the token tells our own, also where the client's mark is lost, on a repeat after a 401 and beside triggers in
    the same transaction, whose doing is taken over: one write each, and nothing is written for an edit of a user's.
    """
    raw = preset("customers").model_dump(mode="json", exclude_defaults=True)
    for field in raw["kinds"]["customer"]["fields"]:
        if field["platform"] in ("title", "department"):
            field["policy"] = "platform_wins"
    async with case_world(tmp_path, parse_mapping(raw), collections_keep_client=marked) as world:
        await world.linked("c-1", title="Engineer", department="Sales")
        world.trigger(object="Contact", field="Title", action="upper")
        world.trigger(object="Contact", field="Phone", action="set", target="Department", value="Called {}")
        world.plant(FaultKind.UNAUTHORIZED, path="/composite", count=1, revoke=True)
        commits = world.commits()
        await world.post("c-1", title="Analyst", phone="+40722000111")
        await world.settle()
        assert world.commits() == commits + 1
        assert await titles(world, "c-1") == ["ANALYST"]
        assert await world.both("c-1", "department", "Department") == ("Called +40722000111",) * 2
        world.edit("c-1", Title="COUNTESS")
        await world.settle()
        assert world.commits() == commits + 2
        assert await titles(world, "c-1") == ["COUNTESS"]


async def test_case_08_two_quick_updates(tmp_path: Path) -> None:
    """In the field: two quick edits and the read-back of the first one between them: the value flips to and fro.

    Here: the event of the first write is told by its number from an edit, so the second value stays and is written.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="Zero")
        await world.post("c-1", title="One")
        world.stage.now += 3_000
        await world.stage.answer_doorbells()
        assert world.record("c-1")["Title"] == "One"
        await world.post("c-1", title="Two")
        await world.heard_all()
        await world.consume()
        assert (await world.document("c-1"))["title"] == "Two", "shown at no time is the first one again"
        await world.settle()
        assert await titles(world, "c-1") == ["Two"]
        assert world.written("c-1") == ["Zero", "One", "Two"]
        assert not [row for row in world.stage.log.rows.values() if row["type"] == "audit"]  # type: ignore[attr-defined]


async def test_case_16_a_create_without_an_answer(tmp_path: Path) -> None:
    """In the field: a create that timed out is sent once more, and there are two people.

    Here: records are made by an upsert with our external id alone; after an unknown answer the record is looked for,
    linked and read whole before anything is written, so an edit that a user has made of it meanwhile stands.
    """
    async with case_world(tmp_path) as world:
        world.plant(FaultKind.REPLY_LOST, path="/composite/sobjects/Contact/", count=1)
        await world.post("c-1", "customer.created", last_name="Lovelace", title="Engineer")
        world.stage.now += 3_000
        await world.stage.answer_doorbells()
        assert world.made() == 1, "Salesforce has made it, and nobody heard"
        world.edit("c-1", Title="Countess")
        await world.settle()
        assert world.made() == 1
        assert await titles(world, "c-1") == ["Countess"]
        assert world.written("c-1") == ["Engineer"], "nothing was written over the user's edit"


async def test_case_17_a_partial_success(tmp_path: Path) -> None:
    """In the field: of a batch some rows fail; they are acknowledged and lost, or all are sent again and doubled.

    Here: each row has its own outcome: the good are written once, a locked one is repeated alone, a refused one is
    parked by name, stays in its document, and goes out when its value is mended.
    """
    async with case_world(tmp_path) as world:
        world.trigger(object="Contact", field="LastName", action="refuse", matches="^Refused", message="No.")
        world.plant(FaultKind.LOCK_ROW, skip=2, count=1)
        names = {"c-1": "Good", "c-2": "Refused", "c-3": "Good", "c-4": "Good", "c-5": "Refused"}
        for id_, name in names.items():
            await world.post(id_, "customer.created", last_name=f"{name} {id_}")
        await world.settle()
        assert world.made() == 3
        assert sorted(row[KEY] for row in world.records()) == ["c-1", "c-3", "c-4"]
        assert [await status(world, id_) for id_ in names] == ["synced", "error", "synced", "synced", "error"]
        assert world.outcomes(Outcome.PARKED) == 2
        await world.post("c-2", last_name="Good now")
        await world.settle()
        assert (world.made(), await status(world, "c-2")) == (4, "synced")


@pytest.mark.parametrize("end", ["complete", "failed"])
async def test_case_18_a_bulk_job_that_was_accepted(tmp_path: Path, end: str) -> None:
    """In the field: a job that was uploaded counts as done; rows that failed or never ran are nobody's business.

    Here: all three of its lists are read to their end: what failed is told in its document, what never ran is sent
    again, and every row is written once.
    """
    async with case_world(tmp_path, bulk_rows=ROWS_OF_A_JOB) as world:
        world.trigger(object="Contact", field="LastName", action="refuse", matches="^Refused", message="No.")
        if end == "failed":
            world.plant(FaultKind.JOB_FAILED, path="Contact", count=1)
        ids = [f"c-{number}" for number in range(7)]
        for number, id_ in enumerate(ids):
            await world.post(id_, "customer.created", last_name=f"{'Refused' if number == 3 else 'Good'} {id_}")
        await world.settle(LONG_ENOUGH)
        assert world.calls("POST", "/jobs/ingest") >= 1
        assert world.made() == 6
        assert sorted(row[KEY] for row in world.records()) == [id_ for id_ in ids if id_ != "c-3"]
        assert await status(world, "c-3") == "error"
        sync = (await world.document("c-3"))["_sync"]
        assert sync["refusal"]["code"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        if end == "complete":
            assert [write["state"] for write in sync["writes"]] == ["rejected"], "the job itself has told"


async def test_case_19_null_absent_and_value(tmp_path: Path) -> None:
    """In the field: in Bulk CSV an empty cell leaves a field as it was and `#N/A` clears it; line breaks are lost.

    Here: the same edits by a job and by calls leave the same records, cleared, left and set, line breaks included.
    """
    edits: list[dict[str, Any]] = [
        {"title": None},
        {"department": TEXT},
        {"title": "CEO", "department": None},
        {"title": "", "first_name": "Ada"},
        {"first_name": TEXT},
        {"department": "Ops"},
    ]
    held: dict[str, list[tuple[Any, ...]]] = {}
    for way, rows in (("job", ROWS_OF_A_JOB), ("calls", 0)):
        folder = tmp_path / way
        folder.mkdir()
        async with case_world(folder, bulk_rows=rows) as world:
            ids = [f"c-{number}" for number in range(len(edits))]
            for id_ in ids:
                await world.post(id_, "customer.created", last_name="L", title="CTO", department="Sales")
            await world.settle(LONG_ENOUGH)
            for id_, fields in zip(ids, edits, strict=True):
                await world.post(id_, **fields)
            await world.settle(LONG_ENOUGH)
            assert world.calls("POST", "/jobs/ingest") == (2 if rows else 0)
            records = [world.record(id_) for id_ in ids]
            held[way] = [(each["Title"], each["Department"], each["FirstName"]) for each in records]
    assert held["job"] == held["calls"]
    assert held["job"] == [
        (None, "Sales", None),
        ("CTO", TEXT, None),
        ("CEO", None, None),
        (None, "Sales", "Ada"),
        ("CTO", "Sales", TEXT),
        ("CTO", "Ops", None),
    ]


KINDS = {
    "customer": {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": KEY,
        "token": "Tandem_Customer_Write__c",
        "events": {"customer.created": "values", "customer.updated": "values"},
        "fields": [
            {"platform": "last_name", "salesforce": "LastName"},
            {"platform": "company_id", "salesforce": "AccountId", "lookup": "company"},
        ],
    },
    "company": {
        "collection": "companies",
        "sobject": "Account",
        "external_id": "Tandem_Company_Id__c",
        "token": "Tandem_Company_Write__c",
        "events": {"company.updated": "values"},
        "fields": [{"platform": "name", "salesforce": "Name"}],
    },
}


async def test_case_20_many_children_of_one_parent(tmp_path: Path) -> None:
    """In the field: attendees of one account are written at once, and fail with UNABLE_TO_LOCK_ROW.

    Here: two writers are never at one account together, and a row that somebody else holds is tried again, alone.
    """
    async with case_world(tmp_path, parse_mapping({"kinds": KINDS}), row_lock_ms=400, row_lock_wait_ms=1) as world:
        await world.stage.post({"name": "Acme"}, id_="acme", type_="company.updated")
        await world.settle()
        shared = FakeReservations()
        writers = [world.writer(shared), world.writer(shared)]
        for number in range(12):
            await world.post(f"c-{number}", "customer.created", last_name="L", company_id="acme")
        world.stage.now += 3_000
        rung = list(dict(world.stage.doorbells.rung).items())
        world.stage.doorbells.rung.clear()
        bells = [world.stage.record(topics.SALESFORCE_WRITES, key, value) for key, value in rung]
        await asyncio.gather(writers[0].handle(bells[::2]), writers[1].handle(bells[1::2]))
        assert (await world.org.admin("GET", "/locks"))["met"] == 0
        world.plant(FaultKind.LOCK_ROW, count=2)
        await world.post("c-0", last_name="Again")
        await world.post("c-1", last_name="Again")
        await world.settle()
        assert world.made() == 12
        assert world.written("c-0", "LastName") == world.written("c-1", "LastName") == ["L", "Again"]
        assert world.parked() == {}
        assert not shared.holders


async def test_case_21_a_merge(tmp_path: Path) -> None:
    """In the field: a user merges two records; ours is the one that ends, and answers ENTITY_IS_DELETED for ever.

    Here: the record that took its place is asked for and followed, whether the event or a write of ours was first.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", "c-2", title="before")
        for id_, heard_first in (("c-1", True), ("c-2", False)):
            loser = world.record(id_)["Id"]
            (master,) = world.act(Edit(action="create", fields={"LastName": "Entered twice", "Title": "master's"}))
            world.act(Edit(action="merge", id=master, losers=(loser,)))
            if heard_first:
                await world.settle()
            await world.post(id_, title=f"after the merge {id_}")
            world.stage.now += 3_000
            await world.stage.answer_doorbells()
            await world.settle()
            assert world.record(id_)["Id"] == master
            assert (await world.document(id_))["salesforce"]["recordId"] == master
            assert await status(world, id_) == "synced"
        assert await titles(world, "c-1", "c-2") == ["after the merge c-1", "master's"]
        (lost,) = [row for row in world.stage.log.rows.values() if row["type"] == "audit"]  # type: ignore[attr-defined]
        assert (lost["document"], lost["platform"]["value"]) == ("c-2", "after the merge c-2"), "unseen, and audited"
        assert world.parked() == {}


def leads() -> Any:
    """The hackathon's people and members; whoever is new is a lead."""
    raw = preset("hackathon").model_dump(mode="json", exclude_defaults=True)
    raw["kinds"] = {name: raw["kinds"][name] for name in ("company", "participant", "event", "registration")}
    participant = raw["kinds"]["participant"]
    participant["fields"] = [each for each in participant["fields"] if "derive" not in each]
    participant.pop("enrichment", None)
    kept = {each["salesforce"] for each in participant["fields"]}
    participant["lead"]["fields"] = {name: here for name, here in participant["lead"]["fields"].items() if name in kept}
    return parse_mapping(raw)


async def register(world: CaseWorld, id_: str, participant: str = "p-1") -> None:
    """Somebody registers for the one event."""
    await world.post(id_, "registration.created", event_id="hack", participant_id=participant, status="registered")
    await world.settle()


async def of_hackathon(world: CaseWorld) -> None:
    """One event and one participant, registered for it."""
    await world.post("hack", "event.created", name="Spring Hack", type="hackathon", status="open", active=True)
    await world.post("p-1", "participant.registered", last_name="Loper", email="dev@x.io", city="Cluj", consent=True)
    await register(world, "r-1")


async def test_case_22_a_converted_lead(tmp_path: Path) -> None:
    """In the field: a write to a converted lead is refused with CANNOT_UPDATE_CONVERTED_LEAD, and the person is lost.

    Here: the contact that it became is followed by an event or by the refusal, whichever is first.
    """
    for heard_first in (True, False):
        folder = tmp_path / str(heard_first)
        folder.mkdir()
        async with case_world(folder, leads()) as world:
            await of_hackathon(world)
            (lead,) = world.records("Lead")
            contact = await world.org.convert(lead["Id"])
            if heard_first:
                await world.settle()
            await world.post("p-1", "participant.updated", city="Iasi")
            world.stage.now += 3_000
            await world.stage.answer_doorbells()
            await world.settle()
            (row,) = world.records("Contact")
            assert (row["Id"], row["MailingCity"], row["Tandem_Participant_Id__c"]) == (contact, "Iasi", "p-1")
            assert (await world.document("p-1", "participants"))["salesforce"]["contactId"] == contact
            assert await status(world, "p-1", "participants") == "synced"
            assert world.parked() == {}


async def test_case_23_a_campaign_member_is_unique(tmp_path: Path) -> None:
    """In the field: a person is in a campaign once; a refund and a second order make a second member, which is refused.

    Here: a member has the registration's external id; cancelled it goes, ordered anew it comes, and after a conversion
    of the lead it is the contact's, once.
    """
    async with case_world(tmp_path, leads()) as world:
        await of_hackathon(world)
        (member,) = world.records("CampaignMember")
        await world.post("r-1", "registration.deleted")
        await register(world, "r-2")
        (again,) = world.records("CampaignMember")
        assert again["Id"] != member["Id"]
        assert again["Tandem_Registration_Id__c"] == "r-2"
        await world.org.convert(world.records("Lead")[0]["Id"])
        await world.settle()
        await world.post("r-2", "registration.deleted")
        await register(world, "r-3")
        (last,) = world.records("CampaignMember")
        (contact,) = world.records("Contact")
        assert (last["ContactId"], last["Tandem_Registration_Id__c"]) == (contact["Id"], "r-3")
        assert await status(world, "r-3", "registrations") == "synced"
        assert world.parked() == {}


async def test_case_24_refresh_tokens_that_rotate() -> None:
    """In the field: two processes refresh at once; the second use of the token revokes the whole connection.

    Here: thirty calls of four processes whose token has ended cost one refresh, and everybody has its token.
    """
    world = RefreshWorld(24, RefreshedLogins, OneAtATime)
    calls = [world.call(process) for process in world.processes for _ in range(8)]
    assert all(await asyncio.gather(*calls))
    assert world.org.refreshes == 1
    assert not world.org.ended
    assert world.store.rows["app"].refresh_token == world.org.refresh_token


async def test_case_25_the_orgs_limits(tmp_path: Path) -> None:
    """In the field: the day's API calls run out, and everything stops, other teams' apps too.

    Here: the last fifth is never touched, documents wait without an error, and all goes on by itself.
    """
    async with case_world(tmp_path, budget=BudgetPolicy(), daily_api_requests=1_000) as world:
        ids = [f"c-{number}" for number in range(6)]
        await world.linked(*ids, title="before")
        usage = world.org.org.org.usage
        usage.allocation.leave(201)
        for id_ in ids:
            await world.post(id_, title=f"without room {id_}")
            world.stage.now += 3_000
            await world.stage.sweep.ring_due()
            await world.stage.answer_doorbells()
        assert usage.used() <= 801
        assert [await status(world, id_) for id_ in ids].count("pending") >= 5
        assert world.outcomes(Outcome.PARKED) == 0
        usage.allocation.leave(1_000)
        world.stage.now += 300_000
        await world.settle()
        assert await titles(world, *ids) == [f"without room {id_}" for id_ in ids]
        assert world.parked() == {}
