"""What cannot be without a parent (a `required` lookup) is kept back while a filter leaves that parent out. Pure.

A document alone cannot tell what its parent is like. Whoever is about to write it looks, and notes in it who keeps it
back (`Awaited.keeper`); whoever finds that one let out again makes all due that were noted so.
"""

from collections.abc import Iterable, Iterator, Mapping

from consumers.rules.existence import merged_into
from consumers.rules.filters import left_out
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.lookups import LATEST, SOONEST, Ids, named_documents
from consumers.rules.state import Awaited, DocumentState

Name = tuple[str, str]
"""A kind and an id."""
Above = Mapping[Name, DocumentState]
"""Documents that others hang on."""


def kept_back(state: DocumentState, kind: Kind, *, now: int) -> bool:
    """What it cannot be without was kept back when it was last looked at, and is not to be looked at again yet."""
    return any(
        (known := state.awaited.get(rule.name)) is not None
        and bool(known.keeper)
        and now < known.at
        and known.parent == _named(state, rule)
        for rule in kind.hangs
    )


def lets_go(state: DocumentState, kind: Kind) -> bool:
    """It was kept back, is not any more, and what was kept back with it has still to be made due."""
    return state.keeps and not left_out(state, kind)


def needed(state: DocumentState, kind: Kind) -> Ids:
    """The documents that this one cannot be without and may be kept back with; and the one that it was merged into."""
    ids = named_documents(kind, {rule.name: _value(state, rule) for rule in kind.hangs})
    if into := merged_into(state):
        ids.setdefault(kind.name, set()).add(into)
    return ids


def keeper_of(state: DocumentState, rule: FieldRule, kinds: Mapping[str, Kind], above: Above) -> str:
    """Who keeps the document back by what this lookup of it names, as `<kind>/<id>`; empty where nobody does.

    The parent by its own filter, or the one that it was merged into, or what the parent cannot be without itself.
    """
    return next(_keepers(state, [rule], kinds, above, set()), "")


def note_keeper(state: DocumentState, kind: Kind, kinds: Mapping[str, Kind], above: Above, *, now: int) -> bool:
    """Note in the document who keeps it back; whether anybody does.

    The first time it is looked at again soon, since who keeps it may let go this very moment. From then on they find
    the note, and it is only looked at again in case one should be missed.
    """
    kept = False
    for rule in kind.hangs:
        keeper = keeper_of(state, rule, kinds, above)
        if not keeper:
            continue
        kept, before = True, state.awaited.get(rule.name)
        parent = _named(state, rule)
        if before is not None and (before.keeper, before.parent) == (keeper, parent):
            state.awaited[rule.name] = Awaited(parent, now + LATEST, before.since, keeper)
        else:
            state.awaited[rule.name] = Awaited(parent, now + SOONEST, now, keeper)
    return kept


def keeper_named(kind: str, document_id: str) -> str:
    """How a document is named as one that keeps others back."""
    return f"{kind}/{document_id}"


def hanging(kinds: Mapping[str, Kind]) -> list[tuple[Kind, FieldRule]]:
    """The lookups by which documents may have been noted as kept back, whatever lies between them and the keeper."""
    return [(kind, rule) for kind in kinds.values() for rule in kind.hangs]


def _keepers(
    state: DocumentState, rules: Iterable[FieldRule], kinds: Mapping[str, Kind], above: Above, seen: set[Name]
) -> Iterator[str]:
    for rule in rules:
        for name, ids in named_documents(kinds[state.kind], {rule.name: _value(state, rule)}).items():
            for document_id in ids:
                yield from _of(name, document_id, kinds, above, seen)


def _of(name: str, document_id: str, kinds: Mapping[str, Kind], above: Above, seen: set[Name]) -> Iterator[str]:
    parent = above.get((name, document_id))
    if parent is None or (name, document_id) in seen:
        return
    seen.add((name, document_id))
    kind = kinds[name]
    if left_out(parent, kind):
        yield keeper_named(name, document_id)
    if into := merged_into(parent):
        yield from _of(name, into, kinds, above, seen)
    yield from _keepers(parent, kind.hangs, kinds, above, seen)


def _value(state: DocumentState, rule: FieldRule) -> object:
    field = state.fields.get(rule.name)
    return None if field is None or field.source is None else field.value


def _named(state: DocumentState, rule: FieldRule) -> str:
    return str(_value(state, rule))
