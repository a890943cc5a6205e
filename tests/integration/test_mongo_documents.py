"""Guarded writes on the real MongoDB: who has lost is told exactly, and what can never be written."""

import dataclasses
import time
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import OperationFailure

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments, refusals
from schemas.storage import DocumentsRefused, DocumentWrite
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration


def write(key: str, revision: int | None, decision: str, before: tuple[str, ...] = (), **values: Any) -> DocumentWrite:
    """An update as the rules make it."""
    changes = {"revision": (revision or 0) + 1, "_sync": {"decisions": " ".join((decision, *before))}, **values}
    return DocumentWrite(id=key, revision=revision, decision=decision, set=changes)


async def test_losers_are_told_by_name(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A bulk write tells totals only; each loser is found."""
    documents = MongoDocuments(database)
    assert await documents.write("c", [write("a", None, "1"), write("b", None, "2")]) == set()
    lost = await documents.write("c", [write("a", 1, "3", x=1), write("b", 7, "4", x=1), write("new", None, "5")])
    assert lost == {"b"}
    found = await documents.read("c", ["a", "b", "new"])
    assert {key: document.get("x") for key, document in found.items()} == {"a": 1, "b": None, "new": None}


async def test_an_update_that_comes_too_late_has_lost(database: AsyncDatabase[dict[str, Any]]) -> None:
    """By MongoDB's clock; what it shows would count as seen by people who could not see it."""
    documents = MongoDocuments(database)
    await documents.write("c", [write("a", None, "1"), write("b", None, "2")])
    late = dataclasses.replace(write("a", 1, "3", x=1), fresh_until=time.monotonic() - 0.1)
    fresh = dataclasses.replace(write("b", 1, "4", x=1), fresh_until=time.monotonic() + 300)
    assert await documents.write("c", [late, fresh]) == {"a"}
    found = await documents.read("c", ["a", "b"])
    assert {key: document.get("x") for key, document in found.items()} == {"a": None, "b": 1}


async def test_an_insert_that_comes_second_has_lost(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Two processes meet a customer for the first time."""
    documents = MongoDocuments(database)
    assert await documents.write("c", [write("a", None, "1")]) == set()
    assert await documents.write("c", [write("a", None, "2")]) == {"a"}


async def test_a_winner_that_was_built_upon_has_not_lost(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Another's update lands between our bulk write and our reading back; ours is still there below it."""
    documents = MongoDocuments(database)
    await documents.write("c", [write("a", None, "1"), write("b", None, "2")])

    class Overtaken(MongoDocuments):
        """Lets another in at the worst moment: before the decisions are read back."""

    overtaken = Overtaken(database)
    collection = database["c"]
    real_bulk_write = type(collection).bulk_write

    async def bulk_write(self: Any, *args: Any, **options: Any) -> Any:
        result = await real_bulk_write(self, *args, **options)
        if args[0][0]._doc["$set"]["_sync"]["decisions"].split()[0] == "3":
            await documents.write("c", [write("a", 2, "other", ("3",))])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(collection), "bulk_write", bulk_write)
        lost = await overtaken.write("c", [write("a", 1, "3", ("1",)), write("b", 9, "4")])
    assert lost == {"b"}


async def test_a_document_the_platform_made_is_taken_up(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Only our own paths are set; what else it holds stays."""
    await database["c"].insert_one({"_id": "a", "loyalty": {"points": 3}})
    documents = MongoDocuments(database)
    assert await documents.write("c", [write("a", None, "1", email="x@example.org")]) == set()
    document = (await documents.read("c", ["a"]))["a"]
    assert document["loyalty"] == {"points": 3}
    assert document["email"] == "x@example.org"


@pytest.mark.parametrize(
    ("values", "why"),
    [({"address.city": "Cluj"}, "PathNotViable"), ({"size": 2**64 - 1}, "IntegerTooLarge")],
)
async def test_what_can_never_be_written_is_told_by_name_and_holds_nothing_up(
    database: AsyncDatabase[dict[str, Any]], values: dict[str, Any], why: str
) -> None:
    """A scalar where the mapping wants a path, or a value that BSON has no form for: all the others are written."""
    await database["c"].insert_one({"_id": "bad", "address": "one line", "revision": 1})
    documents = MongoDocuments(database)
    await documents.write("c", [write("late", None, "0")])
    with pytest.raises(DocumentsRefused) as told:
        await documents.write(
            "c", [write("good", None, "1", x=1), write("bad", 1, "2", **values), write("late", 7, "3")]
        )
    assert told.value.refused == {"bad": why}
    assert told.value.lost == {"late"}
    assert (await documents.read("c", ["good"]))["good"]["x"] == 1


def test_a_refusal_that_is_not_the_documents_ends_loudly_without_a_value() -> None:
    """A full disk parks nothing; a write that no majority confirmed is waited for."""
    full = {"writeErrors": [{"index": 0, "code": 14031, "errmsg": "Ada Lovelace", "op": {"q": "Ada Lovelace"}}]}
    with pytest.raises(OperationFailure) as told:
        refusals(full)
    assert "Ada" not in str(told.value)
    with pytest.raises(Unavailable):
        refusals({"writeErrors": [], "writeConcernErrors": [{"code": 64}]})


async def test_documents_that_wait_for_the_writer_are_counted(database: AsyncDatabase[dict[str, Any]]) -> None:
    """By their index, whenever their time is."""
    await prepare(database, ["c"])
    await database["c"].insert_many([{"_id": "a", "_sync": {"due_at": 1}}, {"_id": "b", "_sync": {"due_at": 2**50}}])
    await database["c"].insert_one({"_id": "c", "_sync": {}})
    assert await MongoDocuments(database).count_due("c") == 2


async def test_the_sweep_reads_what_is_due_from_its_index(database: AsyncDatabase[dict[str, Any]]) -> None:
    """In order and without looking at the documents that are not: a million at rest cost nothing."""
    await prepare(database, ["c"])
    await database["c"].insert_many([{"_id": str(n), "_sync": {"due_at": n} if n < 5 else {}} for n in range(200)])
    plan = await database["c"].find({"_sync.due_at": {"$lte": 3}}).sort("_sync.due_at").limit(2).explain()
    stats = plan["executionStats"]
    assert (stats["totalDocsExamined"], stats["totalKeysExamined"]) == (2, 2)
