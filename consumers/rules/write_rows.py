"""The log's row of a write: from its answer, or from Salesforce's own telling where that came before any answer."""

from collections.abc import Mapping
from typing import Any, Final

from consumers.rules.state import DocumentState, FieldState, Side, Write, WriteState
from consumers.rules.stored import StoredFields
from schemas.outcome import Outcome

SEEN_FIRST: Final = "seen in Salesforce before it was answered"
_UNANSWERED: Final = frozenset({str(WriteState.OPEN), str(WriteState.UNKNOWN)})
_SEEN: Final = (WriteState.LANDED, WriteState.DOUBTFUL)


def write_row(
    kind: str,
    document_id: str,
    write: Write,
    fields: Mapping[str, FieldState],
    *,
    record: str,
    outcome: Outcome,
    code: str,
    reason: str,
    at: int,
) -> dict[str, Any]:
    """What became of one write: its number makes a repeat the same row.

    `fields` are the document's. `since` is when the newest of the platform's edits was made that the write carries,
    epoch milliseconds, left out where that is not known any more.
    """
    since = _newest_edit(fields, write)
    return ({"since": since} if since else {}) | {
        "_id": f"{kind}:{document_id}:write:{write.number}",
        "type": "write",
        "kind": kind,
        "document": document_id,
        "record": record,
        "write": write.number,
        "fields": sorted(write.values),
        "outcome": str(outcome),
        "code": code,
        "reason": reason,
        "at": at,
    }


def seen_first(state: DocumentState, *, at: int) -> list[dict[str, Any]]:
    """Rows for the writes that the update which is decided on has seen land, and that nobody has had an answer to.

    Whoever made the call may be gone, and nobody asks after a Bulk job once no write of it is open. Where the answer
    does come, its row is the same.
    """
    if not isinstance(state.fields, StoredFields):
        return []
    unanswered = {
        stored["n"]
        for stored in state.fields.sync.get("writes", ())
        if stored["state"] in _UNANSWERED and not stored.get("answered")
    }
    if not unanswered:
        return []
    record = "" if state.link is None else state.link.record_id
    return [
        write_row(
            state.kind,
            state.id,
            write,
            state.fields,
            record=record,
            outcome=Outcome.APPLIED,
            code="",
            reason=SEEN_FIRST,
            at=at,
        )
        for write in state.writes
        if write.number in unanswered and write.state in _SEEN
    ]


def _newest_edit(fields: Mapping[str, FieldState], write: Write) -> int:
    written = [fields[name] for name in write.values if name in fields]
    edits = (field.made_at for field in written if field.source is Side.PLATFORM)
    return max((made_at for made_at in edits if made_at <= write.taken_at), default=0)
