"""All that is held of one person, in both systems and beside.

It is what an erasure would remove: both ask the same places (`ops.erasure.finder`, `adapters.mongo.removal`).
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from adapters.mongo.removal import MongoRemoval
from consumers.catalog import Catalog
from consumers.ports import Records
from consumers.writer.kept import KeptRecords
from ops.erasure.finder import Finder


class NothingHeld(Exception):
    """Nothing of that person is held, or the mapping has no such kind; the message says which."""


async def held_of(
    removal: MongoRemoval, records: Records, catalog: Catalog, kind_name: str, document_id: str
) -> dict[str, Any]:
    """All that is held: `documents` and `salesforce` by kind and id, and rows by collection.

    Raises:
        NothingHeld, Unavailable.
    """
    kind = catalog.kinds.get(kind_name)
    if kind is None:
        raise NothingHeld(f"the mapping has no kind {kind_name}")
    found = await Finder(removal, records).find(kind, document_id, catalog)
    documents: dict[str, Any] = {}
    for name, each in found.things:
        document = await removal.document(catalog.kinds[name].collection, each)
        if document is not None:
            documents[f"{name}:{each}"] = document
    rows: dict[str, Any] = {}
    for name, ids in found.records.items():
        read = await KeptRecords(records).read(catalog.kinds[name], ids)
        rows |= {f"{name}:{record}": dict(row) for record, row in read.rows.items()}
    collections = {each.name: each.collection for each in catalog.kinds.values()}
    beside = await removal.held_rows(found.things, collections, found.record_ids, found.looked_up())
    for name, mentioned in (await removal.mentioning(found.mentions())).items():
        known = {row["_id"] for row in beside.get(name, ())}
        beside[name] = [*beside.get(name, ()), *(row for row in mentioned if row["_id"] not in known)]
    held = {"documents": documents, "salesforce": rows, **beside}
    if not any(held.values()):
        raise NothingHeld("nothing is held of this person")
    return held


def as_json(held: Mapping[str, Any]) -> str:
    """UTF-8 JSON; bytes that are text are shown as text, others in base64, dates in ISO 8601."""
    return json.dumps(held, indent=2, ensure_ascii=False, default=_shown)


def _shown(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def audit_row(kind: str, document_id: str, *, by: str, at: int, row_id: str, note: str = "") -> dict[str, Any]:
    """The row of `tandem_operations` that says who was told, and what for; `at` is epoch milliseconds."""
    about = {"kind": kind, "document": document_id, "item": f"{kind}/{document_id}"}
    return {"_id": row_id, "what": "export", **about, "by": by, "note": note, "at": at, "result": "done"}
