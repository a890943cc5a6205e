"""Which rule decided each field of one fact, told from the document before and after it. Pure; for debugging alone.

The rules know nothing of it, so nothing is slower where nobody looks. Where the audit names a rule, that one is told;
else what has moved names it: each way through the rules moves the registers differently.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.platform import Assertion
from consumers.rules.state import DocumentState, FieldState
from schemas.change import Change
from schemas.debugging import DebugMark, masked
from schemas.outcome import Outcome, Result

FIRST_VALUE: Final = "5: nothing was known of it, and it wins outright"
WINS_OUTRIGHT: Final = "5: wins outright"
STALE: Final = "3: the platform was heard later"
REPEATED: Final = "2: this event was heard before"
NO_CHANGE: Final = "4: no change"
SAME: Final = "3: what the document shows already"
NOT_NAMED: Final = "4: not named as changed"
DERIVED: Final = "28: it follows from other documents"
CONFIRMED: Final = "9: our write is confirmed"
REWRITTEN: Final = "10: our write was made something else of"
BESIDE_OURS: Final = "11: set by a trigger that had seen our write"
OVER_SALESFORCES: Final = "12: wins outright"
NO_NEWS: Final = "24: Salesforce had said so before"
AGREED: Final = "17: the sides agree"
PUSHED_ONLY: Final = "12: heard, and not taken over: the field is only pushed"
HEARD: Final = "12: heard, and not taken over"
READ_SINCE: Final = "25: the record was read whole since"


@dataclass(frozen=True, slots=True)
class Before:
    """What a document was before a fact."""

    fields: Mapping[str, FieldState]
    audited: int
    row_mark: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What came for one field, which rule decided, what the document showed before and shows now. Raw values."""

    rule: FieldRule
    by: str
    came: Any
    was: Any
    shows: Any


def before(state: DocumentState, names: Iterable[str]) -> Before:
    """Keep what these fields are now; the rules change them where they stand."""
    kept = {name: field for name in names if (field := state.fields.get(name)) is not None}
    return Before(copy.deepcopy(kept), len(state.audit), state.row_mark)


def of_event(state: DocumentState, kind: Kind, was: Before, assertion: Assertion, result: Result) -> list[Ruling]:
    """Rules 2 to 7, 13, 18, field by field of a platform event; none where existence alone ended it (rule 22)."""
    if assertion.deletes or result.reason.startswith("rule 22"):
        return []
    found: list[Ruling] = []
    audited = _audited(state, was)
    for path, value in assertion.fields.items():
        rule = kind.by_path.get(path)
        if rule is not None:
            old, new = was.fields.get(rule.name), state.fields.get(rule.name)
            by = audited.get(rule.name) or _by_event(rule, old, new, assertion)
            found.append(_ruling(rule, by, value, old, new))
    return found


def of_change(state: DocumentState, kind: Kind, was: Before, change: Change, result: Result) -> list[Ruling]:
    """Rules 1, 8 to 12, 25, field by field of a change event; of a look, which names no values, none."""
    write = state.write(number) if (number := number_of(change.fields.get(kind.token), state.id)) is not None else None
    audited = _audited(state, was)
    found: list[Ruling] = []
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is None:
            continue
        old, new = was.fields.get(name), state.fields.get(name)
        if name in audited:
            by = audited[name]
        elif result.outcome is not Outcome.ECHO and result.reason:
            by = result.reason.removeprefix("rule ")
        elif change.position.timestamp <= was.row_mark:
            by = READ_SINCE
        elif write is not None and name in write.values:
            by = CONFIRMED if rule.same(value, write.values[name]) else REWRITTEN
        else:
            by = _by_salesforce(rule, value, old, new, outright=OVER_SALESFORCES if write is None else BESIDE_OURS)
        found.append(_ruling(rule, by, value, old, new))
    return found


def of_row(
    state: DocumentState, kind: Kind, was: Before, values: Mapping[str, Any] | None, result: Result
) -> list[Ruling]:
    """Rules 12, 18, 24, 26, field by field of a record that was read whole; none where the row does not count."""
    if values is None or result.outcome is not Outcome.APPLIED or result.reason:
        return []
    audited = _audited(state, was)
    found: list[Ruling] = []
    for rule in kind.fields:
        if rule.name in values:
            old, new = was.fields.get(rule.name), state.fields.get(rule.name)
            value = values[rule.name]
            by = audited.get(rule.name) or _by_salesforce(rule, value, old, new, outright=OVER_SALESFORCES)
            found.append(_ruling(rule, by, value, old, new))
    return found


def told(rulings: Sequence[Ruling], mark: DebugMark) -> list[dict[str, str]]:
    """The rulings with every value masked by the mark's key."""
    return [
        {
            "path": each.rule.dotted,
            "field": each.rule.name,
            "rule": each.by,
            "came": _mask(each.rule, each.came, mark),
            "was": _mask(each.rule, each.was, mark),
            "shows": _mask(each.rule, each.shows, mark),
        }
        for each in rulings
    ]


def told_values(kind: Kind, values: Mapping[str, Any], mark: DebugMark) -> list[dict[str, str]]:
    """Fields of a write with their values masked."""
    return [
        {"path": rule.dotted, "field": name, "came": _mask(rule, value, mark)}
        for name, value in sorted(values.items())
        if (rule := kind.by_name.get(name)) is not None
    ]


def _by_event(rule: FieldRule, old: FieldState | None, new: FieldState | None, assertion: Assertion) -> str:
    known = old.platform if old is not None else None
    if rule.derive is not None:
        return DERIVED
    if assertion.changed is not None and rule.dotted not in assertion.changed and _is_set(old):
        return NOT_NAMED
    if known is not None and assertion.occurred_at == known.heard and assertion.event_id in known.events:
        return REPEATED
    if _shown(old) != _shown(new):
        return WINS_OUTRIGHT if _is_set(old) else FIRST_VALUE
    if known is not None and assertion.occurred_at < known.heard:
        return STALE
    return NO_CHANGE if assertion.changed is None else SAME


def _by_salesforce(
    rule: FieldRule, value: Any, old: FieldState | None, new: FieldState | None, *, outright: str
) -> str:
    if _shown(old) != _shown(new):
        return outright
    if old is not None and old.salesforce is not None and rule.same(old.salesforce.value, value):
        return NO_NEWS
    if new is not None and new.source is not None and rule.same(value, new.value):
        return AGREED
    return HEARD if rule.pulls else PUSHED_ONLY


def _audited(state: DocumentState, was: Before) -> dict[str, str]:
    """By field: the rule that the audit names for what was decided since."""
    return {row["field"]: row["rule"] for row in state.audit[was.audited :] if "field" in row}


def _is_set(field: FieldState | None) -> bool:
    return field is not None and field.source is not None


def _shown(field: FieldState | None) -> tuple[Any, ...]:
    return (None, None, 0) if field is None else (field.source, field.value, field.made_at)


def _ruling(rule: FieldRule, by: str, came: Any, old: FieldState | None, new: FieldState | None) -> Ruling:
    return Ruling(rule, by, came, old.value if old else None, new.value if new else None)


def _mask(rule: FieldRule, value: Any, mark: DebugMark) -> str:
    return masked(value, None if value is None else rule.key(value), mark.key, sensitive=rule.sensitive)
