"""One thing that waits for a person, from what is stored of it: a parked record, or a refused write. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from consumers.rules.kinds import Kind
from consumers.rules.state import Refusal
from consumers.writer.writer import fields_told, refusal_told
from schemas import cloudevents, marks, topics
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

IN_OUR_WORDS: Final = frozenset(
    {
        "undecodable",
        "unknown_event_type",
        "unknown_topic",
        "unknown_kind",
        "invalid_value",
        "newer_format",
        "erasure_not_set_up",
    }
)
"""Reasons whose detail we have put into words, with names of fields and no value of one."""


@dataclass(frozen=True, slots=True)
class Item:
    """`at` is when it was first parked, `last_at` when last: epoch milliseconds.

    `id` is `<topic>:<partition>:<offset>` for a record, and `<kind>:<document id>` for a write.
    """

    id: str
    is_write: bool
    topic: str
    key: str
    kind: str
    document: str
    reason: str
    detail: str
    at: int
    last_at: int
    attempts: int
    """How often it was tried; 0 where that is not counted, as of a write."""
    state: str
    fields: str = ""
    """Of a refused write the fields that Salesforce names."""
    order: tuple[int, int] = (0, 0)
    """Partition and offset: those of one key are redriven in their order."""

    @property
    def about(self) -> str:
        """What it speaks of, as far as that is known."""
        return f"{self.kind}:{self.document}" if self.document else self.key or self.kind


def item_of_record(row: Mapping[str, Any]) -> Item:
    """Of a row of `tandem_parked`; an older release wrote less into it."""
    key = row.get("key")
    return Item(
        id=row["_id"],
        is_write=False,
        topic=row["topic"],
        key="" if key is None else bytes(key).decode("utf-8", "replace"),
        kind=row.get("kind", ""),
        document=row.get("document", ""),
        reason=row["reason"],
        detail=row.get("detail", ""),
        at=row["at"],
        last_at=row.get("last_at", row["at"]),
        attempts=row.get("attempts", 1),
        state=row.get("state", "parked"),
        order=(row.get("partition", 0), row.get("offset", 0)),
    )


def item_of_write(document: Mapping[str, Any], kind: Kind) -> Item:
    """Of a document whose write is refused."""
    sync = document["_sync"]
    refusal = sync["refusal"]
    refused = Refusal({}, refusal["code"], refusal["message"], refusal["at"], fields=tuple(refusal.get("fields", ())))
    document_id = str(document["_id"])
    return Item(
        id=f"{kind.name}:{document_id}",
        is_write=True,
        topic=topics.SALESFORCE_WRITES,
        key=sync.get("link", {}).get("id", "") or f"{kind.name}:{document_id}",
        kind=kind.name,
        document=document_id,
        reason=refusal["code"],
        detail=refusal_told(refused, kind),
        at=refusal["at"],
        last_at=refusal["at"],
        attempts=0,
        state="parked",
        fields=fields_told(refused, kind),
    )


def without_values(item: Item) -> Item:
    """For who may not see personal data: what Salesforce and MongoDB say of a refused write may quote values."""
    if item.is_write:
        return replace(item, detail=item.fields)
    return item if item.reason in IN_OUR_WORDS else replace(item, detail="")


def record_of(row: Mapping[str, Any], attempt: int) -> Record:
    """The record as it will come again, marked as redriven."""
    raw = [(str(name), bytes(value)) for name, value in row.get("headers", ())]
    mark = marks.Redriven(row["_id"], attempt)
    came = row.get("timestamp") or row["at"]
    return Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        key=_bytes(row.get("key")),
        value=_bytes(row.get("value")),
        headers=cloudevents.read(marks.for_redrive(raw, mark, came)),
        timestamp=came,
        raw_headers=raw,
    )


def refused_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of a document, what its refused write is about."""
    sync = document.get("_sync", {})
    return {
        "revision": document.get("revision"),
        "record": sync.get("link", {}).get("id", ""),
        "refusal": sync.get("refusal", {}),
    }


def end_of_refusal(witness: Mapping[str, Any], document: Mapping[str, Any] | None) -> Result | None:
    """How the refused write of which a row tells has ended, by its document; None while it has not.

    `witness` has `at`, when the row was made; it is no earlier than the refusal of which it tells.
    """
    if document is None:
        return Result(Outcome.IGNORED, "there is no such document")
    sync = document.get("_sync", {})
    refusal = sync.get("refusal")
    if refusal:
        return Result(Outcome.PARKED, "refused again since") if refusal["at"] > witness["at"] else None
    return None if "due_at" in sync else Result(Outcome.APPLIED, "no write is refused any more")


def _bytes(raw: Any) -> bytes | None:
    return None if raw is None else bytes(raw)
