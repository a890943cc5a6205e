"""What the platform is told of an update: the fields that show something of Salesforce's now, and why they do.

The row goes into the document in the very update that it tells of, so that nothing is told that was not stored, and
nothing stored is left untold. Its id follows from the document and the revision: told twice, it is the same.
"""

from typing import Any

from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState, FieldState, Side
from consumers.rules.stored import StoredFields
from schemas.telling import CHANGED, RECORD_DELETED, telling_id


def telling(state: DocumentState, kind: Kind, *, now: int) -> dict[str, Any] | None:
    """The row for the update being decided; nothing where it shows nothing new of Salesforce's.

    `now` is epoch milliseconds. `cause` names the record, when Salesforce made the latest of the values, and the merge
    rules that settled conflicts, by path.
    """
    shown: dict[str, FieldState] = {}
    for name in state.fields.in_hand():
        field, rule = state.fields[name], kind.by_name.get(name)
        if rule is not None and field.shown_revision == state.next_revision and _is_theirs(field):
            shown[rule.dotted] = field
    gone = _is_gone_now(state)
    if not shown and not gone:
        return None
    cause: dict[str, Any] = {"by": str(Side.SALESFORCE), "record": state.link.record_id if state.link else ""}
    if shown:
        cause["at"] = max(field.made_at for field in shown.values())
    if rules := {row["path"]: row["rule"] for row in _new_audit(state) if row["path"] in shown}:
        cause["rules"] = rules
    return {
        "_id": telling_id(state.kind, state.id, state.next_revision),
        "type": f"{state.kind}.{CHANGED if shown else RECORD_DELETED}",
        "kind": state.kind,
        "document": state.id,
        "revision": state.next_revision,
        "at": now,
        "fields": {path: field.value for path, field in shown.items()},
        "cause": {**cause, "deleted": True} if gone else cause,
    }


def _is_theirs(field: FieldState) -> bool:
    """What a conflict made of both sides' values is news to the platform too."""
    return field.source is Side.SALESFORCE or field.merged


def _new_audit(state: DocumentState) -> list[dict[str, Any]]:
    """The audit rows of this update; others may be left of an earlier one."""
    stored = state.fields.sync.get("audit", ()) if isinstance(state.fields, StoredFields) else ()
    known = {row["_id"] for row in stored}
    return [row for row in state.audit if row["_id"] not in known]


def _is_gone_now(state: DocumentState) -> bool:
    """The record was deleted in Salesforce, and the document did not know before."""
    if (
        state.link is None
        or not state.link.gone
        or state.link.merged_into
        or not isinstance(state.fields, StoredFields)
    ):
        return False
    before = state.fields.sync.get("link")
    return before is not None and not before.get("gone", False) and not state.link.deleted_for
