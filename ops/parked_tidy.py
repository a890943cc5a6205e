"""Rows that tell of refused writes are closed once their documents are refused no more. May run any number of times."""

from collections.abc import Callable
from typing import Final

from adapters.mongo.parked import ParkedQueue
from consumers.catalog import Catalog
from consumers.ports import Documents
from ops.parked_items import end_of_refusal
from schemas.outcome import Result

PAGE: Final = 500


async def tidy(queue: ParkedQueue, documents: Documents, catalog: Catalog, now: Callable[[], int]) -> int:
    """Go through the open ones; how many were closed.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    closed, after = 0, ""
    while rows := await queue.open_witnesses(after, PAGE):
        after = rows[-1]["_id"]
        over: dict[Result, list[str]] = {}
        for kind in catalog.kinds.values():
            of_kind = [row for row in rows if row["kind"] == kind.name]
            if not of_kind:
                continue
            found = await documents.read(kind.collection, sorted({row["document"] for row in of_kind}))
            for row in of_kind:
                if end := end_of_refusal(row, found.get(row["document"])):
                    over.setdefault(end, []).append(row["_id"])
        for end, ids in over.items():
            await queue.resolve(ids, end, now())
            closed += len(ids)
    return closed
