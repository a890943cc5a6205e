"""Conflicts that wait for a person, on the real MongoDB: found, listed, settled, written to Salesforce."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.review_stage import disagree, record_of, reviewing_mapping, reviews_of, sell
from support.sync_stage import Stage
from typer.testing import CliRunner, Result

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from consumers.catalog import Catalog
from consumers.rules.state import Side
from ops.cli import app
from ops.reviews import CannotChoose

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


@pytest.fixture
async def documents(database: Database) -> MongoDocuments:
    """With their indexes, and the published mapping by which a person chooses phone and title."""
    await prepare(database, ["customers"])
    return MongoDocuments(database)


@pytest.fixture
async def stage(database: Database, documents: MongoDocuments) -> Stage:
    """The real reconciler and writer; Salesforce in memory."""
    published = await MongoMappings(database).publish(reviewing_mapping(), 0, by="test")
    made = Stage(documents, MongoSyncLog(database), MongoParkedRecords(database))
    made.catalog = Catalog(published)
    return made


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mongodb_uri: str, database: Database) -> None:
    """What a person sets: MongoDB alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)


async def tandem(*arguments: str) -> Result:
    """Run `tandem review`, in a thread of its own as it runs a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["review", *arguments])


async def choices(database: Database) -> list[dict[str, Any]]:
    """The choices in the log."""
    return await database["salesforce_sync_logs"].find({"event": {"$regex": "^choice:"}}).to_list()


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("shown", list(Side))
@pytest.mark.parametrize("side", list(Side))
async def test_from_the_conflict_to_the_record(stage: Stage, database: Database, shown: Side, side: Side) -> None:
    """Listed, chosen, and at rest both sides hold the chosen value; the other is in the log, once."""
    await disagree(stage, shown=str(shown))
    listed = await tandem("list", "--field", "phone", "--json")
    assert listed.exit_code == 0, listed.output
    assert '"platform":"p-cust-1","salesforce":"s-cust-1"' in listed.stdout
    # What the command stores is due by the wall's clock, which is far ahead of the stage's.
    chosen = await tandem("choose", "customer", "cust-1", "phone", side, "--yes", "--why", "called her")
    assert chosen.exit_code == 0, chosen.output
    stored = await stage.document()
    assert stored["_sync"]["audit"] == []
    assert "reviews" not in stored["_sync"]
    (row,) = await choices(database)
    assert (row["winner"], row["path"], row["rule"]) == (side, "phone", "13.review")
    assert row["note"].endswith(": called her")
    if side is Side.PLATFORM:
        stage.now = stored["_sync"]["due_at"]
    await stage.settle()
    value = "p-cust-1" if side is Side.PLATFORM else "s-cust-1"
    assert (await stage.document())["phone"] == record_of(stage)["Phone"] == value
    assert "nothing waits" in (await tandem("list")).stdout
    again = await tandem("choose", "customer", "cust-1", "phone", side, "--yes")
    assert (again.exit_code, again.stderr) == (1, "no question is open on phone of customer cust-1\n")
    assert len(await choices(database)) == 1


async def test_values_that_changed_meanwhile_are_not_chosen(
    stage: Stage, documents: MongoDocuments, database: Database
) -> None:
    """Between the question and the answer somebody has edited the field again."""
    await disagree(stage)
    reviews = reviews_of(stage, documents)
    question = await reviews.question("customer", "cust-1", "phone")
    await sell(stage, "s2")
    before = await stage.document()
    with pytest.raises(CannotChoose, match="other values than those that were shown"):
        await reviews.choose(question, Side.PLATFORM, who="ana")
    assert await stage.document() == before
    assert await choices(database) == []


async def test_two_people_choose_at_once(stage: Stage, documents: MongoDocuments, database: Database) -> None:
    """One of them is told that there is no question any more; one row, one value."""
    await disagree(stage)
    reviews = reviews_of(stage, documents)
    question = await reviews.question("customer", "cust-1", "phone")
    answers = await asyncio.gather(
        reviews.choose(question, Side.PLATFORM, who="ana"),
        reviews.choose(question, Side.SALESFORCE, who="bob"),
        return_exceptions=True,
    )
    (refused,) = [answer for answer in answers if isinstance(answer, BaseException)]
    assert isinstance(refused, CannotChoose)
    (row,) = await choices(database)
    await stage.settle()
    assert record_of(stage)["Phone"] == ("p-cust-1" if row["winner"] == "platform" else "s-cust-1")


async def test_other_writers_meanwhile_are_no_obstacle(
    stage: Stage, documents: MongoDocuments, database: Database
) -> None:
    """Many edits of other fields at the same moment: the choice is stored, and so are they."""
    await disagree(stage)
    reviews = reviews_of(stage, documents)
    question = await reviews.question("customer", "cust-1", "phone")
    others = [stage.new_reconciler() for _ in range(4)]
    fields = ("first_name", "email", "department", "preferred_language")
    await asyncio.gather(
        reviews.choose(question, Side.PLATFORM, who="ana"),
        *(
            other.handle([stage.event({field: f"new {field}"}, changed=[field])])
            for other, field in zip(others, fields, strict=True)
        ),
    )
    await stage.settle()
    document = await stage.document()
    assert [document[field] for field in fields] == [f"new {field}" for field in fields]
    assert document["phone"] == record_of(stage)["Phone"] == "p-cust-1"
    assert len(await choices(database)) == 1


async def test_a_row_that_was_not_drained_is_drained_by_the_sweep(
    stage: Stage, documents: MongoDocuments, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends between the update and the log: the choice and its row are safe in the document."""
    await disagree(stage)
    reviews = reviews_of(stage, documents)
    question = await reviews.question("customer", "cust-1", "phone")

    async def ends(*_: object) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stage.log, "append", ends)
        with pytest.raises(KeyboardInterrupt):
            await reviews.choose(question, Side.PLATFORM, who="ana")
    assert await choices(database) == []
    await stage.sweep.drain_audit()
    assert [row["note"] for row in await choices(database)] == ["by ana"]
    await stage.settle()
    assert record_of(stage)["Phone"] == "p-cust-1"


async def test_the_queue_is_found_by_its_index_and_counted(
    stage: Stage, documents: MongoDocuments, database: Database
) -> None:
    """Documents in which nothing waits are not looked at."""
    assert await documents.count_reviews("customers") == 0
    await disagree(stage, "cust-1")
    await disagree(stage, "cust-2", "Title")
    await sell(stage, "s-phone", "cust-2")
    await stage.post({"phone": "p-phone"}, id_="cust-2", changed=["phone"])
    await database["customers"].insert_many([{"_id": f"other-{number}", "revision": 1} for number in range(50)])
    assert await documents.count_reviews("customers") == 3
    assert [document["_id"] async for document in documents.in_review("customers", "Title")] == ["cust-2"]
    found = [document async for document in documents.in_review("customers")]
    assert {document["_id"] for document in found} == {"cust-1", "cust-2"}
    assert not any(name in document["_sync"] for document in found for name in ("writes", "audit"))
    for asked in ({"$exists": True}, "Title"):
        plan = await database["customers"].find({"_sync.reviews": asked}).explain()
        assert plan["executionStats"]["totalDocsExamined"] <= 2
