"""Reconciler, writer and sweep: one suite on documents in memory and on the real MongoDB."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support import fake_documents
from support.fake_documents import FakeDocuments, FakeLog, FakeParked
from support.fake_gaps import FakeObjectGaps
from support.sync_stage import START, TIMING, Stage

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.reconciler.reconciler import patience
from schemas import topics
from schemas.change import OVERFLOW_RECORD_ID, Change, ChangeType
from schemas.gap import GapReason, GapState
from schemas.outcome import Outcome
from schemas.position import CommitPosition
from schemas.records import Failure
from schemas.storage import DocumentWrite
from schemas.unavailable import Unavailable

ADA = {"last_name": "Lovelace", "email": "Ada@Example.org", "phone": "0712 345 678", "address": {"city": "Iași"}}


class Killed(BaseException):
    """What a process does not live to handle."""


@pytest.fixture
def memory_stage() -> Stage:
    """On documents in memory."""
    return Stage(FakeDocuments())


@pytest.fixture
async def mongodb_stage(database: AsyncDatabase[dict[str, Any]]) -> Stage:
    """On the real MongoDB."""
    await prepare(database, ["customers"])
    return Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database))


@pytest.fixture(params=["memory", pytest.param("mongodb", marks=pytest.mark.integration)])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The same stage on either store."""
    made: Stage = request.getfixturevalue(f"{request.param}_stage")
    return made


async def test_a_webhook_becomes_a_document_and_a_record(stage: Stage) -> None:
    """Values arrive transformed, the link is stored and read whole, and both sides agree."""
    assert (await stage.post(ADA, type_="customer.created")).outcome is Outcome.APPLIED
    await stage.settle()
    contact = stage.contact()
    assert contact["LastName"] == "Lovelace"
    assert contact["Email"] == "ada@example.org"
    assert contact["Phone"] == "+40712345678"
    assert contact["MailingCity"] == "Iași"
    assert contact["Tandem_Customer_Id__c"] == "cust-1"
    document = await stage.document()
    assert document["email"] == "Ada@Example.org"
    assert document["salesforce"]["recordId"] == contact["Id"]
    assert document["salesforce"]["syncStatus"] == "synced"


async def test_an_edit_in_salesforce_comes_back_and_is_not_written_again(stage: Stage) -> None:
    """The document shows it, and no call carries it back."""
    await stage.post(ADA)
    await stage.settle()
    calls = len(stage.salesforce.calls)
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    assert [result.outcome for result in await stage.hear()] == [Outcome.APPLIED]
    assert (await stage.document())["title"] == "Countess"
    await stage.settle()
    assert len(stage.salesforce.calls) == calls


async def test_ten_quick_edits_are_one_call(stage: Stage) -> None:
    """Doorbells coalesce: the writer looks at the document, not at the edits."""
    await stage.post(ADA)
    await stage.settle()
    before = len([call for call in stage.salesforce.calls if call.operation == "update"])
    for number in range(10):
        stage.now += 1
        await stage.post({"title": f"Title {number}"}, changed=["title"])
    await stage.settle()
    assert len([call for call in stage.salesforce.calls if call.operation == "update"]) == before + 1
    assert stage.contact()["Title"] == "Title 9"


async def test_the_same_records_again_change_nothing(stage: Stage) -> None:
    """Promise 2: a batch that is handed in again ends as duplicates, and as the same log rows."""
    record = stage.event(ADA)
    await stage.reconciler.handle([record])
    document = await stage.document()
    results = await stage.reconciler.handle([record, record])
    assert {result.outcome for result in results} == {Outcome.DUPLICATE}
    assert await stage.document() == document


async def test_the_loser_of_a_race_decides_again(memory_stage: Stage) -> None:
    """Two reconcilers at one document, at the worst moment: neither edit is lost."""
    stage = memory_stage
    await stage.post(ADA)
    assert isinstance(stage.documents, FakeDocuments)
    other = stage.new_reconciler()

    async def somebody_else() -> None:
        await other.handle([stage.event({"title": "Countess"}, changed=["title"])])

    stage.documents.before_write = somebody_else
    await stage.post({"department": "Engines"}, changed=["department"])
    document = await stage.document()
    assert (document["title"], document["department"]) == ("Countess", "Engines")


async def test_a_value_that_comes_late_into_the_document_is_decided_again(
    memory_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB stalls between the decision and the update: what counted as seen from then on was not there yet. What the
    platform said is in no hurry."""
    stage = memory_stage
    hurried: list[bool] = []

    def late(write: DocumentWrite) -> bool:
        hurried.append(write.fresh_until is not None)
        return hurried == [True]

    await stage.post(ADA)
    await stage.settle()
    monkeypatch.setattr(fake_documents, "is_late", late)
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    (result,) = await stage.hear()
    assert (result.outcome, hurried) == (Outcome.APPLIED, [True, True])
    assert (await stage.document())["title"] == "Countess"
    await stage.post({"title": "Baroness"}, changed=["title"])
    assert hurried[2:] == [False]


@pytest.mark.parametrize(("late", "times"), [(0, 1), (1, 1), (2, 2), (5, 16), (49, 4096)])
def test_a_slow_store_is_waited_for_longer_and_longer(late: int, times: int) -> None:
    """So that a decision gets into its document in the end."""
    assert patience(late) == times


@pytest.mark.parametrize(("others", "times"), [(False, 2), (True, 1)])
async def test_only_what_comes_late_is_given_longer(
    memory_stage: Stage, monkeypatch: pytest.MonkeyPatch, others: bool, times: int
) -> None:
    """Where others were first, what comes from Salesforce counts as seen no later than usual."""
    stage = memory_stage
    assert isinstance(stage.documents, FakeDocuments)
    documents, other, left = stage.documents, stage.new_reconciler(), 2
    await stage.post(ADA)
    await stage.settle()

    async def somebody_else() -> None:
        nonlocal left
        left -= 1
        await other.handle([stage.event({"department": f"Engines {left}"}, changed=["department"])])
        documents.before_write = somebody_else if left else None

    def late(write: DocumentWrite) -> bool:
        nonlocal left
        left -= not others and write.fresh_until is not None
        return not others and left >= 0

    monkeypatch.setattr(fake_documents, "is_late", late)
    documents.before_write = somebody_else if others else None
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    (result,) = await stage.hear()
    assert (result.outcome, left) == (Outcome.APPLIED, 0 if others else -1)
    (_side, _made_at, shown_at, _revision) = json.loads((await stage.document())["_sync"]["fields"]["Title"])["now"]
    assert shown_at - stage.now == times * TIMING.visible_after


async def test_one_write_takes_one_read(memory_stage: Stage) -> None:
    """The document is read for the doorbell, saved before the call and after it, and read no more."""
    stage = memory_stage
    await stage.post(ADA)
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Countess"}, changed=["title"])
    assert isinstance(stage.documents, FakeDocuments)
    stage.documents.reads = stage.documents.writes = 0
    assert [result.outcome for result in await stage.answer_doorbells()] == [Outcome.APPLIED]
    assert (stage.documents.reads, stage.documents.writes) == (1, 2)


async def test_an_edit_during_the_call_is_read_with_the_answer(memory_stage: Stage) -> None:
    """What the writer has in hand is old then: its answer is stored beside the edit, and the edit is written next."""
    stage = memory_stage
    await stage.post(ADA)
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Countess"}, changed=["title"])
    update = stage.salesforce.update

    async def edited_meanwhile(*asked: Any) -> Any:
        stage.salesforce.update = update
        await stage.post({"department": "Engines"}, changed=["department"])
        return await update(*asked)

    stage.salesforce.update = edited_meanwhile
    await stage.answer_doorbells()
    await stage.settle()
    document = await stage.document()
    assert (document["title"], document["department"]) == ("Countess", "Engines")
    assert (stage.contact()["Title"], stage.contact()["Department"]) == ("Countess", "Engines")
    assert [write["state"] for write in document["_sync"]["writes"][-2:]] == ["landed", "landed"]


async def test_two_reconcilers_at_the_same_documents_lose_nothing(stage: Stage) -> None:
    """Guarded writes, losers found and decided again, many at once."""
    await stage.post(ADA)
    reconcilers = [stage.new_reconciler() for _ in range(4)]
    paths = ["title", "department", "first_name", "preferred_language"]
    for round_ in range(5):
        stage.now += 1
        await asyncio.gather(
            *(
                reconciler.handle([stage.event({path: f"{path} {round_}"}, changed=[path])])
                for reconciler, path in zip(reconcilers, paths, strict=True)
            )
        )
    document = await stage.document()
    assert [document[path] for path in paths] == [f"{path} 4" for path in paths]


async def test_a_record_that_cannot_be_read_is_parked_with_its_bytes(stage: Stage) -> None:
    """At once, and the others of its batch go on."""
    bad = stage.record(topics.PLATFORM_EVENTS, b"customer:1", b"{not json")
    results = await stage.reconciler.handle([bad, stage.event(ADA)])
    assert [result.outcome for result in results] == [Outcome.PARKED, Outcome.APPLIED]
    if isinstance(stage.parked, FakeParked):
        (parked,) = stage.parked.rows.values()
        assert (parked.value, parked.reason) == (b"{not json", "undecodable")


async def test_an_event_that_names_no_record_is_an_open_gap() -> None:
    """One for each object and commit, however often the event comes; which records it stood for a comparison finds."""
    stage = Stage(FakeDocuments())
    position = CommitPosition(START, 1, 1)
    for record_id, kind in ((OVERFLOW_RECORD_ID, ChangeType.GAP_OVERFLOW), ("003*", ChangeType.GAP_UPDATE)):
        change = Change(entity="Contact", record_id=record_id, type=kind, position=position, transaction_key="t1")
        (result,) = await stage.reconciler.handle([stage.change(change)])
        assert result.outcome is Outcome.APPLIED
        assert await stage.reconciler.handle([stage.change(change)]) == [result]
    assert isinstance(stage.gaps, FakeObjectGaps)
    rows = [(row.reason, row.entity, row.since, row.until, row.state) for row in stage.gaps.rows.values()]
    assert rows == [
        (GapReason.OVERFLOW, "Contact", START, START, GapState.OPEN),
        (GapReason.WILDCARD, "Contact", START, START, GapState.OPEN),
    ]
    assert isinstance(stage.parked, FakeParked)
    assert not stage.parked.rows


async def test_a_value_that_no_field_can_take_is_parked_by_name(stage: Stage) -> None:
    """The reason names the path and never the value."""
    result = await stage.post({"total_tickets": "a lot"})
    assert (result.outcome, result.reason) == (Outcome.PARKED, "invalid_value")


async def test_a_conflict_keeps_both_values(stage: Stage) -> None:
    """The audit row goes from the document to the log."""
    await stage.post(ADA)
    await stage.settle()
    stage.now += 60_000
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    await stage.post({"title": "Engineer"}, changed=["title"])
    await stage.hear()
    await stage.settle()
    document = await stage.document()
    assert document["title"] == stage.contact()["Title"] == "Countess"
    assert not document["_sync"].get("audit")
    if isinstance(stage.log, FakeLog):
        (row,) = [row for row in stage.log.rows.values() if row["type"] == "audit"]
        assert (row["platform"]["value"], row["salesforce"]["value"]) == ("Engineer", "Countess")
        assert (row["winner"], row["rule"]) == ("salesforce", "13.salesforce_wins")


async def test_audit_rows_that_a_crash_left_behind_are_drained(stage: Stage) -> None:
    """They were safe in the document."""
    await stage.post(ADA)
    document = await stage.document()
    row = {"_id": "left-behind", "type": "audit", "at": 1}
    write = DocumentWrite(
        "cust-1", document["revision"], "d", {"revision": 99, "_sync": {**document["_sync"], "audit": [row]}}
    )
    assert await stage.documents.write("customers", [write]) == set()
    assert await stage.sweep.drain_audit() == 1
    assert await stage.sweep.drain_audit() == 0


async def test_a_lost_doorbell_is_rung_again_by_the_sweep(stage: Stage) -> None:
    """`due_at` is in the document."""
    await stage.post(ADA)
    stage.doorbells.rung.clear()
    assert await stage.sweep.ring_due() == 0
    stage.now += 6_000
    assert await stage.sweep.ring_due() == 1
    assert await stage.sweep.ring_due() == 0
    await stage.answer_doorbells()
    assert stage.salesforce.rows["Contact"]


async def test_a_doorbell_for_nothing_is_ignored(stage: Stage) -> None:
    """Drained documents cost no call."""
    await stage.post(ADA)
    bells = list(stage.doorbells.rung)
    await stage.settle()
    calls = len(stage.salesforce.calls)
    stage.doorbells.rung.extend(bells)
    (result,) = await stage.answer_doorbells()
    assert result.outcome is Outcome.IGNORED
    assert len(stage.salesforce.calls) == calls


@pytest.mark.parametrize("lands", ["never", "at_once", "later"])
async def test_an_unanswered_write_ends_right_however_it_went(stage: Stage, lands: str) -> None:
    """Its number is used up; if it lands late its token tells."""
    await stage.post(ADA)
    await stage.settle()
    stage.salesforce.fail_next_call(lands=lands)  # type: ignore[arg-type]
    stage.now += 60_000
    await stage.post({"title": "Countess"}, changed=["title"])
    await stage.answer_doorbells()
    stage.now += 2_000
    await stage.post({"title": "Engineer"}, changed=["title"])
    await stage.settle()
    if lands == "later":
        stage.salesforce.land_late()
        await stage.settle()
    assert (await stage.document())["title"] == stage.contact()["Title"] == "Engineer"


async def test_a_first_write_without_an_answer_makes_no_second_record(stage: Stage) -> None:
    """The record is looked up by external id and linked."""
    stage.salesforce.fail_next_call(lands="at_once")
    await stage.post(ADA)
    await stage.settle()
    assert len(stage.salesforce.rows["Contact"]) == 1
    assert (await stage.document())["salesforce"]["recordId"] == stage.contact()["Id"]


async def test_one_refused_row_does_not_keep_the_others_back(stage: Stage) -> None:
    """Each row has its own outcome; the refused one is parked under Salesforce's own code."""
    stage.salesforce.fail_rows(lambda update: update.external_id == "cust-2", code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    await stage.reconciler.handle([stage.event(ADA, id_=f"cust-{number}") for number in (1, 2, 3)])
    results = await stage.answer_doorbells()
    assert sorted(result.outcome for result in results) == [Outcome.APPLIED, Outcome.APPLIED, Outcome.PARKED]
    assert (await stage.document("cust-2"))["salesforce"]["syncError"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert len(stage.salesforce.rows["Contact"]) == 2
    stage.now += 1_000
    await stage.post({"title": "Countess"}, id_="cust-2", changed=["title"])
    await stage.settle()
    assert len(stage.salesforce.rows["Contact"]) == 3


async def test_a_locked_row_is_tried_again_and_then_parked(stage: Stage) -> None:
    """A few tries with growing waits, then a person is asked."""
    await stage.post(ADA)
    await stage.settle()
    stage.salesforce.fail_rows(lambda _update: True, Failure.NOT_RUN, "UNABLE_TO_LOCK_ROW", times=100)
    await stage.post({"title": "Countess"}, changed=["title"])
    (first,) = await stage.answer_doorbells()
    assert (first.outcome, first.reason) == (Outcome.DEFERRED, "UNABLE_TO_LOCK_ROW")
    for _ in range(100):
        stage.now += 10_000
        await stage.sweep.ring_due()
        results = await stage.answer_doorbells()
        if any(result.outcome is Outcome.PARKED for result in results):
            break
    else:
        raise AssertionError("never given up")
    assert (await stage.document())["salesforce"]["syncError"] == "UNABLE_TO_LOCK_ROW"


async def test_an_org_that_is_away_uses_up_no_try(stage: Stage) -> None:
    """However long it is away, everything is written when it is back."""
    stage.salesforce.away = True
    await stage.post(ADA)
    for _ in range(60):
        stage.now += 5_000
        await stage.sweep.ring_due()
        assert {result.outcome for result in await stage.answer_doorbells()} <= {Outcome.DEFERRED}
    stage.salesforce.away = False
    await stage.settle()
    assert stage.contact()["LastName"] == "Lovelace"


async def test_a_killed_writer_leaves_a_write_that_is_given_up_in_time(stage: Stage) -> None:
    """The write was stored before the call; nobody sends while it may be open, and then it takes a new number."""
    await stage.post(ADA)
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Countess"}, changed=["title"])

    async def killed(*_: object) -> None:
        raise Killed

    update = stage.salesforce.update
    stage.salesforce.update = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(Killed):
        await stage.answer_doorbells()
    stage.salesforce.update = update
    stage.now += 1_000
    await stage.post({"title": "Engineer"}, changed=["title"])
    assert not stage.doorbells.rung
    await stage.settle()
    assert stage.contact()["Title"] == (await stage.document())["title"] == "Engineer"


async def test_an_abandoned_write_with_nothing_left_to_write_is_given_up_by_whoever_saves(stage: Stage) -> None:
    """Else the sides would never be known to agree, and an edit made in the quiet would be a conflict."""
    await stage.post({**ADA, "title": "Countess"})
    await stage.settle()
    stage.now += 60_000
    await stage.post({"title": "Engineer"}, changed=["title"])

    async def killed(*_: object) -> None:
        raise Killed

    update = stage.salesforce.update
    stage.salesforce.update = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(Killed):
        await stage.answer_doorbells()
    stage.salesforce.update = update
    stage.now += 1
    await stage.post({"title": "Countess"}, changed=["title"])
    stage.now += 6_000
    await stage.post({"first_name": "Ada"}, changed=["first_name"])
    assert (await stage.document())["_sync"]["writes"][-1]["state"] == "unknown"
    await stage.settle()
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Analyst"})
    await stage.settle()
    assert stage.contact()["Title"] == (await stage.document())["title"] == "Analyst"


@pytest.mark.parametrize("during", ["find", "upsert", "read", "update"])
async def test_a_document_that_an_operator_removes_meanwhile_is_ignored(stage: Stage, during: str) -> None:
    """Between any two of the writer's reads; the others of its batch go on, and a later event makes it anew."""
    if during in ("read", "update"):
        await stage.post(ADA)
        await stage.settle()
        stage.now += 60_000
        await stage.post({"title": "Countess"}, changed=["title"])
        if during == "read":
            stage.salesforce.fail_rows(lambda row: bool(row.record_id), Failure.GONE, "ENTITY_IS_DELETED")
    else:
        await stage.post(ADA)
    await stage.post(ADA | {"email": "grace@example.org"}, id_="cust-2")
    call = getattr(stage.salesforce, during)

    async def removed_meanwhile(*asked: Any) -> Any:
        setattr(stage.salesforce, during, call)
        await remove(stage, "cust-1")
        return await call(*asked)

    setattr(stage.salesforce, during, removed_meanwhile)
    bells = len(stage.doorbells.rung)
    results = await stage.answer_doorbells()
    assert len(results) == bells == 2
    assert (results[0].outcome, results[0].reason) == (Outcome.IGNORED, "there is no such document")
    assert results[1].outcome is Outcome.APPLIED
    await stage.settle()
    assert not await stage.documents.read("customers", ["cust-1"])
    stage.now += 60_000
    await stage.post(ADA | {"title": "Engineer"})
    await stage.settle()
    names = [row["Tandem_Customer_Id__c"] for row in stage.salesforce.rows["Contact"].values()]
    assert sorted(names) == ["cust-1", "cust-2"]
    assert (await stage.document())["salesforce"]["syncStatus"] == "synced"


async def remove(stage: Stage, id_: str) -> None:
    """What an operator does by hand."""
    if isinstance(stage.documents, FakeDocuments):
        del stage.documents.collections["customers"][id_]
    elif isinstance(stage.documents, MongoDocuments):
        await stage.documents._database["customers"].delete_one({"_id": id_})


async def test_a_record_found_by_its_external_id_is_read_before_it_is_written(stage: Stage) -> None:
    """Rule 18: what Salesforce holds wins where `first` says so."""
    stage.salesforce.create("Contact", {"LastName": "Byron", "Title": "Countess", "Tandem_Customer_Id__c": "cust-1"})
    stage.changes.clear()
    stage.now += 60_000
    await stage.post(ADA)
    await stage.settle()
    document = await stage.document()
    assert (document["last_name"], document["title"]) == ("Byron", "Countess")
    assert stage.contact()["Email"] == "ada@example.org"


async def test_mongodb_away_means_wait_and_skip_nothing() -> None:
    """The handler raises, so the runner hands in the same records again."""
    stage = Stage(FakeDocuments(away=True))
    record = stage.event(ADA)
    with pytest.raises(Unavailable):
        await stage.reconciler.handle([record])
    assert isinstance(stage.documents, FakeDocuments)
    stage.documents.away = False
    assert (await stage.reconciler.handle([record]))[0].outcome is Outcome.APPLIED


async def test_kafka_away_after_the_write_loses_no_doorbell() -> None:
    """The document was written and is due: the repeat rings although its record is a duplicate by then."""
    stage = Stage(FakeDocuments())
    stage.doorbells.away = True
    record = stage.event(ADA)
    with pytest.raises(Unavailable):
        await stage.reconciler.handle([record])
    stage.doorbells.away = False
    (result,) = await stage.reconciler.handle([record])
    assert result.outcome is Outcome.DUPLICATE
    assert len(stage.doorbells.rung) == 1


async def test_an_external_id_in_another_case_is_another_customers(stage: Stage) -> None:
    """Salesforce finds it all the same, and an upsert would write over that record: it is parked, nothing written."""
    stage.salesforce.create("Contact", {"LastName": "Byron", "Tandem_Customer_Id__c": "CUST-1"})
    find = stage.salesforce.find

    async def without_case(sobject: str, field: str, ids: Sequence[str]) -> dict[str, list[str]]:
        return await find(sobject, field, [each.upper() for each in ids])

    stage.salesforce.find = without_case
    await stage.post(ADA)
    results = await stage.answer_doorbells()
    assert [(result.outcome, result.reason) for result in results] == [(Outcome.PARKED, "EXTERNAL_ID_IN_OTHER_CASE")]
    assert stage.contact()["LastName"] == "Byron"
    assert (await stage.document())["salesforce"]["syncError"] == "EXTERNAL_ID_IN_OTHER_CASE"


def test_the_stage_starts_at_a_fixed_time() -> None:
    """No test here depends on the wall clock."""
    assert Stage(FakeDocuments()).now == START


@pytest.mark.integration
async def test_a_document_that_cannot_be_written_parks_its_records_alone(
    mongodb_stage: Stage, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """A scalar stands where the mapping wants a path: what can be written is, the rest is parked with its reason."""
    stage = mongodb_stage
    await database["customers"].insert_one({"_id": "cust-1", "address": "one line"})
    records = [
        stage.event({"title": "Countess"}, changed=["title"]),
        stage.event({"address.city": "Cluj"}, changed=["address.city"]),
        stage.event({"title": "Analyst"}, id_="cust-2", changed=["title"]),
    ]
    results = await stage.reconciler.handle(records)
    assert [result.outcome for result in results] == [Outcome.APPLIED, Outcome.PARKED, Outcome.APPLIED]
    assert (await stage.document())["title"] == "Countess"
    assert (await stage.document("cust-2"))["title"] == "Analyst"
    (row,) = await database["tandem_parked"].find().to_list()
    assert (row["reason"], row["document"], row["offset"]) == ("document_refused", "cust-1", records[1].offset)
    assert row["detail"] == "the document cannot be written: PathNotViable"
    assert bytes(row["value"]) == records[1].value


@pytest.mark.integration
async def test_a_doorbell_of_a_document_that_cannot_be_written_is_parked_and_rung_tomorrow(
    mongodb_stage: Stage, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """The document was spoilt after it was linked: no call is made, and the sweep does not ring again and again."""
    stage = mongodb_stage
    await stage.post(ADA)
    await stage.settle()
    await stage.post({"address.city": "Cluj"})
    await database["customers"].update_one({"_id": "cust-1"}, {"$set": {"address": "one line"}})
    calls = len(stage.salesforce.calls)
    results = await stage.answer_doorbells()
    assert [(result.outcome, result.reason) for result in results] == [(Outcome.PARKED, "document_refused")]
    assert len(stage.salesforce.calls) == calls
    stage.now += 3_600_000
    assert await stage.sweep.ring_due() == 0
    stage.now += 24 * 3_600_000
    assert await stage.sweep.ring_due() == 1


@pytest.mark.integration
async def test_a_number_that_no_document_can_hold_is_parked(
    mongodb_stage: Stage, database: AsyncDatabase[dict[str, Any]]
) -> None:
    """JSON carries integers of 64 bits without a sign; BSON does not."""
    result = await mongodb_stage.post({"title": 2**64 - 1})
    assert (result.outcome, result.reason) == (Outcome.PARKED, "document_refused")
    (row,) = await database["tandem_parked"].find().to_list()
    assert row["detail"] == "the document cannot be written: IntegerTooLarge"


async def test_a_conflict_is_told_once_whoever_drains_it(stage: Stage) -> None:
    """A row stays in its document until it is drained, and whoever reads the document meanwhile drains it too."""
    told: list[str] = []
    stage.reconciler = stage.new_reconciler(lambda row: told.append(row["_id"]))
    stage.writer = stage.new_writer(lambda row: told.append(row["_id"]))
    await stage.post(ADA)
    await stage.settle()
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Countess"})
    await stage.hear()

    real = stage.documents.clear_audit

    async def not_yet(collection: str, rows: object) -> None:
        """It dies before the rows are out of the document."""

    stage.documents.clear_audit = not_yet
    await stage.post({"title": "Analyst"}, changed=["title"])
    assert (await stage.document())["_sync"]["audit"]
    stage.documents.clear_audit = real
    await stage.post({"last_name": "King"}, changed=["last_name"])
    await stage.settle()
    assert len(told) == len(set(told)) == 1


@pytest.mark.parametrize("fields", [{"address": {"city": "Cluj"}}, {"address.city": "Cluj"}])
async def test_who_names_an_object_names_what_is_in_it(stage: Stage, fields: dict[str, Any]) -> None:
    """`changed: ["address"]` is an edit of the city too: an edit that was acknowledged must not vanish."""
    await stage.post(ADA)
    await stage.settle()
    await stage.post(fields, changed=["address"])
    await stage.settle()
    assert (await stage.document())["address"]["city"] == stage.contact()["MailingCity"] == "Cluj"


async def test_a_changed_path_that_no_field_has_changes_nothing(stage: Stage) -> None:
    """And is no error: the platform may have fields that Salesforce has not. `addres` names no part of `address`."""
    await stage.post(ADA)
    await stage.settle()
    assert (await stage.post({"address.city": "Cluj"}, changed=["addres", "shoe_size"])).outcome is Outcome.APPLIED
    assert (await stage.document())["address"]["city"] == "Ia\u0219i"
