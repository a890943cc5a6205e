"""Very many documents and rows, made within MongoDB of the few that the stages have left (`benchmarks.page_templates`).

A copy has ids of its own, which name each other as those of its template do, and is as much older.
"""

from collections.abc import Mapping
from typing import Any, Final

from pymongo import AsyncMongoClient

from adapters.mongo.collections import DELIVERIES, GAPS, OPERATIONS, PARKED, SYNC_LOGS, prepare
from benchmarks.page_templates import choosing_mapping

Client = AsyncMongoClient[dict[str, Any]]
Expression = Any

AUDIT_A_DOCUMENT: Final = 10
WAITING_A_THOUSAND: Final = 5
"""Of a thousand documents so many are refused, so many wait for a choice, so many are due; and so many are parked."""
OLDER_MS: Final = 60_000
LONGEST_MS: Final = 60 * 86_400_000
DIGITS: Final = 7


async def multiply(mongodb: str, few: str, many: str, records: int) -> dict[str, int]:
    """Fill the database `many` from `few`; how many rows each collection has then."""
    client: Client = AsyncMongoClient(mongodb)
    async with client:
        counts = await _classes(client, few)
        waiting = max(1, records * WAITING_A_THOUSAND // 1000)
        copies = {name: max(1, -(-waiting // counts[name])) for name in ("refused", "asked", "due")}
        rest = max(1, (records - 3 * waiting) // counts["settled"])
        of_document = _by_class(copies, rest)
        await _copy(client, few, many, "customers", of_document)
        await _copy(client, few, many, SYNC_LOGS, _log_copies(records, counts))
        await _copy(client, few, many, PARKED, max(1, waiting // counts["parked"]))
        await _copy(client, few, many, OPERATIONS, max(1, records // counts[OPERATIONS]))
        await _copy(client, few, many, DELIVERIES, max(1, records // counts[DELIVERIES]))
        await _copy(client, few, many, GAPS, 5)
        mapping = choosing_mapping()
        await prepare(client[many], mapping.collections(), mapping.counted(), mapping.matched())
        names = ("customers", SYNC_LOGS, PARKED, OPERATIONS, DELIVERIES, GAPS)
        return {name: await client[many][name].estimated_document_count() for name in names}


async def _classes(client: Client, few: str) -> dict[str, int]:
    database = client[few]
    asked: Mapping[str, tuple[str, dict[str, Any]]] = {
        "refused": ("customers", {"_sync.refusal": {"$exists": True}}),
        "asked": ("customers", {"_sync.reviews": {"$exists": True}}),
        "due": ("customers", {"_sync.due_at": {"$exists": True}}),
        "all": ("customers", {}),
        "audit": (SYNC_LOGS, {"type": "audit"}),
        "parked": (PARKED, {}),
        OPERATIONS: (OPERATIONS, {}),
        DELIVERIES: (DELIVERIES, {}),
    }
    counts = {name: await database[where].count_documents(query) for name, (where, query) in asked.items()}
    return counts | {"settled": counts["all"] - counts["refused"] - counts["asked"] - counts["due"]}


def _by_class(copies: Mapping[str, int], rest: int) -> Expression:
    fields = {"refused": "$_sync.refusal", "asked": "$_sync.reviews", "due": "$_sync.due_at"}
    branches = [
        {"case": {"$ne": [{"$type": fields[name]}, "missing"]}, "then": number} for name, number in copies.items()
    ]
    return {"$switch": {"branches": branches, "default": rest}}


def _log_copies(records: int, counts: Mapping[str, int]) -> Expression:
    """Ten rows of the audit for each document, and the other rows as they come."""
    audit = max(1, records * AUDIT_A_DOCUMENT // counts["audit"])
    return {"$cond": [{"$eq": ["$type", "audit"]}, audit, max(1, records // counts["all"])]}


async def _copy(client: Client, few: str, many: str, collection: str, copies: Expression) -> None:
    """Written before there is any index: to make those of all rows at once is much quicker."""
    pipeline: list[dict[str, Any]] = [
        {"$set": {"copy": {"$range": [0, copies]}}},
        {"$unwind": "$copy"},
        {"$set": {"copy_text": _padded("$copy")}},
        {"$set": _changed(collection)},
        {"$unset": ["copy", "copy_text"]},
        {"$out": {"db": many, "coll": collection}},
    ]
    await client[few][collection].aggregate(pipeline, allowDiskUse=True)


def _padded(number: Expression) -> Expression:
    return {"$substrBytes": [{"$toString": {"$add": [10**DIGITS, number]}}, 1, DIGITS]}


def _suffixed(path: str) -> Expression:
    return {"$concat": [path, "-", "$copy_text"]}


def _record(path: str, number: Expression) -> Expression:
    """The id of another record, of 18 characters as well: the zeros in the middle are the copy's number."""
    kept = {"$substrBytes": [path, 0, 5]}, {"$substrBytes": [path, 5 + DIGITS, -1]}
    return {"$concat": [kept[0], number, kept[1]]}


def _where_text(path: str, then: Expression) -> Expression:
    """Where there is a text; what is missing stays so."""
    return {"$cond": [{"$gt": [path, ""]}, then, {"$ifNull": [path, "$$REMOVE"]}]}


_SHIFT: Final = {"$mod": [{"$multiply": ["$copy", OLDER_MS]}, LONGEST_MS]}


def _older(path: str) -> Expression:
    there = {"$in": [{"$type": path}, ["date", "long", "int", "double"]]}
    return {"$cond": [there, {"$subtract": [path, _SHIFT]}, {"$ifNull": [path, "$$REMOVE"]}]}


def _changed(collection: str) -> dict[str, Expression]:
    changed: dict[str, Expression] = {"_id": _suffixed("$_id")}
    if collection == "customers":
        changed["email"] = {"$concat": ["$copy_text", ".", "$email"]}
        changed["_sync.link.id"] = _record("$_sync.link.id", "$copy_text")
        changed["_sync.due_at"] = _older("$_sync.due_at")
        refusal = {"$mergeObjects": ["$_sync.refusal", {"at": {"$subtract": ["$_sync.refusal.at", _SHIFT]}}]}
        changed["_sync.refusal"] = {"$cond": [{"$gt": ["$_sync.refusal", None]}, refusal, "$$REMOVE"]}
        return changed
    # The audit has ten rows for each copy of a document.
    number = _of_tenth() if collection == SYNC_LOGS else "$copy_text"
    changed["document"] = _where_text("$document", {"$concat": ["$document", "-", number]})
    changed["record"] = _where_text("$record", _record("$record", number))
    changed["key"] = _suffixed("$key") if collection == DELIVERIES else {"$ifNull": ["$key", "$$REMOVE"]}
    for path in ("at", "last_at", "logged_at", "audited_at", "made_at", "until"):
        changed[path] = _older(f"${path}")
    return changed


def _of_tenth() -> Expression:
    tenth = {"$toLong": {"$floor": {"$divide": ["$copy", AUDIT_A_DOCUMENT]}}}
    return _padded({"$cond": [{"$eq": ["$type", "audit"]}, tenth, "$copy"]})
