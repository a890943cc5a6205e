"""What documents hold for others once they are written: audit rows for the log, and news for the platform."""

from collections.abc import Collection, Sequence
from typing import Any

from consumers.ports import Documents, Tellings
from consumers.reconciler.batch import Batch
from consumers.rules.kinds import Kind
from consumers.rules.linked import link_row
from consumers.rules.state import DocumentState
from consumers.rules.write_rows import seen_first

Key = tuple[str, str]
"""Kind and id of a document."""


def with_news(batch: Batch, unwritten: Collection[Key]) -> dict[Key, tuple[Kind, DocumentState]]:
    """The documents of the batch that have something to tell, but for those whose update was not made."""
    return {
        key: (touched.kind, touched.state)
        for key, touched in batch.documents.items()
        if touched.state.told and key not in unwritten
    }


def with_audit(batch: Batch, unwritten: Collection[Key]) -> dict[Key, tuple[Kind, DocumentState]]:
    """The documents that the batch has written and in which audit rows are."""
    return {
        key: (touched.kind, touched.state)
        for key, touched in batch.documents.items()
        if touched.state.audit and touched.changed and key not in unwritten
    }


def link_and_write_rows(batch: Batch, unwritten: Collection[Key]) -> list[dict[str, Any]]:
    """Rows of the log: links that the batch has made, moved or ended, and writes that it has seen before an answer."""
    rows: list[dict[str, Any]] = []
    for key, one in batch.documents.items():
        if one.changed and key not in unwritten:
            rows += seen_first(one.state, at=batch.now)
            if (row := link_row(one.state, at=batch.now)) is not None:
                rows.append(row)
    return rows


async def tell_all(documents: Documents, tellings: Tellings, told: Sequence[tuple[Kind, DocumentState]]) -> None:
    """Tell it, and only then take it out: whoever ends between has it told once more, under the same ids.

    Raises:
        Unavailable: Kafka or MongoDB does not answer; it is still in the documents, and the sweep tells it.
    """
    if not told:
        return
    await tellings.tell([row for _kind, state in told for row in state.told])
    by_collection: dict[str, dict[str, list[str]]] = {}
    for kind, state in told:
        by_collection.setdefault(kind.collection, {})[state.id] = [row["_id"] for row in state.told]
    for collection, rows in by_collection.items():
        await documents.clear_told(collection, rows)
