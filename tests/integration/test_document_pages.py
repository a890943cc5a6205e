"""Documents page by page, as `tandem verify` reads them."""

from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.pages import MongoPages

pytestmark = pytest.mark.integration


async def test_those_that_were_written_within_a_window(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Both its ends count; what Tandem has not decided is the platform's own."""
    documents = [{"_id": f"c{n}", "revision": 1, "salesforce": {"lastSyncedAt": n}} for n in range(9)]
    await database["customers"].insert_many([*documents, {"_id": "own", "salesforce": {"lastSyncedAt": 4}}])
    pages = MongoPages(database, 2)
    found = [one["_id"] async for page in pages.changed("customers", 3, 6) for one in page]
    assert found == ["c3", "c4", "c5", "c6"]
    passed_over = list[int]()
    everything = pages.all("customers", passed_over.append)
    assert [one["_id"] async for page in everything for one in page] == [one["_id"] for one in documents]
    assert sum(passed_over) == 1
