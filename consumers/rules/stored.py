"""The state as it is stored: mapped paths at the top of the document, everything else under `_sync`.

`docs/document.md` shows the layout to people; `consumers/rules/registers.py` has that of a field's registers.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consumers.rules import enriched, registers
from consumers.rules.existence import counts_as_deleted
from consumers.rules.filters import left_out, unasked
from consumers.rules.hanging import kept_back
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.making import STATUSES, is_unmade
from consumers.rules.review import held_paths, open_reviews
from consumers.rules.state import (
    Awaited,
    DocumentState,
    Existence,
    Fields,
    FieldState,
    Link,
    Refusal,
    Retry,
    Write,
    WriteState,
)
from consumers.rules.stored_link import dump_link, load_link
from schemas.position import BEGINNING, CommitPosition
from schemas.versions import check_document

DECISIONS_KEPT = 8
"""Whoever wrote a document looks for its decision there a moment later; others may have written it meanwhile."""

_MISSING = object()
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

    def untouched(self) -> dict[str, str]:
        """As they are stored, by name."""
        return self._untouched

    def set_ones(self) -> set[str]:
        """As for any fields."""
        untouched = {name for name, stored in self._untouched.items() if stored.startswith(registers.SET)}
        return untouched | super().set_ones() if dict.__len__(self) else untouched

    def surely_agree(self, name: str) -> bool:
        """As for any fields."""
        stored = self._untouched.get(name)
        if stored is None:
            return super().surely_agree(name)
        return registers.surely_agree(stored, self._shown(name))

    def stored(self, name: str) -> Any:
        """As for any fields."""
        return self._shown(name)

    def counted(self) -> bool:
        """As for any fields."""
        return bool(self.sync.get("existence", {}).get("exists", True))

    def in_hand(self) -> list[str]:
        """As for any fields."""
        return list(dict.keys(self))

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
        field = self[name] = registers.load_field(stored, self._shown(name))
        return field

    def _shown(self, name: str) -> Any:
        return value_at(self._document, self._rules[name])

    def _take_all(self) -> None:
        for name in list(self._untouched):
            self._take(name, None)


def load(document: Mapping[str, Any] | None, document_id: str, kind: Kind) -> DocumentState:
    """The state of a stored document, or of one that is not there yet.

    Raises:
        NewerDocument: a newer release has written it.
    """
    state = DocumentState(kind=kind.name, id=document_id)
    if document is None:
        return state
    state.revision = document.get("revision")
    sync = document.get("_sync")
    if not sync:
        return state
    if "format" in sync:
        check_document(sync, kind.name)
    state.fields = StoredFields(sync, document, kind.by_name)
    state.position = _position(sync.get("position")) or BEGINNING
    if existence := sync.get("existence"):
        state.existence = Existence(
            existence["exists"], existence["heard"], tuple(existence["events"]), existence.get("first", 0)
        )
    if link := sync.get("link"):
        state.link = load_link(link, state.position)
    state.heard_at = sync.get("heard", 0)
    state.row_mark = sync.get("row", 0)
    state.writes = [_load_write(stored) for stored in sync.get("writes", ())]
    state.last_number = sync.get("number", 0)
    state.mapping = sync.get("mapping", 0)
    state.read_reason = sync.get("read", "")
    if refusal := sync.get("refusal"):
        state.refusal = Refusal(
            refusal["values"],
            refusal["code"],
            refusal["message"],
            refusal["at"],
            refusal.get("deletion", False),
            tuple(refusal.get("fields", ())),
        )
    if retry := sync.get("retry"):
        state.retry = Retry(retry["tries"], retry["at"], retry["code"], retry.get("locked", False))
    for name, awaited in sync.get("awaited", {}).items():
        if name in kind.by_name:
            since, keeper = awaited.get("since", awaited["at"]), awaited.get("keeper", "")
            state.awaited[name] = Awaited(awaited["parent"], awaited["at"], since, keeper)
    if known := sync.get("enriched"):
        state.enriched = enriched.load(known)
    state.underived, state.uncounted, state.keeps = "underived" in sync, "uncounted" in sync, "keeps" in sync
    state.audit = list(sync.get("audit", ()))
    state.told = list(sync.get("told", ()))
    state.stored_due_at = sync.get("due_at")
    state.decisions = tuple(sync.get("decisions", "").split())
    return state


def dump(state: DocumentState, kind: Kind, *, now: int, due_at: int | None, decision: str) -> dict[str, Any]:
    """What to `$set`: mapped paths that were spoken of, `salesforce`, `revision` and `_sync`, and nothing else."""
    changes: dict[str, Any] = _top(state, kind, due_at, now)
    sync = _sync(state, kind, due_at, decision)
    untouched, touched = _fields(state)  # last, since the others look into some
    changes["_sync"] = {**sync, "fields": {**untouched, **_take_fields(touched, kind, changes)}}
    return changes


def narrow(
    state: DocumentState, kind: Kind, *, now: int, due_at: int | None, decision: str, due_stands: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """What to `$set` and what to `$unset` for the same as `dump`: of `_sync` only what is not stored already.

    `due_at` is always among them, since the sweep moves it without a new revision; but with `due_stands`, whatever is
    stored stays.
    """
    fields = state.fields
    if not isinstance(fields, StoredFields):
        return dump(state, kind, now=now, due_at=due_at, decision=decision), []
    changes: dict[str, Any] = _top(state, kind, due_at, now)
    sync, stored = _sync(state, kind, due_at, decision), fields.sync
    known = stored.get("fields", {})
    _, touched = _fields(state)
    for name, text in _take_fields(touched, kind, changes).items():
        if text != known.get(name):
            changes[f"_sync.fields.{name}"] = text
    for name, value in sync.items():
        if value != stored.get(name, _MISSING) if name != "due_at" else not due_stands:
            changes[f"_sync.{name}"] = value
    gone = [f"_sync.fields.{name}" for name in known.keys() - kind.by_name.keys()]
    gone += [f"_sync.{name}" for name in stored.keys() - sync.keys() if name != "fields"]
    return changes, gone


def updated(document: Mapping[str, Any], changes: Mapping[str, Any], gone: Iterable[str]) -> dict[str, Any]:
    """The document as it is stored once these dotted paths have been set and unset; the one given stays as it is."""
    found = dict(document)
    for path, value in changes.items():
        parent, name = _parent(found, path)
        parent[name] = value
    for path in gone:
        parent, name = _parent(found, path)
        parent.pop(name, None)
    return found


def _parent(document: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The map in which the path ends, all on the way to it copied."""
    *way, name = path.split(".")
    for part in way:
        document[part] = dict(document.get(part) or {})
        document = document[part]
    return document, name


def _top(state: DocumentState, kind: Kind, due_at: int | None, now: int) -> dict[str, Any]:
    """What stands at the top of the document beside the mapped paths."""
    beside = {} if state.enriched is None else state.enriched.beside
    if beside and unasked(state, kind):
        beside = dict.fromkeys(beside)  # who opted out is told of nowhere
    return {**beside, "revision": state.next_revision, "salesforce": _public(state, kind, due_at, now)}


def _fields(state: DocumentState) -> tuple[Mapping[str, str], Mapping[str, FieldState]]:
    """Fields that were left as they are stored, and those that were taken apart."""
    fields = state.fields
    if isinstance(fields, StoredFields):
        return fields.untouched(), dict(dict.items(fields))
    return {}, fields


def _take_fields(touched: Mapping[str, FieldState], kind: Kind, changes: dict[str, Any]) -> dict[str, str]:
    """Put the fields' values among the changes; their registers, as they are stored, by name."""
    texts: dict[str, str] = {}
    for name, field in touched.items():
        texts[name] = registers.dump_field(field)
        rule = kind.by_name.get(name)
        if rule is not None and field.source is not None:
            changes[rule.dotted] = field.value
    return texts


def _sync(state: DocumentState, kind: Kind, due_at: int | None, decision: str) -> dict[str, Any]:
    """All of `_sync` but its fields."""
    stored: dict[str, Any] = {
        "decisions": " ".join((decision, *state.decisions[: DECISIONS_KEPT - 1])),
        "number": state.last_number,
        "mapping": kind.version,
    }
    if state.existence is not None:
        known = state.existence
        stored["existence"] = {"exists": known.exists, "heard": known.heard, "events": list(known.events)}
        if known.first:
            stored["existence"]["first"] = known.first
    if state.link is not None:
        stored["link"] = dump_link(state.link)
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
        stored["refusal"] = _dump_refusal(state.refusal)
    if state.retry is not None:
        stored["retry"] = {"tries": state.retry.tries, "at": state.retry.at, "code": state.retry.code}
        if state.retry.locked:
            stored["retry"]["locked"] = True
    stored |= _waiting(state, kind) | _outgoing(state)
    if due_at is not None:
        stored["due_at"] = due_at
    return stored


def _outgoing(state: DocumentState) -> dict[str, Any]:
    """What is taken out of the document again, once the log and the platform have it."""
    return {name: rows for name, rows in (("audit", state.audit), ("told", state.told)) if rows}


def _waiting(state: DocumentState, kind: Kind) -> dict[str, Any]:
    """What waits for a parent's record, what for a person, and what is known of one."""
    stored: dict[str, Any] = {} if state.enriched is None else {"enriched": enriched.dump(state.enriched)}
    if state.awaited:
        stored["awaited"] = {name: _dump_awaited(one) for name, one in state.awaited.items()}
    stored |= {name: True for name in ("underived", "uncounted") if getattr(state, name)}
    if state.keeps or (kind.hung_on and left_out(state, kind)):
        stored["keeps"] = True
    if reviews := [found.rule.name for found in open_reviews(state, kind)]:
        stored["reviews"] = reviews
    return stored


def _public(state: DocumentState, kind: Kind, due_at: int | None, now: int) -> dict[str, Any]:
    """What the platform may read of the sync: the names of the product's own participant document."""
    linked = state.link is not None
    status = enriched.shown_status(state.enriched, _status(state, kind, due_at, now), is_linked=linked)
    known: dict[str, Any] = {}
    if state.enriched is not None and not unasked(state, kind):
        known = enriched.shown_within(state.enriched, is_linked=linked)
    public: dict[str, Any] = {**known, "syncStatus": status, "lastSyncedAt": now}
    if state.link is not None:
        public["recordId"] = state.link.record_id
        if kind.lead is not None:
            public |= _person(state.link, kind)
        if state.link.merged_into:
            public["mergedInto"] = state.link.merged_into
    if state.refusal is not None and not is_unmade(state):
        public["syncError"] = state.refusal.code
    if held := held_paths(state, kind):
        public["held"] = held
    return public


def _person(link: Link, kind: Kind) -> dict[str, str]:
    """Of one who may be a Lead: which the record is, and what came of a conversion."""
    named = "leadId" if kind.place_of(link.record_id).is_lead else "contactId"
    told = {named: link.record_id, "accountId": link.account, "opportunityId": link.opportunity}
    return {name: record_id for name, record_id in told.items() if record_id}


def _status(state: DocumentState, kind: Kind, due_at: int | None, now: int) -> str:
    if counts_as_deleted(state, kind):
        return "deleted"
    if state.link is not None and state.link.gone:
        return "merged" if state.link.merged_into else "gone"
    if state.refusal is not None and not is_unmade(state):
        return "error"
    if left_out(state, kind) or kept_back(state, kind, now=now):
        return "filtered"
    if state.refusal is not None and due_at is None:
        return STATUSES[state.refusal.code]
    return "pending" if due_at is not None or state.link is None else "synced"


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
        job=stored.get("job", ""),
        ask_at=stored.get("ask", 0),
        claims=stored.get("claims", False),
    )


def _dump_awaited(one: Awaited) -> dict[str, Any]:
    stored = {"parent": one.parent, "at": one.at, "since": one.since}
    return {**stored, "keeper": one.keeper} if one.keeper else stored


def _dump_refusal(refusal: Refusal) -> dict[str, Any]:
    stored = {"values": refusal.values, "code": refusal.code, "message": refusal.message, "at": refusal.at}
    if refusal.fields:
        stored["fields"] = list(refusal.fields)
    return {**stored, "deletion": True} if refusal.deletion else stored


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
    if write.claims:
        stored["claims"] = True
    if write.job and write.state is WriteState.OPEN:
        stored |= {"job": write.job, "ask": write.ask_at}
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
