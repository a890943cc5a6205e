"""What a run makes of a document or of a record: every verdict, from states that the stages have made."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.sync_stage import TIMING, Stage

from consumers.rules.state import DocumentState
from consumers.rules.stored import load
from consumers.rules.sync_verdict import Verdict, asked_for, differences, pull_verdict, push_verdict
from consumers.rules.writes import take
from schemas.record_filter import Comparison
from schemas.records import Failure


@pytest.fixture
def stage() -> Stage:
    """On documents in memory."""
    return Stage(FakeDocuments())


async def synced(stage: Stage, **fields: Any) -> None:
    """A customer, the same on both sides."""
    await stage.post({"last_name": "Lovelace", "title": "Ms", **fields})
    await stage.settle()


async def state_of(stage: Stage) -> DocumentState:
    """The customer's."""
    return load(await stage.document(), "cust-1", stage.catalog.kinds["customer"])


async def pushed(stage: Stage) -> Verdict:
    """What a push makes of the customer now."""
    return push_verdict(await state_of(stage), stage.catalog.kinds["customer"], TIMING, now=stage.now)


async def pulled(stage: Stage, row: Mapping[str, Any], *, modified: int = 0) -> Verdict:
    """What a pull makes of a row of the customer's record."""
    return pull_verdict(row, modified, [await state_of(stage)], None, stage.catalog.kinds["customer"])


async def test_a_document_without_a_record_is_to_be_made(stage: Stage) -> None:
    """And one with nothing to write is not."""
    await stage.post({"last_name": "Lovelace"})
    assert await pushed(stage) is Verdict.CREATE
    other = Stage(FakeDocuments())
    await other.post({"last_name": None})
    assert await pushed(other) is Verdict.UP_TO_DATE


async def test_a_record_that_differs_is_to_be_updated_and_one_that_does_not_is_left(stage: Stage) -> None:
    """The writer's own rules say so."""
    await synced(stage)
    assert await pushed(stage) is Verdict.UP_TO_DATE
    await stage.post({"title": "Countess"}, changed=["title"])
    assert await pushed(stage) is Verdict.UPDATE


async def test_a_record_that_is_to_be_read_first_is_told_as_that(stage: Stage) -> None:
    """It is linked, and nobody knows what it holds."""
    stage.salesforce.create("Contact", {"LastName": "Old", "Tandem_Customer_Id__c": "cust-1"})
    await stage.post({"last_name": "Lovelace"})
    await stage.answer_doorbells()
    assert await pushed(stage) is Verdict.WAITING  # it has been quiet too short a time
    stage.now += TIMING.quiet_before_read + 1
    assert await pushed(stage) is Verdict.READ


async def test_what_is_under_way_waits_or_was_refused_is_left_alone(stage: Stage) -> None:
    """A request without its answer, a next try that has its time, and what Salesforce will not have."""
    await synced(stage)
    await stage.post({"title": "Countess"}, changed=["title"])
    state, kind = await state_of(stage), stage.catalog.kinds["customer"]
    take(state, {"Title": "Countess"}, now=stage.now)
    assert push_verdict(state, kind, TIMING, now=stage.now) is Verdict.IN_FLIGHT
    stage.salesforce.fail_rows(lambda _update: True, code="UNABLE_TO_LOCK_ROW", failure=Failure.NOT_RUN, times=1)
    await stage.answer_doorbells()
    assert await pushed(stage) is Verdict.WAITING
    stage.salesforce.fail_rows(lambda _update: True, code="FIELD_CUSTOM_VALIDATION_EXCEPTION", times=1)
    await stage.settle()
    assert await pushed(stage) is Verdict.REFUSED


async def test_what_is_left_out_held_or_deleted_is_named(stage: Stage) -> None:
    """By the mapping's filter, by a policy, by the platform."""
    await synced(stage)
    stage.map(filters={"push": {"path": "email", "present": True}})
    assert await pushed(stage) is Verdict.FILTERED
    raw = [dict(one) for one in stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]]
    for one in raw:
        if one["salesforce"] == "Title":
            one["policy"] = "fill_only"
    stage.map(fields=raw)
    await stage.post({"title": "Countess"}, changed=["title"])
    assert await pushed(stage) is Verdict.HELD
    await stage.post({}, type_="customer.deleted")
    assert await pushed(stage) is Verdict.DELETED
    stage.map(on_delete={"platform": "delete"})
    assert await pushed(stage) is Verdict.DELETE


async def test_a_record_that_is_gone_is_named_and_made_anew_where_the_mapping_says_so(stage: Stage) -> None:
    """`recreate` makes another; without it nothing is done."""
    await synced(stage)
    stage.salesforce.remove("Contact", stage.contact()["Id"])
    await stage.settle()
    assert await pushed(stage) is Verdict.GONE
    stage.map(on_delete={"salesforce": "recreate"})
    assert await pushed(stage) is Verdict.CREATE


async def test_a_row_is_held_against_what_is_known_of_the_record(stage: Stage) -> None:
    """By the mapping's forms: other spellings of a value are no difference, and a value that is under way is none."""
    await synced(stage, phone="0712 345 678")
    row = dict(stage.contact())
    assert await pulled(stage, row) is Verdict.UP_TO_DATE
    assert await pulled(stage, row | {"Phone": "+40 712 345 678"}) is Verdict.UP_TO_DATE
    assert await pulled(stage, row | {"Title": "Dr"}) is Verdict.UPDATE
    state, kind = await state_of(stage), stage.catalog.kinds["customer"]
    assert differences(row | {"Title": "Dr", "Phone": None}, state, kind) == {"Title", "Phone"}
    assert differences(row | {"Title": "Dr", "Phone": None}, state, kind, {"Phone"}) == {"Phone"}
    write = take(state, {"Title": "Dr"}, now=stage.now)
    assert pull_verdict(row | {"Title": "Dr"}, 0, [state], None, kind) is Verdict.IN_FLIGHT
    assert pull_verdict(row | {"Title": "Dr", "Phone": None}, 0, [state], None, kind) is Verdict.UPDATE
    del write
    state.read_reason = "a reason"
    assert pull_verdict(row | {"Title": "Dr"}, 0, [state], None, kind) is Verdict.IN_FLIGHT


async def test_a_gone_record_in_a_list_is_read_unless_we_know_why_it_is_gone(stage: Stage) -> None:
    """It may have been hidden for a while. Of one that we deleted, only what was stamped since says something."""
    await synced(stage)
    row = dict(stage.contact())
    stage.salesforce.remove("Contact", row["Id"])
    await stage.settle()
    state = await state_of(stage)
    kind = stage.catalog.kinds["customer"]
    assert pull_verdict(row, 0, [state], None, kind) is Verdict.BACK
    assert state.link is not None
    state.link.deleted_for = stage.now
    assert pull_verdict(row, state.heard_at, [state], None, kind) is Verdict.GONE
    assert pull_verdict(row, state.heard_at + 1, [state], None, kind) is Verdict.BACK


async def test_a_record_without_a_document_is_what_on_unlinked_makes_of_it(stage: Stage) -> None:
    """Linked to the document that it names, made one, left out by a filter, or nobody's."""
    await stage.post({"last_name": "Lovelace"})
    row = {"Id": "003000000000009AAA", "LastName": "New", "Email": None}
    state = await state_of(stage)

    def verdict(named: DocumentState | None, **settings: Any) -> Verdict:
        stage.map(**settings)
        return pull_verdict(row, 0, [], named, stage.catalog.kinds["customer"])

    assert verdict(state, on_unlinked="ignore") is Verdict.UNLINKED
    assert verdict(state, on_unlinked="match") is Verdict.LINK
    assert verdict(None, on_unlinked="match") is Verdict.UNLINKED
    assert verdict(None, on_unlinked="create") is Verdict.CREATE
    has_mail = {"path": "email", "present": True}
    assert verdict(None, on_unlinked="create", filters={"pull": has_mail}) is Verdict.FILTERED
    assert state.existence is not None
    state.existence.exists = False
    assert verdict(state, on_unlinked="match") is Verdict.DELETED
    kind = stage.catalog.kinds["customer"]
    assert pull_verdict(row, 0, [], None, kind, among={"LastName"}) is Verdict.UNLINKED


async def test_since_counts_by_what_the_platform_said_and_a_filter_by_what_is_shown(stage: Stage) -> None:
    """A document of which the platform has said nothing may have been changed at any time."""
    await stage.post({"last_name": "Lovelace", "title": "Ms"})
    state, kind = await state_of(stage), stage.catalog.kinds["customer"]
    assert asked_for(state, kind, None, stage.now)
    assert not asked_for(state, kind, None, stage.now + 1)
    assert asked_for(DocumentState("customer", "cust-2"), kind, None, stage.now + 1)
    assert asked_for(state, kind, Comparison(path="title", equals="ms"), None)
    assert not asked_for(state, kind, Comparison(path="title", equals="dr"), None)


async def test_created_since_counts_by_the_earliest_event_and_not_by_the_last(stage: Stage) -> None:
    """An edit of today makes nothing new; what is made after the moment is asked for, and so is what may have been."""
    began = stage.now
    await stage.post({"last_name": "Lovelace"})
    stage.now += 86_400_000
    await stage.post({"last_name": "King"})
    state, kind = await state_of(stage), stage.catalog.kinds["customer"]
    assert state.existence is not None
    assert state.existence.made_by == began < state.existence.heard
    assert asked_for(state, kind, None, None, began)
    assert asked_for(state, kind, None, began + 1, began)
    assert not asked_for(state, kind, None, began + 1, began + 1)
    assert asked_for(DocumentState("customer", "cust-2"), kind, None, None, began + 1)
    state.existence.first = 0
    assert asked_for(state, kind, None, None, began + 1), "an earlier release has not kept it: heard of since"
    assert not asked_for(state, kind, None, None, state.existence.heard + 1)


def test_every_verdict_either_acts_or_skips() -> None:
    """The set is closed, and no word of it means two things."""
    assert {verdict for verdict in Verdict if verdict.acts} == {
        Verdict.CREATE,
        Verdict.LOOK_UP,
        Verdict.LINK,
        Verdict.UPDATE,
        Verdict.READ,
        Verdict.DELETE,
        Verdict.MISSING,
        Verdict.BACK,
    }
