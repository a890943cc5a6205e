"""The state as it is stored: mapped paths at the top of the document, everything else under `_sync`.

`docs/document.md` shows the layout to people. Keys are short because every document carries a register for every
mapped field.
"""

from collections.abc import Mapping
from typing import Any

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import (
    DocumentState,
    Existence,
    FieldState,
    Link,
    PlatformRegister,
    Refusal,
    Retry,
    SalesforceRegister,
    Side,
    Write,
    WriteState,
)
from schemas.position import BEGINNING, CommitPosition

DECISIONS_KEPT = 8
"""Whoever wrote a document looks for its decision there a moment later; others may have written it meanwhile."""

_MISSING = object()
# Looking a member up is far cheaper than calling the enum, and this is done for every field of every document.
_SIDES = {str(side): side for side in Side}
_WRITE_STATES = {str(state): state for state in WriteState}


def load(document: Mapping[str, Any] | None, document_id: str, kind: Kind) -> DocumentState:
    """The state of a stored document, or of one that is not there yet."""
    state = DocumentState(kind=kind.name, id=document_id)
    if document is None:
        return state
    state.revision = document.get("revision")
    sync = document.get("_sync")
    if not sync:
        return state
    for name, stored in sync.get("fields", {}).items():
        rule = kind.by_name.get(name)
        if rule is not None:
            state.fields[name] = _load_field(stored, _at(document, rule.path))
    if existence := sync.get("existence"):
        state.existence = Existence(existence["exists"], existence["heard"], tuple(existence["events"]))
    if link := sync.get("link"):
        state.link = Link(link["id"], link["at"], link.get("read", False), link.get("gone", False))
    state.position = _position(sync.get("position")) or BEGINNING
    state.heard_at = sync.get("heard", 0)
    state.row_mark, state.row_before, state.row_write = sync.get("row", (0, 0, 0))
    state.writes = [_load_write(stored) for stored in sync.get("writes", ())]
    state.last_number = sync.get("number", 0)
    state.read_reason = sync.get("read", "")
    if refusal := sync.get("refusal"):
        state.refusal = Refusal(refusal["values"], refusal["code"], refusal["message"], refusal["at"])
    if retry := sync.get("retry"):
        state.retry = Retry(retry["tries"], retry["at"], retry["code"])
    state.audit = list(sync.get("audit", ()))
    state.stored_due_at = sync.get("due_at")
    state.decisions = tuple(sync.get("decisions", ()))
    return state


def dump(state: DocumentState, kind: Kind, *, now: int, due_at: int | None, decision: str) -> dict[str, Any]:
    """What to `$set`: the mapped paths, `salesforce`, `revision` and `_sync`, and nothing else of the document."""
    changes: dict[str, Any] = {"revision": state.next_revision}
    for name, field in state.fields.items():
        rule = kind.by_name.get(name)
        if rule is not None and field.source is not None:
            changes[rule.dotted] = field.value
    changes["salesforce"] = _public(state, due_at, now)
    changes["_sync"] = _sync(state, due_at, decision)
    return changes


def _sync(state: DocumentState, due_at: int | None, decision: str) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "decisions": [decision, *state.decisions][:DECISIONS_KEPT],
        "fields": {name: _dump_field(field) for name, field in state.fields.items()},
        "number": state.last_number,
    }
    if state.existence is not None:
        known = state.existence
        stored["existence"] = {"exists": known.exists, "heard": known.heard, "events": list(known.events)}
    if state.link is not None:
        link = state.link
        stored["link"] = {"id": link.record_id, "at": link.linked_at, "read": link.read, "gone": link.gone}
    if state.position != BEGINNING:
        stored["position"] = list(state.position)
    if state.heard_at:
        stored["heard"] = state.heard_at
    if state.row_mark:
        stored["row"] = [state.row_mark, state.row_before, state.row_write]
    if state.writes:
        stored["writes"] = [_dump_write(write) for write in state.writes]
    if state.read_reason:
        stored["read"] = state.read_reason
    if state.refusal is not None:
        refusal = state.refusal
        stored["refusal"] = {
            "values": refusal.values,
            "code": refusal.code,
            "message": refusal.message,
            "at": refusal.at,
        }
    if state.retry is not None:
        stored["retry"] = {"tries": state.retry.tries, "at": state.retry.at, "code": state.retry.code}
    if state.audit:
        stored["audit"] = state.audit
    if due_at is not None:
        stored["due_at"] = due_at
    return stored


def _public(state: DocumentState, due_at: int | None, now: int) -> dict[str, Any]:
    """What the platform may read of the sync: the names of the product's own participant document."""
    public: dict[str, Any] = {"syncStatus": _status(state, due_at), "lastSyncedAt": now}
    if state.link is not None:
        public["recordId"] = state.link.record_id
    if state.refusal is not None:
        public["syncError"] = state.refusal.code
    return public


def _status(state: DocumentState, due_at: int | None) -> str:
    if state.deleted:
        return "deleted"
    if state.link is not None and state.link.gone:
        return "gone"
    if state.refusal is not None:
        return "error"
    return "pending" if due_at is not None or state.link is None else "synced"


def _load_field(stored: Mapping[str, Any], value: Any) -> FieldState:
    field = FieldState(overruled=stored.get("overruled", False))
    if (platform := stored.get("p")) is not None:
        field.platform = PlatformRegister(platform["v"], platform["heard"], platform["changed"], tuple(platform["ids"]))
    if (salesforce := stored.get("s")) is not None:
        field.salesforce = SalesforceRegister(salesforce["v"], CommitPosition(*salesforce["at"]))
    if "from" in stored:
        field.source = _SIDES[stored["from"]]
        field.value = None if value is _MISSING else value
        field.made_at, field.shown_at, field.shown_revision = stored["made"], stored["since"], stored["revision"]
        field.shown = tuple(stored.get("shown", ()))
        field.agreed = _position(stored.get("agreed"))
    return field


def _dump_field(field: FieldState) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    if field.platform is not None:
        known = field.platform
        stored["p"] = {"v": known.value, "heard": known.heard, "changed": known.changed, "ids": list(known.events)}
    if field.salesforce is not None:
        stored["s"] = {"v": field.salesforce.value, "at": list(field.salesforce.position)}
    if field.source is not None:
        stored["from"] = str(field.source)
        stored["made"], stored["since"], stored["revision"] = field.made_at, field.shown_at, field.shown_revision
        if field.shown:
            stored["shown"] = list(field.shown)
        if field.agreed is not None:
            stored["agreed"] = list(field.agreed)
    if field.overruled:
        stored["overruled"] = True
    return stored


def _load_write(stored: Mapping[str, Any]) -> Write:
    return Write(
        number=stored["n"],
        values=dict(stored["values"]),
        revision=stored["revision"],
        taken_at=stored["taken"],
        state=_WRITE_STATES[stored["state"]],
        answered_at=stored.get("answered", 0),
        first=stored.get("first", False),
    )


def _dump_write(write: Write) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "n": write.number,
        "values": write.values,
        "revision": write.revision,
        "taken": write.taken_at,
        "state": str(write.state),
    }
    if write.answered_at:
        stored["answered"] = write.answered_at
    if write.first:
        stored["first"] = True
    return stored


def _position(stored: Any) -> CommitPosition | None:
    return None if stored is None else CommitPosition(*stored)


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = document
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def value_at(document: Mapping[str, Any], rule: FieldRule) -> Any:
    """What a document shows at a mapped path; None where it shows nothing."""
    value = _at(document, rule.path)
    return None if value is _MISSING else value
