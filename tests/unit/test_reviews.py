"""The queue of conflicts that wait for a person, and what a choice does, on documents in memory."""

import copy
from dataclasses import replace

import pytest
from support.fake_documents import FakeDocuments, FakeLog
from support.review_stage import agree, disagree, record_of, reviewing_mapping, reviews_of, sell
from support.sync_stage import Stage

from consumers.catalog import Catalog
from consumers.rules.state import Side
from ops.reviews import CannotChoose, Reviews
from schemas.storage import DocumentsRefused
from schemas.unavailable import Unavailable


@pytest.fixture
def documents() -> FakeDocuments:
    """In memory."""
    return FakeDocuments()


@pytest.fixture
def stage(documents: FakeDocuments) -> Stage:
    """A person chooses phone and title."""
    made = Stage(documents)
    made.catalog = Catalog(reviewing_mapping())
    return made


@pytest.fixture
def reviews(stage: Stage, documents: FakeDocuments) -> Reviews:
    """What is tested."""
    return reviews_of(stage, documents)


def audit(stage: Stage) -> list[dict[str, object]]:
    """The choices in the log."""
    assert isinstance(stage.log, FakeLog)
    return [row for row in stage.log.rows.values() if str(row.get("event", "")).startswith("choice:")]


async def test_the_oldest_question_comes_first_and_all_are_counted(stage: Stage, reviews: Reviews) -> None:
    """Whatever order the documents are stored in, and however few are asked for."""
    await disagree(stage, "cust-9")
    await disagree(stage, "cust-1", "Title")
    await disagree(stage, "cust-5")
    await agree(stage, "cust-3")
    queue = await reviews.waiting(limit=2)
    assert [(one.id, one.path) for one in queue.questions] == [("cust-9", "phone"), ("cust-1", "title")]
    assert queue.count == 3
    assert queue.questions[0].since < queue.questions[1].since


async def test_a_question_names_both_values_and_where_they_stand(stage: Stage, reviews: Reviews) -> None:
    """All that a person needs to find the thing on both sides."""
    await disagree(stage)
    (one,) = (await reviews.waiting()).questions
    assert (one.kind, one.id, one.path, one.field, one.sobject) == ("customer", "cust-1", "phone", "Phone", "Contact")
    assert (one.platform, one.salesforce, one.shown) == ("p-cust-1", "s-cust-1", Side.SALESFORCE)
    assert one.record == record_of(stage)["Id"]
    assert one == await reviews.question("customer", "cust-1", "phone")


async def test_the_queue_is_narrowed_by_kind_and_path(stage: Stage, reviews: Reviews) -> None:
    """A mapped path on which nothing waits is an empty answer; one that is not mapped is a mistake."""
    await disagree(stage, "cust-1", "Phone")
    await sell(stage, "s-title", field="Title")
    await stage.post({"title": "p-title"}, changed=["title"])
    assert (await reviews.waiting("customer")).count == 2
    assert [one.path for one in (await reviews.waiting(path="title")).questions] == ["title"]
    assert (await reviews.waiting("customer", "email")).count == 0
    with pytest.raises(CannotChoose, match=r'"custmer" is no kind of the mapping; there are: customer'):
        await reviews.waiting("custmer")
    with pytest.raises(CannotChoose, match=r'"fone" is no mapped path of any kind; there are: email, .*phone'):
        await reviews.waiting(path="fone")


@pytest.mark.parametrize("shown", list(Side))
@pytest.mark.parametrize("side", list(Side))
async def test_a_choice_reaches_both_sides(stage: Stage, reviews: Reviews, shown: Side, side: Side) -> None:
    """Without any doorbell: the sweep rings. The log holds both values, who chose, and why."""
    await disagree(stage, shown=str(shown))
    question = await reviews.question("customer", "cust-1", "phone")
    chosen = await reviews.choose(question, side, who="ana", why="called her")
    assert chosen.differs == (side is Side.PLATFORM)
    assert chosen.due == (stage.now if chosen.differs else None)
    document = await stage.document()
    assert document["_sync"].get("due_at") == chosen.due
    assert "reviews" not in document["_sync"]
    assert "held" not in document["salesforce"]
    assert document["_sync"]["audit"] == []
    (row,) = audit(stage)
    assert (row["winner"], row["rule"], row["note"]) == (side, "13.review", "by ana: called her")
    assert {row["platform"]["value"], row["salesforce"]["value"]} == {"p-cust-1", "s-cust-1"}  # type: ignore[index]
    await stage.settle()
    assert (await stage.document())["phone"] == record_of(stage)["Phone"] == question.value(side)


async def test_a_field_that_is_never_written_is_not_said_to_be(stage: Stage, reviews: Reviews) -> None:
    """Its direction is `pull`: the document shows the platform's value, and Salesforce keeps its own."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")
    stage.catalog = Catalog(reviewing_mapping("pull"))
    chosen = await reviews.choose(question, Side.PLATFORM, who="ana")
    assert (chosen.differs, chosen.due) == (True, None)
    await stage.settle()
    assert ((await stage.document())["phone"], record_of(stage)["Phone"]) == ("p-cust-1", "s-cust-1")


async def test_the_second_choice_finds_nothing_open(stage: Stage, reviews: Reviews) -> None:
    """Two people settle the same question: the second is told, and changes nothing."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")
    await reviews.choose(question, Side.PLATFORM, who="ana")
    before = await stage.document()
    with pytest.raises(CannotChoose, match=r"no question is open on phone of customer cust-1$"):
        await reviews.choose(question, Side.SALESFORCE, who="bob")
    with pytest.raises(CannotChoose, match="no question is open on phone"):
        await reviews.question("customer", "cust-1", "phone")
    assert await stage.document() == before
    assert len(audit(stage)) == 1


async def test_other_edits_meanwhile_stay(stage: Stage, reviews: Reviews, documents: FakeDocuments) -> None:
    """Another process writes the document in the worst moment: the choice is decided again on top of that."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")

    async def somebody_else() -> None:
        await stage.post({"department": "Poetry"}, changed=["department"])

    documents.before_write = somebody_else
    await reviews.choose(question, Side.PLATFORM, who="ana")
    await stage.settle()
    assert (record_of(stage)["Phone"], record_of(stage)["Department"]) == ("p-cust-1", "Poetry")
    assert len(audit(stage)) == 1


@pytest.mark.parametrize("moment", ["before", "while it is stored"])
async def test_values_that_were_not_shown_are_not_chosen(
    stage: Stage, reviews: Reviews, documents: FakeDocuments, moment: str
) -> None:
    """The side that is shown has gone on since: the person did not decide about that value."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")
    seen: list[dict[str, object]] = []

    async def goes_on() -> None:
        await sell(stage, "s2")
        seen.append(copy.deepcopy(await stage.document()))

    if moment == "before":
        await goes_on()
    else:
        documents.before_write = goes_on
    with pytest.raises(CannotChoose, match="other values than those that were shown; nothing was changed"):
        await reviews.choose(question, Side.PLATFORM, who="ana")
    assert await stage.document() == seen[0]
    assert not audit(stage)
    assert (await reviews.question("customer", "cust-1", "phone")).salesforce == "s2"


async def test_another_spelling_is_another_value(stage: Stage, reviews: Reviews) -> None:
    """The values are compared to the letter: whoever chose may have chosen for the spelling."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")
    for other in ("P-CUST-1", " p-cust-1", 1):
        with pytest.raises(CannotChoose, match="other values"):
            await reviews.choose(replace(question, platform=other), Side.PLATFORM, who="ana")


async def test_what_is_not_there_is_told_by_name(stage: Stage, reviews: Reviews, documents: FakeDocuments) -> None:
    """Kind, path, document, and the question itself; none of it names a value."""
    await disagree(stage)
    for kind, id_, path, told in (
        ("event", "cust-1", "phone", '"event" is no kind of the mapping; there are: customer'),
        ("customer", "cust-1", "fone", '"fone" is no mapped path of customer; there are: email,'),
        ("customer", "cust-2", "phone", "there is no customer cust-2 in customers"),
        (
            "customer",
            "cust-1",
            "email",
            "no question is open on email of customer cust-1; in this document one is open on: phone",
        ),
    ):
        with pytest.raises(CannotChoose) as refused:
            await reviews.question(kind, id_, path)
        assert str(refused.value).startswith(told)
    question = await reviews.question("customer", "cust-1", "phone")
    del documents.collections["customers"]["cust-1"]
    with pytest.raises(CannotChoose, match="there is no customer cust-1"):
        await reviews.choose(question, Side.PLATFORM, who="ana")


async def test_a_document_that_cannot_be_stored(
    stage: Stage, reviews: Reviews, documents: FakeDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MongoDB's reason is told; MongoDB being away passes through."""
    await disagree(stage)
    question = await reviews.question("customer", "cust-1", "phone")

    async def refuse(*_: object) -> set[str]:
        raise DocumentsRefused({"cust-1": "BSONObjectTooLarge"}, set())

    with monkeypatch.context() as patched:
        patched.setattr(documents, "write", refuse)
        with pytest.raises(CannotChoose, match="will not store customer cust-1: BSONObjectTooLarge"):
            await reviews.choose(question, Side.PLATFORM, who="ana")
    documents.away = True
    with pytest.raises(Unavailable):
        await reviews.choose(question, Side.PLATFORM, who="ana")


async def test_a_name_that_is_no_longer_mapped_is_left_out(
    stage: Stage, reviews: Reviews, documents: FakeDocuments
) -> None:
    """A document not yet decided by the mapping in force may name a field that it does not know."""
    await disagree(stage)
    documents.collections["customers"]["cust-1"]["_sync"]["reviews"] += ["Gone__c", "Email"]
    assert [one.field for one in (await reviews.waiting()).questions] == ["Phone"]
