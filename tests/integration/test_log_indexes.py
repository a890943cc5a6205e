"""What people ask of the log is answered from its indexes, though most of its rows are in none but one of them."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import SYNC_LOGS, prepare
from adapters.mongo.history import log_rows

pytestmark = pytest.mark.integration


def rows() -> list[dict[str, Any]]:
    """Many plain ones, and a few of the others."""
    plain = [
        {"_id": f"e{n}", "type": "outcome", "kind": "customer", "document": f"c{n}", "at": n, "event": f"e{n}"}
        for n in range(200)
    ]
    changes = [{"_id": f"s{n}", "type": "outcome", "record": f"003{n}", "at": n, "event": f"s{n}"} for n in range(3)]
    audit = [
        {"_id": f"a{n}", "type": "audit", "kind": "customer", "document": "c1", "record": "", "at": n} for n in range(5)
    ]
    return [*plain, *changes, *audit]


async def test_the_newest_conflicts_are_read_from_their_index(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A million plain rows cost nothing."""
    await prepare(database, [])
    await database[SYNC_LOGS].insert_many(rows())
    plan = await database[SYNC_LOGS].find({"type": "audit"}).sort("at", -1).limit(2).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 2


async def test_the_history_of_a_thing_is_read_from_the_indexes(database: AsyncDatabase[dict[str, Any]]) -> None:
    """That of the document and that of its record, together."""
    await prepare(database, [])
    await database[SYNC_LOGS].insert_many(rows())
    await database.command("profile", 2)
    try:
        found = await log_rows(database, "customer", "c1", "0031", 10)
    finally:
        await database.command("profile", 0)
    assert {row["_id"] for row in found} == {"e1", "s1", *(f"a{n}" for n in range(5))}
    profiled = await database["system.profile"].find({"ns": f"{database.name}.{SYNC_LOGS}", "op": "query"}).to_list()
    assert [query["docsExamined"] for query in profiled] == [7]
