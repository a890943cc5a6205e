"""Lookups: Salesforce names a parent by its record's id, the platform by its document's. Rules see the latter alone.

What comes in is translated before it is decided, and what goes out after it was stored: registers, audit and
stored writes hold document ids. A record that is no document of ours keeps its own id, on both sides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consumers.rules.existence import merged_into
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import Awaited, DocumentState
from schemas.lookup import named_by, naming, record_named
from schemas.place import LEAD_PREFIX
from schemas.records import RowResult

SOONEST: Final = 2_000
LATEST: Final = 86_400_000
"""A parent without a record is looked for again after as long as it has been missed, within these; milliseconds.

Whoever gives it one wakes its children (`children_of`). To look costs a query for each child, and many parents never
get a record.
"""

_NAMES_NOTHING: Final = frozenset({"INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"})
"""What Salesforce says of an id that names no record any more."""

Ids = dict[str, set[str]]
"""By kind of the parents."""


@dataclass(slots=True)
class Parents:
    """Which document is of which record, as far as it was asked for."""

    documents: dict[tuple[str, str], str] = field(default_factory=dict)
    """Document ids by kind and record id."""
    records: dict[tuple[str, str], str] = field(default_factory=dict)
    """Record ids by kind and document id."""
    last: dict[tuple[str, str], str] = field(default_factory=dict)
    """The same of documents whose record is gone too: the last that they had."""

    def add(self, kind: str, states: Iterable[DocumentState]) -> None:
        """Take in documents that were read. Of several that share a record, the first by id stands for it.

        One that was merged into another has that one's record, if both are among them.
        """
        states = list(states)
        known = {state.id: state for state in states}
        for state in sorted(states, key=lambda state: state.id, reverse=True):
            if state.link is None:
                continue
            for record_id in (*state.link.former, state.link.record_id):
                self.documents[kind, record_id] = state.id
            standing = _standing(state, known)
            if standing is None or standing.link is None:
                continue
            self.last[kind, state.id] = standing.link.record_id
            if standing.record is not None:
                self.records[kind, state.id] = standing.record.record_id

    def incoming(self, kind: Kind, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Salesforce's values, each lookup with the id of the document that it names."""
        if not any(rule.name in values or rule.lead in values for rule in kind.lookups):
            return values
        translated = dict(values)
        for rule in kind.lookups:
            record_id = _named(rule, values)
            if record_id is not None:
                translated[rule.name] = self._document(rule, record_id)
        return translated

    def _document(self, rule: FieldRule, record_id: str) -> str:
        for kind in rule.lookup:
            found = self.documents.get((kind, record_id))
            if found is not None:
                return naming(rule.lookup, kind, found)
        return record_id

    def outgoing(self, rule: FieldRule, value: Any) -> str | None:
        """The record that a lookup should name; nothing where the parent has none yet, or none that it can name."""
        named = named_by(rule.lookup, value)
        known = self.records.get(named) if named is not None else None
        if known is not None and rule.contact_only and known.startswith(LEAD_PREFIX):
            return None
        return known or record_named(value)

    def last_record(self, rule: FieldRule, value: Any) -> str | None:
        """The record that a lookup names or last named: one that is gone may have been merged into another."""
        named = named_by(rule.lookup, value)
        known = self.last.get(named) if named is not None else None
        return known or record_named(value)

    def written(self, rule: FieldRule, value: Any) -> dict[str, Any]:
        """The lookup as a row to be written has it, under the name of the field that it goes into."""
        record_id = self.outgoing(rule, value)
        into_lead = rule.lead and record_id is not None and record_id.startswith(LEAD_PREFIX)
        return {rule.lead if into_lead else rule.name: record_id}


def _standing(state: DocumentState, known: Mapping[str, DocumentState]) -> DocumentState | None:
    """The document itself, or the one at the end of those that it was merged into."""
    seen: set[str] = set()
    found: DocumentState | None = state
    while found is not None and (into := merged_into(found)) and found.id not in seen:
        seen.add(found.id)
        found = known.get(into)
    return found


def named_records(kind: Kind, values: Mapping[str, Any]) -> Ids:
    """The records that Salesforce's values name by lookups."""
    ids: Ids = {}
    for rule in kind.lookups:
        record_id = _named(rule, values)
        if record_id is not None:
            for parent in rule.lookup:
                ids.setdefault(parent, set()).add(record_id)
    return ids


def named_documents(kind: Kind, values: Mapping[str, Any]) -> Ids:
    """The documents that values to be written name by lookups."""
    ids: Ids = {}
    for rule in kind.lookups:
        value = values.get(rule.name)
        named = named_by(rule.lookup, value) if rule.key(value) is not None else None
        if named is not None:
            ids.setdefault(named[0], set()).add(named[1])
    return ids


def note_awaited(state: DocumentState, kind: Kind, values: Mapping[str, Any], parents: Parents, *, now: int) -> None:
    """Note in the state which of the values to be written name a parent that has no record yet, and which no more."""
    for rule in kind.lookups:
        value = values.get(rule.name)
        if rule.key(value) is None or parents.outgoing(rule, value) is not None:
            state.awaited.pop(rule.name, None)
            continue
        before = state.awaited.get(rule.name)
        missed = before is not None and before.parent == str(value) and not before.keeper
        since = before.since if before is not None and missed else now
        state.awaited[rule.name] = Awaited(str(value), now + min(max(now - since, SOONEST), LATEST), since)


def may_be_named_anew(state: DocumentState, before: Mapping[str, Any] | None) -> bool:
    """Whether what names this document may be written now and could not be before: `before` is it as it was stored.

    A record that was undeleted is linked again by whoever hears of it, and then read whole: with that it is sure.
    """
    link = state.link
    if link is None or (state.record is None and not link.merged_into):
        return False
    sync = (before or {}).get("_sync") or {}
    if sync.get("read") and not state.read_reason:
        return True
    was = sync.get("link") or {}
    then = (was.get("id"), was.get("gone", False), was.get("read", False), was.get("merged_into", ""))
    return then != (link.record_id, link.gone, link.read, link.merged_into)


def children_of(
    kinds: Mapping[str, Kind], parent: str, states: Iterable[DocumentState]
) -> list[tuple[Kind, FieldRule, list[str]]]:
    """Each lookup that may name these documents of the kind `parent`, with the values by which it would.

    A lookup that can name a Contact alone goes on waiting for those that are kept in a Lead.
    """
    states, found = list(states), list[tuple[Kind, FieldRule, list[str]]]()
    for kind in kinds.values():
        for rule in kind.lookups:
            if parent not in rule.lookup:
                continue
            able = [one for one in states if not (rule.contact_only and _is_lead(one))]
            if able:
                found.append((kind, rule, [naming(rule.lookup, parent, one.id) for one in able]))
    return found


def _is_lead(state: DocumentState) -> bool:
    return state.record is not None and state.record.record_id.startswith(LEAD_PREFIX)


def may_name_a_lost_record(kind: Kind, values: Mapping[str, Any], result: RowResult) -> bool:
    """Whether a row was refused for the record of a parent that is a document of ours.

    It may have been merged or deleted a moment ago: by the next try its link tells what took its place, or that nothing
    did.
    """
    if result.code not in _NAMES_NOTHING:
        return False
    documents = {rule.name for rule in kind.lookups if rule.key(values.get(rule.name)) is not None}
    documents -= {name for name in documents if record_named(values[name]) is not None}
    return not documents.isdisjoint(result.fields) if result.fields else bool(documents)


def depths(kinds: Mapping[str, Kind]) -> dict[str, int]:
    """How deep each kind lies below its parents: those of 0 have none. A cycle is cut where it is met again."""
    found: dict[str, int] = {}

    def depth(name: str, above: frozenset[str]) -> int:
        if name in found:
            return found[name]
        named = {parent for rule in kinds[name].lookups for parent in rule.lookup}
        parents = (named & kinds.keys()) - above - {name}
        deep = 1 + max((depth(parent, above | {name}) for parent in parents), default=-1)
        if not above:
            found[name] = deep
        return deep

    for name in sorted(kinds):
        depth(name, frozenset())
    return found


def _named(rule: FieldRule, values: Mapping[str, Any]) -> str | None:
    """The record that a lookup names: where there is none, perhaps a Lead in its field for that."""
    return record_named(values.get(rule.name)) or (record_named(values.get(rule.lead)) if rule.lead else None)
