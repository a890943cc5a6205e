"""Objects without change events: the writer reads a record just before it writes, so no unseen edit is buried."""

from typing import Any

import pytest
from support.fake_documents import FakeDocuments
from support.sync_stage import Stage

from schemas.outcome import Outcome

ADA = {"last_name": "Lovelace", "email": "ada@example.org", "title": "Engineer"}
CONTACT = frozenset({"Contact"})


@pytest.fixture
async def stage() -> Stage:
    """A customer at rest, whose record somebody then edits unheard."""
    made = Stage(FakeDocuments())
    await made.post(ADA)
    await made.settle()
    made.now += 60_000
    made.salesforce.edit("Contact", made.contact()["Id"], {"Title": "Countess", "Department": "Engines"})
    made.changes.clear()
    made.now += 10_000
    return made


def audited(stage: Stage) -> list[dict[str, Any]]:
    """Audit rows of the title."""
    return [row for row in stage.log.rows.values() if row["type"] == "audit" and row["path"] == "title"]  # type: ignore[attr-defined]


def reads(stage: Stage) -> int:
    return sum(call.operation == "read" for call in stage.salesforce.calls)


async def test_an_edit_that_no_event_told_of_is_met_before_it_is_written_over(stage: Stage) -> None:
    """It is a conflict with both values kept, as if it had been heard; what else it changed is taken over too."""
    stage.unheard = CONTACT
    before = reads(stage)
    await stage.post({"title": "Analyst"}, changed=["title"])
    await stage.answer_doorbells()
    assert reads(stage) == before + 1
    await stage.settle()
    (row,) = audited(stage)
    assert (row["rule"], row["winner"]) == ("13.salesforce_wins", "salesforce")
    assert (row["platform"]["value"], row["salesforce"]["value"]) == ("Analyst", "Countess")
    assert stage.contact()["Title"] == "Countess"
    document = await stage.document()
    assert (document["title"], document["department"]) == ("Countess", "Engines")


async def test_without_that_it_would_have_been_buried(stage: Stage) -> None:
    """Which is why it costs a call."""
    await stage.post({"title": "Analyst"}, changed=["title"])
    await stage.answer_doorbells()
    assert stage.contact()["Title"] == "Analyst"
    assert audited(stage) == []


async def test_a_batch_is_read_by_one_call_and_then_written_by_one(stage: Stage) -> None:
    """Each document is read once before its write, and a first write is of a record that is not there yet."""
    names = [f"cust-{number}" for number in range(2, 42)]
    for name in names:
        await stage.post(ADA | {"email": f"{name}@example.org"}, id_=name)
    await stage.settle()
    stage.unheard = CONTACT
    stage.now += 60_000
    stage.salesforce.calls.clear()
    for name in names:
        await stage.post({"title": "Analyst"}, id_=name, changed=["title"])
    assert {result.outcome for result in await stage.answer_doorbells()} == {Outcome.APPLIED}
    assert [(call.operation, len(call.keys)) for call in stage.salesforce.calls] == [("read", 40), ("update", 40)]
    stage.salesforce.calls.clear()
    await stage.post(ADA, id_="cust-new")
    await stage.answer_doorbells()
    made = [call.operation for call in stage.salesforce.calls]
    assert "read" not in made[: made.index("upsert")]


async def test_a_record_that_was_changed_this_second_is_read_again_before_it_is_written(stage: Stage) -> None:
    """A query tells whole seconds (rule 24): nothing is written on a row that may be of a second that goes on."""
    stage.unheard = CONTACT
    stage.salesforce.edit("Contact", stage.contact()["Id"], {"Title": "Duchess"})
    stage.changes.clear()
    await stage.post({"title": "Analyst"}, changed=["title"])
    (result,) = await stage.answer_doorbells()
    assert result.outcome is Outcome.DEFERRED
    assert stage.contact()["Title"] == "Duchess"
    await stage.settle()
    assert (await stage.document())["title"] == stage.contact()["Title"] == "Duchess"
