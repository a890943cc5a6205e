"""What would become of records if they came now: as the reconciler decides, and nothing is written."""

import copy

from support.fake_documents import FakeDocuments
from support.fake_erasures import FakeErasures
from support.sync_stage import TIMING, Stage

from consumers.reconciler.forget import ASKED_BEFORE, FORGET, FORGOTTEN, NOT_SET_UP
from consumers.reconciler.rehearsal import Rehearsal, Rehearsed
from schemas import gap_change, topics
from schemas.change import Change, ChangeType, Told
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


def rehearsal(stage: Stage) -> Rehearsal:
    """By the mapping and the clock of the stage."""
    return Rehearsal(stage.documents, stage.erasures, stage.catalog, TIMING, lambda: stage.now)


async def test_a_record_sees_what_an_earlier_one_would_have_done() -> None:
    """Across parts too; and in the store nothing is done."""
    stage = Stage(FakeDocuments())
    first, later = stage.event(ADA), stage.event(ADA)
    stage.now += 1
    newest = stage.event({"title": "Countess"}, changed=["title"])
    trying = rehearsal(stage)
    told = [*await trying.decide([newest, first]), *await trying.decide([first, later, newest])]
    outcomes = [one.result.outcome for one in told]
    assert outcomes == [Outcome.APPLIED, Outcome.APPLIED, Outcome.DUPLICATE, Outcome.APPLIED, Outcome.DUPLICATE]
    assert {(one.kinds, one.named) for one in told} == {(("customer",), "cust-1")}
    assert isinstance(stage.documents, FakeDocuments)
    assert stage.documents.collections.get("customers", {}) == {}


async def test_what_it_says_is_what_happens() -> None:
    """Record by record, poison and strangers among them."""
    stage = Stage(FakeDocuments())
    await stage.post(ADA)
    await stage.settle()
    stage.now += 1_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    position = CommitPosition(stage.now, 9, 1)
    stranger = Change(
        entity="Contact", record_id="003x", type=ChangeType.UPDATE, position=position, transaction_key="t"
    )
    other = stranger.model_copy(update={"entity": "Campaign"})
    records = [
        *(stage.change(change) for change in stage.changes),
        stage.event({"title": "Lady"}, changed=["title"]),
        stage.event(ADA, type_="customer.promoted"),
        stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{"),
        stage.change(stranger),
        stage.change(other),
    ]
    assert isinstance(stage.documents, FakeDocuments)
    before = copy.deepcopy(stage.documents.collections)
    foretold = [one.result for one in await rehearsal(stage).decide(records)]
    assert stage.documents.collections == before
    ended = await stage.reconciler.handle(records)
    assert [one.outcome for one in foretold] == [one.outcome for one in ended]
    again = [one.result.outcome for one in await rehearsal(stage).decide(records)]
    assert Outcome.APPLIED not in again


async def test_an_event_without_a_mapped_field_is_heard_once() -> None:
    """To the reconciler it is always new; a replay of it would change nothing."""
    stage = Stage(FakeDocuments())
    event = stage.event({})
    assert (await rehearsal(stage).decide([event]))[0].result.outcome is Outcome.APPLIED
    await stage.reconciler.handle([event])
    assert (await rehearsal(stage).decide([event]))[0].result.outcome is Outcome.DUPLICATE


async def test_a_look_is_done_once_the_record_was_read() -> None:
    """It says nothing but that the record is to be read."""
    stage = Stage(FakeDocuments())
    await stage.post(ADA)
    await stage.settle()
    stage.now += 60_000
    record_id = stage.contact()["Id"]
    stage.salesforce.edit("Contact", record_id, {"Title": "Countess"})
    stage.changes.clear()
    look = Change(
        entity="Contact",
        record_id=record_id,
        type=ChangeType.GAP_UPDATE,
        position=CommitPosition(stage.now, 0, 0),
        transaction_key="look",
        told=Told.ROW,
    )
    record = stage.change(look)
    assert (await rehearsal(stage).decide([record]))[0].result.outcome is Outcome.APPLIED
    await stage.reconciler.handle([record])
    stage.now += 60_000
    await stage.settle()
    assert (await rehearsal(stage).decide([record]))[0].result.outcome is Outcome.DUPLICATE


async def test_of_an_erased_person_nothing_comes_again_and_nobody_is_named() -> None:
    """Also where they are erased by one of the records, and by one that cannot be read."""
    stage = Stage(FakeDocuments(), erasures=FakeErasures())
    asking = stage.event({}, type_="customer.erased")
    records = [
        stage.event(ADA),
        asking,
        stage.record(topics.PLATFORM_EVENTS, b"customer:cust-1", b"{"),
        stage.event(ADA, id_="cust-2"),
    ]
    of_kind = Rehearsed(FORGOTTEN, ("customer",))
    trying = rehearsal(stage)
    first, then, poison, other = await trying.decide(records)
    assert (first, then, poison) == (of_kind, Rehearsed(FORGET, ("customer",), "cust-1"), Rehearsed(FORGOTTEN))
    assert (other.result.outcome, other.named) == (Outcome.APPLIED, "cust-2")
    assert await trying.decide(records[:2]) == [of_kind, Rehearsed(ASKED_BEFORE, ("customer",))]
    assert isinstance(stage.erasures, FakeErasures)
    assert not stage.erasures.asked
    await stage.reconciler.handle([asking])
    assert await rehearsal(stage).decide(records[:2]) == [of_kind, Rehearsed(ASKED_BEFORE, ("customer",))]


async def test_without_a_list_who_asks_for_an_erasure_would_be_parked() -> None:
    """As the reconciler does it."""
    stage = Stage(FakeDocuments())
    (told,) = await rehearsal(stage).decide([stage.event({}, type_="customer.erased")])
    assert told.result == Result(Outcome.PARKED, NOT_SET_UP)


async def test_a_look_at_a_record_that_is_known_to_be_gone_is_done() -> None:
    """A replay of it would have it read once more each time, and find nothing."""
    stage = Stage(FakeDocuments())
    await stage.post(ADA)
    await stage.settle()
    record_id, seen = stage.contact()["Id"], stage.now
    stage.salesforce.remove("Contact", record_id)
    stage.now += 60_000
    await stage.settle()
    found = gap_change.differing("Contact", record_id, seen)
    record = stage.change(found)
    assert (await rehearsal(stage).decide([record]))[0].result.outcome is Outcome.DUPLICATE
    record = stage.change(gap_change.differing("Contact", record_id, stage.now + 1))
    assert (await rehearsal(stage).decide([record]))[0].result.outcome is Outcome.APPLIED
