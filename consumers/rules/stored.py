"""The state as it is stored: mapped paths at the top of the document, everything else under `_sync`.

`docs/document.md` shows the layout to people. Keys are short because every document carries a register for every
mapped field.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.review import held_paths, open_reviews
from consumers.rules.state import (
    DocumentState,
    Existence,
    Fields,
    FieldState,
    Link,
    PlatformRegister,
    Refusal,
    Retry,
    Review,
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


class StoredFields(Fields):
    """A document's fields, each taken apart when it is first asked for: most events speak of two of fourteen.

    Those that nobody asked for are written back as they were read.
    """

    __slots__ = ("_document", "_rules", "_untouched", "sync")

    def __init__(self, sync: Mapping[str, Any], document: Mapping[str, Any], rules: Mapping[str, FieldRule]) -> None:
        """`sync` is the document's `_sync` as it was read."""
        super().__init__()
        self.sync = sync
        stored = sync.get("fields", {})
        self._untouched = (
            dict(stored)
            if stored.keys() <= rules.keys()
            else {name: field for name, field in stored.items() if name in rules}
        )
        self._document = document
        self._rules = rules

    def untouched(self) -> dict[str, Any]:
        """As they are stored, by name."""
        return self._untouched

    def is_set(self, name: str) -> bool:
        """As for any fields."""
        stored = self._untouched.get(name)
        return "from" in stored if stored is not None else super().is_set(name)

    def surely_agree(self, name: str) -> bool:
        """As for any fields."""
        stored = self._untouched.get(name)
        if stored is None:
            return super().surely_agree(name)
        held = stored.get("s")
        if held is None or "from" not in stored:
            return False
        value, said = _at(self._document, self._rules[name].path), held["v"]
        return value.__class__ is said.__class__ and bool(value == said)

    def get(self, name: str, default: Any = None) -> Any:
        field = super().get(name)
        return field if field is not None else self._take(name, default)

    def __missing__(self, name: str) -> FieldState:
        field: FieldState | None = self._take(name, None)
        if field is None:
            raise KeyError(name)
        return field

    def __contains__(self, name: object) -> bool:
        return name in self._untouched or super().__contains__(name)

    def __len__(self) -> int:
        return len(self._untouched) + super().__len__()

    def __iter__(self) -> Iterator[str]:
        self._take_all()
        return super().__iter__()

    def keys(self) -> Any:
        self._take_all()
        return super().keys()

    def values(self) -> Any:
        self._take_all()
        return super().values()

    def items(self) -> Any:
        self._take_all()
        return super().items()

    def _take(self, name: str, default: Any) -> Any:
        stored = self._untouched.pop(name, None)
        if stored is None:
            return default
        field = self[name] = _load_field(stored, _at(self._document, self._rules[name].path))
        return field

    def _take_all(self) -> None:
        for name in list(self._untouched):
            self._take(name, None)


def load(document: Mapping[str, Any] | None, document_id: str, kind: Kind) -> DocumentState:
    """The state of a stored document, or of one that is not there yet."""
    state = DocumentState(kind=kind.name, id=document_id)
    if document is None:
        return state
    state.revision = document.get("revision")
    sync = document.get("_sync")
    if not sync:
        return state
    state.fields = StoredFields(sync, document, kind.by_name)
    if existence := sync.get("existence"):
        state.existence = Existence(existence["exists"], existence["heard"], tuple(existence["events"]))
    if link := sync.get("link"):
        state.link = Link(link["id"], link["at"], link.get("read", False), link.get("gone", False))
    state.position = _position(sync.get("position")) or BEGINNING
    state.heard_at = sync.get("heard", 0)
    state.row_mark = sync.get("row", 0)
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
    """What to `$set`: mapped paths that were spoken of, `salesforce`, `revision` and `_sync`, and nothing else."""
    # Before the fields are told apart, since these two look into some of them.
    public, reviews = _public(state, kind, due_at, now), [found.rule.name for found in open_reviews(state, kind)]
    changes: dict[str, Any] = {"revision": state.next_revision, "salesforce": public}
    untouched, touched = _fields(state)
    for name, field in touched.items():
        rule = kind.by_name.get(name)
        if rule is not None and field.source is not None:
            changes[rule.dotted] = field.value
    fields = {**untouched, **{name: _dump_field(field) for name, field in touched.items()}}
    changes["_sync"] = _sync(state, fields, due_at, decision)
    if reviews:
        changes["_sync"]["reviews"] = reviews
    return changes


def narrow(
    state: DocumentState, kind: Kind, *, now: int, due_at: int | None, decision: str
) -> tuple[dict[str, Any], list[str]]:
    """What to `$set` and what to `$unset` for the same as `dump`: of `_sync` only what is not stored already.

    `due_at` is always among them, since the sweep moves it without a new revision.
    """
    changes = dump(state, kind, now=now, due_at=due_at, decision=decision)
    fields = state.fields
    if not isinstance(fields, StoredFields):
        return changes, []
    sync, stored = changes.pop("_sync"), fields.sync
    known = stored.get("fields", {})
    for name, field in sync.pop("fields").items():
        before = known.get(name)
        if field is not before and field != before:
            changes[f"_sync.fields.{name}"] = field
    for name, value in sync.items():
        if name == "due_at" or value != stored.get(name, _MISSING):
            changes[f"_sync.{name}"] = value
    gone = [f"_sync.fields.{name}" for name in known if name not in kind.by_name]
    gone += [f"_sync.{name}" for name in stored if name != "fields" and name not in sync]
    return changes, gone


def _fields(state: DocumentState) -> tuple[Mapping[str, Any], Mapping[str, FieldState]]:
    """Fields that were left as they are stored, and those that were taken apart."""
    fields = state.fields
    if isinstance(fields, StoredFields):
        return fields.untouched(), dict(dict.items(fields))
    return {}, fields


def _sync(state: DocumentState, fields: dict[str, Any], due_at: int | None, decision: str) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "decisions": [decision, *state.decisions][:DECISIONS_KEPT],
        "fields": fields,
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
        stored["row"] = state.row_mark
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


def _public(state: DocumentState, kind: Kind, due_at: int | None, now: int) -> dict[str, Any]:
    """What the platform may read of the sync: the names of the product's own participant document."""
    public: dict[str, Any] = {"syncStatus": _status(state, due_at), "lastSyncedAt": now}
    if state.link is not None:
        public["recordId"] = state.link.record_id
    if state.refusal is not None:
        public["syncError"] = state.refusal.code
    if held := held_paths(state, kind):
        public["held"] = held
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
    if (review := stored.get("review")) is not None:
        field.review = Review(_SIDES[review["side"]], review["v"], review["made"], review["since"])
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
    if field.review is not None:
        review = field.review
        stored["review"] = {
            "side": str(review.side),
            "v": review.value,
            "made": review.made_at,
            "since": review.since,
        }
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
        heard=stored.get("heard", False),
        covered=stored.get("covered", 0),
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
    if write.heard:
        stored["heard"] = True
    if write.covered:
        stored["covered"] = write.covered
    return stored


def _position(stored: Any) -> CommitPosition | None:
    return None if stored is None else CommitPosition(*stored)


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    if len(path) == 1:
        return document.get(path[0], _MISSING)
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
