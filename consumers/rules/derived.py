"""Rule 28: derived fields have no register. What they should show follows from other documents, whatever came when."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import DocumentState, Side
from schemas.counting import Counted
from schemas.derivation import Cases, Total
from schemas.lookup import id_named


def totals_of(kind: Kind) -> dict[tuple[str, str], list[FieldRule]]:
    """The fields that are totals, by the kind and the path of the documents that they are taken of."""
    groups: dict[tuple[str, str], list[FieldRule]] = {}
    for rule in kind.derived:
        if isinstance(rule.derive, Total):
            groups.setdefault((rule.derive.of, rule.derive.by), []).append(rule)
    return groups


def is_underived(state: DocumentState, kind: Kind) -> bool:
    """Whether a derived field has never been set: the document is new, or the field is newly mapped."""
    return any(rule.name not in state.fields.set_ones() for rule in kind.derived)


def mark_totals(state: DocumentState, kind: Kind) -> None:
    """Before a document is stored by whom nothing makes derive again: note which totals are to be taken anew."""
    if kind.derived and state.revision is None:
        state.underived = True
    if kind.counted and _counts_anew(state, kind):
        state.uncounted = True


def _counts_anew(state: DocumentState, kind: Kind) -> bool:
    """Whether what others count of the document is not what it was as it was read."""
    fields = state.fields
    if fields.counted() is state.deleted:
        return True
    in_hand = set(fields.in_hand())
    known = (rule.name for rule in kind.counted if rule.name in in_hand)
    return any(fields[name].source is not None and fields[name].value != fields.stored(name) for name in known)


def owners(state: DocumentState, rule: FieldRule) -> set[str]:
    """The documents that this one counts for by this field, or has counted for as far back as it tells.

    Those before are among them because a crash may have come between this document's update and theirs.
    """
    field = state.fields.get(rule.name)
    if field is None:
        return set()
    return {id_named(value) for value in (field.value, *field.shown) if rule.key(value) is not None}


def expected(kind: Kind, totals: Mapping[str, Any]) -> dict[str, Any]:
    """What the derived fields should show, by platform path: these totals, by Salesforce field, and what follows."""
    shown = {rule.dotted: totals[rule.name] for rule in kind.derived if isinstance(rule.derive, Total)}
    for rule in kind.derived:
        if isinstance(rule.derive, Cases):
            shown[rule.dotted] = case_of(rule.derive, shown)
    return shown


def derive(state: DocumentState, kind: Kind, totals: Mapping[str, Any], *, now: int) -> bool:
    """Make the derived fields show these totals, by Salesforce field, and what follows from them; whether any moved."""
    shown = expected(kind, totals)
    moved = False
    for rule in kind.derived:
        field, value = state.field(rule.name), shown[rule.dotted]
        if field.source is None or not rule.same(value, field.value):
            field.show(value, Side.PLATFORM, made_at=now, at=now, revision=state.next_revision)
            moved = True
    return moved


def case_of(cases: Cases, shown: Mapping[str, Any]) -> Any:
    """The value of the first case that holds."""
    for case in cases.cases:
        if all((shown.get(path) or 0) >= least for path, least in case.when.items()):
            return case.value
    return cases.otherwise


def dependants(kinds: Mapping[str, Kind]) -> dict[str, list[tuple[Kind, FieldRule]]]:
    """By kind: the kinds whose totals are taken of it, each with the field of its documents that names the owner."""
    found: dict[str, list[tuple[Kind, FieldRule]]] = {}
    for kind in kinds.values():
        for of, by in totals_of(kind):
            found.setdefault(of, []).append((kind, kinds[of].by_path[by]))
    return found


def wanted(rules: Sequence[FieldRule]) -> list[Counted]:
    """What is asked of the store for these fields, in their order."""
    return [rule.counts for rule in rules if rule.counts is not None]
