"""Guarded writes on the real MongoDB: who has lost is told exactly."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.documents import MongoDocuments
from schemas.storage import DocumentWrite

pytestmark = pytest.mark.integration


def write(key: str, revision: int | None, decision: str, before: tuple[str, ...] = (), **values: Any) -> DocumentWrite:
    """An update as the rules make it."""
    changes = {"revision": (revision or 0) + 1, "_sync": {"decisions": [decision, *before]}, **values}
    return DocumentWrite(id=key, revision=revision, decision=decision, set=changes)


async def test_losers_are_told_by_name(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A bulk write tells totals only; each loser is found."""
    documents = MongoDocuments(database)
    assert await documents.write("c", [write("a", None, "1"), write("b", None, "2")]) == set()
    lost = await documents.write("c", [write("a", 1, "3", x=1), write("b", 7, "4", x=1), write("new", None, "5")])
    assert lost == {"b"}
    found = await documents.read("c", ["a", "b", "new"])
    assert {key: document.get("x") for key, document in found.items()} == {"a": 1, "b": None, "new": None}


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
        if args[0][0]._doc["$set"]["_sync"]["decisions"][0] == "3":
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
