"""Whether a document and its record are the same, field by field, and where they are not, why not.

A difference that the rules account for is explained: somebody will write, read or decide, or the mapping keeps the two
apart. What nothing accounts for is truly different: something was missed. Pure, time is an argument.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from consumers.rules.derived import expected
from consumers.rules.existence import is_to_be_deleted
from consumers.rules.filters import lacks_consent, left_out
from consumers.rules.hanging import kept_back
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.review import held_back
from consumers.rules.state import DocumentState, FieldState, Link, Side
from consumers.rules.timing import LONGEST_CALL, Timing
from consumers.rules.verify_reasons import Difference, Why
from consumers.rules.writes import due_values


@dataclass(frozen=True, slots=True)
class BothSides:
    """A document and its record, as they were read one after the other."""

    state: DocumentState
    shown: Mapping[str, Any]
    """What the document shows, by platform path."""
    row: Mapping[str, Any] | None
    """The record, lookups with the ids of the documents that they name; nothing where there is none."""
    modified: int
    """The row's `SystemModstamp`, and `server_time`, Salesforce's clock: epoch milliseconds."""
    server_time: int
    totals: Mapping[str, Any] | None = None
    """By Salesforce field, of a kind with derived fields."""
    off: bool = False
    """The object is switched off."""


def differences(both: BothSides, kind: Kind, timing: Timing, *, now: int) -> list[Difference]:
    """Every difference, in the order of the mapping; none where the sides are the same."""
    state, link = both.state, both.state.link
    if state.mapping != kind.version:
        return [Difference(Why.OLDER_MAPPING)]
    if state.deleted:
        return [_deleted(both, kind, now)]
    found = list(_underived(both, kind))
    if link is None:
        return [*found, _unlinked(both, kind, now)]
    if link.gone:
        return [*found, Difference(Why.GONE)]
    if both.row is None:
        return [*found, _missing(both, link, now)]
    named = both.row.get(kind.external_id)
    if link.claimed and named != state.id and not _in_flight(both, timing):
        found.append(Difference(Why.ANOTHERS, salesforce=named))
    place = kind.place_of(link.record_id)
    due, told = due_values(state, kind), {difference.path for difference in found}
    return found + [
        _explained(both, kind, rule, link, due, timing, now)
        for rule in kind.fields
        if rule.dotted not in told
        and kind.keeps(rule, place)
        and not rule.same(both.shown[rule.dotted], both.row.get(rule.name))
    ]


def _underived(both: BothSides, kind: Kind) -> Iterator[Difference]:
    """Derived fields that do not show what follows from other documents."""
    if both.totals is None:
        return
    follows, state = expected(kind, both.totals), both.state
    marked = state.underived and state.stored_due_at is not None
    for rule in kind.derived:
        field = state.fields.get(rule.name)
        if field is None or field.source is None or not rule.same(follows[rule.dotted], field.value):
            why, shown = Why.DUE if marked else Why.UNDERIVED, both.shown[rule.dotted]
            yield Difference(why, rule.dotted, platform=shown)


def _explained(
    both: BothSides,
    kind: Kind,
    rule: FieldRule,
    link: Link,
    due: Mapping[str, Any],
    timing: Timing,
    now: int,
) -> Difference:
    state, row = both.state, both.row or {}
    field = state.fields.get(rule.name)
    why, until, code = _reason(both, kind, rule, field, link, due, timing, now)
    return Difference(why, rule.dotted, both.shown[rule.dotted], row.get(rule.name), until, code)


def _reason(
    both: BothSides,
    kind: Kind,
    rule: FieldRule,
    field: FieldState | None,
    link: Link,
    due: Mapping[str, Any],
    timing: Timing,
    now: int,
) -> tuple[Why, int, str]:
    state = both.state
    if any(write.pending and rule.name in write.values for write in state.writes):
        return Why.IN_FLIGHT, 0, ""
    if state.read_reason or not link.read:
        return _scheduled(Why.TO_BE_READ, state, now)
    if not rule.pulls and (field is None or field.source is None):
        return Why.PUSHED_ONLY, 0, ""
    held = field.salesforce.value if field is not None and field.salesforce is not None else None
    if not rule.same(held, (both.row or {}).get(rule.name)):
        if _in_flight(both, timing):
            return Why.IN_FLIGHT, 0, ""
        return (Why.SWITCHED_OFF if both.off else Why.DIFFERENT), 0, ""
    # What Salesforce holds has been heard, and the document shows something else.
    if both.off:
        return Why.SWITCHED_OFF, 0, ""
    if field is None or field.salesforce is None:
        return _scheduled(Why.TO_BE_READ, state, now)
    if not rule.pushes:
        theirs = field.source is Side.SALESFORCE and field.review is None and not field.merged
        return (Why.BY_HAND if theirs else Why.PULLED_ONLY), 0, ""
    if left_out(state, kind) or kept_back(state, kind, now=now):
        return Why.FILTERED, 0, ""
    if field.overruled:
        return Why.OVERRULED, 0, ""
    if held_back(state, kind, field, rule, held):
        return _held(state, kind, field, rule), 0, ""
    return _not_written_yet(state, rule, due, now)


def _held(state: DocumentState, kind: Kind, field: FieldState, rule: FieldRule) -> Why:
    if lacks_consent(state, kind, rule):
        return Why.NO_CONSENT
    if field.review is not None:
        return Why.REVIEW
    return Why.CREATE_ONLY if rule.create_only else Why.FILL_ONLY


def _not_written_yet(state: DocumentState, rule: FieldRule, due: Mapping[str, Any], now: int) -> tuple[Why, int, str]:
    awaited = state.awaited.get(rule.name)
    if awaited is not None and now < awaited.at:
        return Why.AWAITS_PARENT, awaited.at, ""
    sendable = {name: value for name, value in due.items() if name not in state.awaited}
    if state.refusal is not None and state.refusal.values in (due, sendable):
        return Why.PARKED, 0, state.refusal.code
    return _scheduled(Why.DUE, state, now)


def _scheduled(why: Why, state: DocumentState, now: int) -> tuple[Why, int, str]:
    """Somebody looks when the document is due; where it is not, nobody ever does."""
    if state.stored_due_at is None:
        return Why.STUCK, 0, ""
    if state.retry is not None and now < state.retry.at:
        return Why.DEFERRED, state.retry.at, state.retry.code
    return why, state.stored_due_at if state.stored_due_at > now else 0, ""


def _in_flight(both: BothSides, timing: Timing) -> bool:
    """The record was changed so shortly before that its event may be on its way."""
    return both.modified > both.server_time - timing.event_within


def _unlinked(both: BothSides, kind: Kind, now: int) -> Difference:
    state = both.state
    if both.off:
        return Difference(Why.SWITCHED_OFF)
    if left_out(state, kind) or kept_back(state, kind, now=now):
        return Difference(Why.FILTERED)
    if state.refusal is not None:
        return Difference(Why.PARKED, code=state.refusal.code)
    if not due_values(state, kind):
        return Difference(Why.UNLINKED)
    why, until, code = _scheduled(Why.DUE, state, now)
    return Difference(why, until=until, code=code)


def _missing(both: BothSides, link: Link, now: int) -> Difference:
    if link.deleting and now <= link.deleting + LONGEST_CALL:
        return Difference(Why.IN_FLIGHT)
    if both.state.read_reason or not link.read:
        why, until, code = _scheduled(Why.TO_BE_READ, both.state, now)
        return Difference(why, until=until, code=code)
    return Difference(Why.SWITCHED_OFF if both.off else Why.MISSING)


def _deleted(both: BothSides, kind: Kind, now: int) -> Difference:
    state = both.state
    if both.row is None or not is_to_be_deleted(state, kind):
        return Difference(Why.PARKED if _deletion_refused(state) else Why.DELETED, code=_refused_code(state))
    why, until, code = _scheduled(Why.DUE, state, now)
    return Difference(why, until=until, code=code)


def _deletion_refused(state: DocumentState) -> bool:
    return state.refusal is not None and state.refusal.deletion


def _refused_code(state: DocumentState) -> str:
    return state.refusal.code if state.refusal is not None and state.refusal.deletion else ""
