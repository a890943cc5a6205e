"""Both sides compared: every reason for a difference brought about, and what nothing accounts for told from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.lead_stage import ADA as LEAD_ADA
from support.lead_stage import LeadStage
from support.orders import MAPPING
from support.verify_world import ADA, LATER, World

from consumers.rules.verify_reasons import TRULY_DIFFERENT, Standing, Why, standing
from consumers.writer.read import modified_at
from ops.verify_command import moment_of
from ops.verify_view import end_lines, finding_lines, lines_of_json, report_view
from schemas.change import Change
from schemas.codec import decode
from schemas.polling import ModifiedRow
from schemas.records import Failure


class Killed(BaseException):
    """What a process does not live to handle."""


ROOT = Path(__file__).parents[2]


@pytest.fixture
def world() -> World:
    return World()


async def test_sides_at_rest_are_the_same_by_the_mappings_own_keys(world: World) -> None:
    """Rule 27: the phone is written in another form on each side."""
    await world.at_rest()
    report = await world.verify()
    assert (report.documents, report.same, report.truly_different) == ({"customer": 1}, {"customer": 1}, 0)
    assert not report.reasons


async def test_an_edit_that_nobody_told_of_is_truly_different_and_repaired_by_the_ordinary_rules(world: World) -> None:
    """The finding names the path and no value; the same look again finds the sides equal."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    report = await world.verify(repair=True)
    (finding,) = report.findings
    assert (finding.document_id, finding.record_id, finding.difference.path) == ("cust-1", record_id, "title")
    assert finding.difference.why is Why.DIFFERENT
    assert (report.truly_different, report.asked_again, report.by_hand) == (1, 1, 0)
    assert "Countess" not in "".join(finding_lines(report, values=False)) + lines_of_json(report, values=False)
    assert "Countess" in "".join(finding_lines(report, values=True))
    assert "Countess" in lines_of_json(report, values=True)
    await world.look_again()
    assert (await world.stage.document())["title"] == "Countess"
    assert (await world.verify()).same == {"customer": 1}


async def test_a_record_that_nothing_told_was_deleted_is_found_by_its_id(world: World) -> None:
    """A hard delete brings no event and stands in no query: the repair has the id read, and the link is gone then."""
    record_id = await world.at_rest()
    await world.stage.salesforce.delete("Contact", [record_id])
    world.stage.changes.clear()
    assert await world.reasons() == {Why.MISSING}
    await world.verify(repair=True)
    await world.look_again()
    assert (await world.stage.document())["salesforce"]["syncStatus"] == "gone"
    assert await world.reasons() == {Why.GONE}


async def test_what_happens_between_the_two_readings_is_looked_at_once_more(world: World) -> None:
    """The document was decided after it was read for the first time."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Title="Countess")
    read = world.stage.salesforce.read
    world.stage.salesforce.edit("Contact", record_id, {"Title": "Countess again"})

    async def meanwhile(*given: Any) -> Any:
        answer = await read(*given)
        world.stage.salesforce.read = read  # type: ignore[method-assign]
        await world.stage.hear()
        return answer

    world.stage.salesforce.read = meanwhile  # type: ignore[method-assign]
    world.stage.now += LATER
    assert (await world.verify()).truly_different == 0


async def an_edit_on_its_way(world: World, record_id: str) -> None:
    world.stage.salesforce.edit("Contact", record_id, {"Title": "Countess"})


async def a_writer_killed_in_its_call(world: World, _record_id: str) -> None:
    async def killed(*_given: Any) -> Any:
        raise Killed

    await world.stage.post({"title": "Countess"}, changed=["title"])
    update = world.stage.salesforce.update
    world.stage.salesforce.update = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await world.stage.answer_doorbells()
    world.stage.salesforce.update = update  # type: ignore[method-assign]


async def a_write_that_nobody_answered(world: World, _record_id: str) -> None:
    await world.stage.post({"title": "Countess"}, changed=["title"])
    world.stage.salesforce.fail_next_call(lands="later")
    await world.stage.answer_doorbells()


async def a_doorbell_not_answered(world: World, _record_id: str) -> None:
    await world.stage.post({"title": "Countess"}, changed=["title"])


async def an_org_that_was_away(world: World, _record_id: str) -> None:
    await world.stage.post({"title": "Countess"}, changed=["title"])
    world.stage.salesforce.away = True
    await world.stage.answer_doorbells()
    world.stage.salesforce.away = False


async def a_refused_write(world: World, _record_id: str) -> None:
    await world.stage.post({"title": "Countess"}, changed=["title"])
    world.stage.salesforce.fail_rows(lambda _update: True, Failure.REJECTED)
    await world.stage.answer_doorbells()


async def a_whole_read_asked_for(world: World, record_id: str) -> None:
    world.edit_unheard(record_id, Title="Countess")
    await world.verify(repair=True)
    change = decode(Change, world.changes.records[0].value)
    await world.stage.reconciler.handle([world.stage.change(change)])


async def a_deletion_on_the_platform(world: World, _record_id: str) -> None:
    await world.stage.post({}, type_="customer.deleted")
    await world.stage.settle()


async def a_deletion_in_salesforce(world: World, record_id: str) -> None:
    await world.stage.salesforce.delete("Contact", [record_id])
    await world.stage.settle()


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (an_edit_on_its_way, Why.IN_FLIGHT),
        (a_writer_killed_in_its_call, Why.IN_FLIGHT),
        (a_write_that_nobody_answered, Why.DEFERRED),
        (a_doorbell_not_answered, Why.DUE),
        (an_org_that_was_away, Why.DEFERRED),
        (a_refused_write, Why.PARKED),
        (a_whole_read_asked_for, Why.TO_BE_READ),
        (a_deletion_on_the_platform, Why.DELETED),
        (a_deletion_in_salesforce, Why.GONE),
    ],
)
async def test_a_difference_that_somebody_is_about_to_end_is_explained(
    world: World, happens: Callable[[World, str], Any], why: Why
) -> None:
    """And is no reason for an exit code."""
    await happens(world, await world.at_rest())
    report = await world.verify()
    assert {each for each, _code in report.reasons} == {why}
    assert report.truly_different == 0


@pytest.mark.parametrize(
    ("settings", "edit", "why"),
    [
        ({"policy": "review"}, {"Title": "Countess"}, Why.REVIEW),
        ({"policy": "fill_only"}, {}, Why.FILL_ONLY),
        ({"create_only": True, "direction": "push"}, {}, Why.CREATE_ONLY),
        ({"consent": {"path": "email", "equals": "nobody@example.org"}}, {}, Why.NO_CONSENT),
    ],
)
async def test_what_is_held_back_is_explained(
    world: World, settings: dict[str, Any], edit: dict[str, Any], why: Why
) -> None:
    """A conflict that waits for a person, and a value of Salesforce's that is never overwritten."""
    raw = world.stage.catalog.mapping.model_dump(mode="json")
    fields = raw["kinds"]["customer"]["fields"]
    raw["kinds"]["customer"]["fields"] = [
        field | settings if field["platform"] == "title" else field for field in fields
    ]
    world.stage.map_kinds(raw)
    record_id = await world.at_rest()
    if edit:
        world.stage.salesforce.edit("Contact", record_id, edit)
    await world.stage.post({"title": "Writer"}, changed=["title"])
    await world.stage.hear()
    await world.stage.settle()
    world.stage.now += LATER
    assert await world.reasons() == {why}


async def test_a_document_that_was_never_written_says_why(world: World) -> None:
    """Left out by the mapping's filter, or not yet due to be written."""
    world.stage.map(filters={"push": {"path": "email", "present": True}})
    await world.stage.post({"last_name": "Lovelace"})
    await world.stage.settle()
    assert await world.reasons() == {Why.FILTERED}
    await world.stage.post({"email": "ada@example.org"}, changed=["email"])
    assert await world.reasons() == {Why.DUE}


async def test_a_document_that_was_changed_past_tandem_is_truly_different(world: World) -> None:
    """Nobody rings for what nobody decided. Asked again the ordinary rules write it, as they would at the next edit."""
    await world.at_rest()
    world.documents.collections["customers"]["cust-1"]["title"] = "by hand"
    assert await world.reasons() == {Why.STUCK}
    await world.verify(repair=True)
    await world.look_again()
    assert world.stage.contact()["Title"] == "by hand"
    assert (await world.verify()).same == {"customer": 1}


async def test_a_record_with_anothers_external_id_is_truly_different(world: World) -> None:
    """Somebody wrote the field that is ours alone."""
    record_id = await world.at_rest()
    world.edit_unheard(record_id, Tandem_Customer_Id__c="cust-2")
    assert await world.reasons() == {Why.ANOTHERS}


async def test_totals_are_held_against_the_documents_that_they_are_taken_of(world: World) -> None:
    """An order that the platform removed past Tandem: the total is taken again, and written."""
    world.stage.map_kinds(MAPPING)
    stage = world.stage
    await stage.post({"last_name": "Lovelace"})
    order = {"customer_id": "cust-1", "amount": 30, "status": "paid", "ordered_at": "2026-01-01T00:00:00Z"}
    await stage.reconciler.handle([stage.event(order, id_="o-1", type_="order.updated")])
    await stage.settle()
    stage.now += LATER
    assert {why for why in await world.reasons() if why in TRULY_DIFFERENT} == set()
    world.documents.collections["orders"]["o-1"]["amount"] = 50
    report = await world.verify(repair=True)
    assert (Why.UNDERIVED, "") in report.reasons
    await world.look_again()
    assert stage.contact()["Total_Spent__c"] == 50


async def test_a_total_that_was_never_taken_is_truly_different(world: World) -> None:
    """Nobody would ever see it; one that is marked is about to be taken."""
    world.stage.map_kinds(MAPPING)
    stage = world.stage
    await stage.post({"last_name": "Lovelace"})
    await stage.settle()
    sync = world.documents.collections["customers"]["cust-1"]["_sync"]
    known = sync["fields"].pop("Total_Spent__c")
    assert Why.UNDERIVED in await world.reasons()
    sync |= {"underived": True, "due_at": stage.now}
    assert Why.UNDERIVED not in await world.reasons()
    await stage.settle()
    assert "underived" not in sync
    assert "Total_Spent__c" in sync["fields"], known


async def test_a_person_kept_in_a_lead_is_compared_by_the_leads_own_fields(world: World) -> None:
    """What a Lead does not have is no difference; what it has is one, and is asked for in the Lead."""
    stage = world.stage = LeadStage(world.documents)
    await stage.post(LEAD_ADA, type_="customer.created")
    await stage.settle()
    stage.now += LATER
    assert not (await world.verify()).reasons
    record_id = next(iter(stage.records("Lead")))
    stage.salesforce.edit("Lead", record_id, {"City": "Paris"})
    stage.changes.clear()
    stage.now += LATER
    report = await world.verify(repair=True)
    assert [finding.difference.path for finding in report.findings] == ["address.city"]
    assert [decode(Change, record.value).entity for record in world.changes.records] == ["Lead"]
    await world.look_again()
    assert not (await world.verify()).reasons
    world.looks.records["Lead"] = [ModifiedRow(record_id, stage.now, deleted=False)]
    assert (await world.verify(since=stage.now - 1)).documents == {"customer": 1}


async def test_since_a_moment_what_either_side_has_changed_is_compared(world: World) -> None:
    """By the records that Salesforce lists, deleted ones too, and by when the documents were written; each once."""
    await world.stage.post({"last_name": "Babbage"}, id_="cust-2")
    await world.stage.settle()
    world.stage.now += LATER
    await world.stage.post(ADA)
    await world.stage.settle()
    world.stage.now += 2 * LATER
    found = await world.stage.salesforce.match("Contact", "LastName", ["Lovelace"], ["Id", "SystemModstamp"])
    record_id, noon = str(found[0]["Id"]), modified_at(found[0])
    written = {id_: one["salesforce"] for id_, one in world.documents.collections["customers"].items()}
    written["cust-1"]["lastSyncedAt"] = written["cust-2"]["lastSyncedAt"] = noon - LATER
    world.looks.records["Contact"] = [ModifiedRow(record_id, noon, deleted=False)]
    assert (await world.verify(since=noon - 1)).documents == {"customer": 1}
    assert (await world.verify(since=noon + 1)).documents == {}
    assert (await world.verify()).documents == {"customer": 2}
    assert (await world.verify(sample=1)).documents == {"customer": 1}
    written["cust-1"]["lastSyncedAt"] = written["cust-2"]["lastSyncedAt"] = noon + 5
    assert (await world.verify(since=noon - 1)).documents == {"customer": 2}
    assert (await world.verify(since=noon - 1, until=noon + 4)).documents == {"customer": 1}
    assert (await world.verify(since=noon + 1, until=noon + 5)).documents == {"customer": 2}
    assert (await world.verify(since=noon - 9, until=noon - 8)).documents == {}


async def test_a_change_of_ours_that_nobody_was_told_of_is_found_in_its_window(world: World) -> None:
    """Salesforce has changed nothing, so that no record leads there."""
    await world.at_rest()
    document = world.documents.collections["customers"]["cust-1"]
    document["title"] = "by hand"
    document["salesforce"]["lastSyncedAt"] = world.stage.now
    report = await world.verify(since=world.stage.now)
    assert {why for why, _ in report.reasons} == {Why.STUCK}


@pytest.mark.parametrize("since", [0, 1])
async def test_a_record_that_should_have_a_document_is_found(world: World, since: int) -> None:
    """By no walk over documents: one that sales made, where the mapping makes documents of those; and it is made."""
    world.stage.map(on_unlinked="create")
    await world.at_rest()
    made = world.stage.salesforce.create("Contact", {"LastName": "Hopper", "Email": "grace@example.org"})
    world.stage.changes.clear()
    world.looks.records["Contact"] = [ModifiedRow(made, world.stage.now, deleted=False)]
    assert {why for why, _ in (await world.verify(since=since)).reasons} == {Why.IN_FLIGHT}
    world.stage.now += LATER
    report = await world.verify(since=since, repair=True)
    (finding,) = report.findings
    assert (finding.document_id, finding.record_id, finding.difference.why) == ("", made, Why.NO_DOCUMENT)
    assert (report.truly_different, report.alone, report.asked_again, report.by_hand) == (1, {"customer": 1}, 1, 0)
    assert list(finding_lines(report, values=True)) == [f"customer {made}: {Why.NO_DOCUMENT}"]
    assert next(end_lines(report, repaired=True)) == "1 record that has no document and should"
    assert report_view(report, values=False, repaired=True)
    await world.look_again()
    assert (await world.stage.document(made))["last_name"] == "Hopper"
    assert (await world.verify(since=since)).truly_different == 0
    assert (await world.verify(sample=5)).truly_different == 0


async def test_a_record_with_our_external_id_whose_document_is_lost(world: World) -> None:
    """Whatever the mapping makes of others: nobody but us gives that. A person puts it right."""
    record_id = await world.at_rest()
    world.looks.records["Contact"] = [ModifiedRow(record_id, 1, deleted=False)]
    assert (await world.verify()).truly_different == 0
    del world.documents.collections["customers"]["cust-1"]
    report = await world.verify(repair=True)
    assert (report.truly_different, report.asked_again, report.by_hand) == (1, 0, 1)
    world.looks.records["Contact"] = [ModifiedRow(record_id, 1, deleted=True)]
    assert (await world.verify()).truly_different == 0


async def test_a_record_that_nobody_wants_a_document_of(world: World) -> None:
    """One that the pull filter leaves out, and of a kind that takes no record of others."""
    made = world.stage.salesforce.create("Contact", {"LastName": "Hopper"})
    world.looks.records["Contact"] = [ModifiedRow(made, 1, deleted=False)]
    world.stage.now += LATER
    assert not (await world.verify()).reasons
    world.stage.map(on_unlinked="create", filters={"pull": {"path": "email", "present": True}})
    assert not (await world.verify()).reasons


async def test_documents_that_tandem_has_never_decided_are_counted(world: World) -> None:
    """They are no difference, and none of those that are compared; where not all are, nobody counts."""
    await world.at_rest()
    assert "not compared" not in "".join(end_lines(await world.verify(), repaired=False))
    world.documents.collections["customers"] |= {f"own-{n}": {"_id": f"own-{n}"} for n in range(2)}
    report = await world.verify()
    assert (report.documents, report.same, report.undecided) == ({"customer": 1}, {"customer": 1}, {"customer": 2})
    assert next(end_lines(report, repaired=False)).startswith("customer: 2 not compared")
    assert '"not_compared":{"customer":2}' in lines_of_json(report, values=False)


def test_every_reason_is_in_the_runbook() -> None:
    """In the report's own words, among those of its standing."""
    section = (ROOT / "docs/runbook.md").read_text().partition("## Are both sides the same?")[2].partition("\n## ")[0]
    explained, _, different = section.partition("| truly different |")
    for why in Why:
        told = explained if standing(why) is Standing.EXPLAINED else different
        assert why in told, why


def test_a_moment_may_be_a_date() -> None:
    """In UTC, unless it says otherwise."""
    assert moment_of("1970-01-02") == 86_400_000
    assert moment_of("1970-01-01T01:00:00+01:00") == 0
    with pytest.raises(ValueError, match="yesterday"):
        moment_of("yesterday")
