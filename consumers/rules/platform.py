"""Rules 2 to 7, 18, 22: what a platform event asserts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from consumers.rules import audit, conflict, review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.conflict import Merged, Verdict
from consumers.rules.existence import made_again, merged_into
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.showing import merge, show_theirs
from consumers.rules.state import (
    SHOWN_VALUES_KEPT,
    DocumentState,
    Existence,
    FieldState,
    PlatformRegister,
    Side,
)
from schemas.outcome import Outcome, Result

NO_MAPPED_FIELD: Final = Result(Outcome.APPLIED, "no mapped field")
_OF_NO_VALUE: Final[tuple[Any, ...]] = (None, "", [])
"""How a page has a field of which it was shown nothing. A `false` is compared as nothing too, and somebody says it."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """A platform event as the rules see it. Times are epoch milliseconds.

    `fields` holds raw values by dotted platform path. `changed` names the paths its author changed, None for a whole
    record. `seen` is the revision its author looked at.
    """

    event_id: str
    occurred_at: int
    fields: Mapping[str, Any]
    changed: frozenset[str] | None = None
    seen: int | None = None
    deletes: bool = False


def assert_platform(state: DocumentState, assertion: Assertion, kind: Kind, occasion: Occasion) -> Result:
    """Take the event into the state."""
    existence = _assert_existence(state, assertion)
    if existence is not None:
        return existence
    ends = {Outcome.APPLIED: 0, Outcome.STALE: 0, Outcome.DUPLICATE: 0}
    rules, changed = kind.by_path, assertion.changed
    # Of what an author only sent along, no more counts than what nobody has set, and as little as in a whole record.
    known = state.fields.set_ones() if changed is not None else ()
    along = assertion if changed is None else replace(assertion, changed=None)
    for path, value in assertion.fields.items():
        rule = rules.get(path)
        if rule is None or rule.derive is not None:
            continue
        if changed is not None and path not in changed and rule.name in known:
            continue
        field = state.field(rule.name)
        said = assertion if changed is None or path in changed else along
        end = _assert_field(state, field, rule, value, said, occasion)
        ends[end] += 1
        if end is Outcome.APPLIED and (into := merged_into(state)):
            _tell_unwritten(state, field, rule, into, assertion, occasion)
    review.end_overtaken(state, kind, occasion)
    if ends[Outcome.APPLIED]:
        return Result(Outcome.APPLIED)
    if ends[Outcome.STALE]:
        return Result(Outcome.STALE, "rule 3: an event that occurred later was heard before")
    if ends[Outcome.DUPLICATE]:
        return Result(Outcome.DUPLICATE, "rule 2: this event id was heard before")
    return NO_MAPPED_FIELD


def _assert_existence(state: DocumentState, assertion: Assertion) -> Result | None:
    """Rule 22; a result where existence alone ends the event."""
    known = state.existence
    exists = not assertion.deletes
    if known is not None:
        if assertion.occurred_at < known.heard:
            if assertion.deletes or not known.exists:
                return Result(Outcome.STALE, "rule 22: the thing was heard of later")
            if known.first:
                known.first = min(known.first, assertion.occurred_at)
            return None
        if assertion.occurred_at == known.heard:
            if assertion.event_id in known.events:
                return (
                    Result(Outcome.DUPLICATE, "rule 2: this event id was heard before") if assertion.deletes else None
                )
            known.events = (*known.events, assertion.event_id)
            if exists and not known.exists:
                made_again(state, at=assertion.occurred_at)
            known.exists = exists
            return Result(Outcome.APPLIED, "deleted by the platform") if assertion.deletes else None
    if known is not None and exists and not known.exists:
        made_again(state, at=assertion.occurred_at)
    if known is not None:
        first = known.first
    else:
        # Of what was there before us, or came from Salesforce, nobody has told when it was made.
        first = 0 if state.revision is not None or state.fields.set_ones() else assertion.occurred_at
    state.existence = Existence(exists, assertion.occurred_at, (assertion.event_id,), first)
    return Result(Outcome.APPLIED, "deleted by the platform") if assertion.deletes else None


def _tell_unwritten(
    state: DocumentState, field: FieldState, rule: FieldRule, into: str, assertion: Assertion, occasion: Occasion
) -> None:
    """An edit of a document that was merged into another (rule 23): it stays here, and nobody should miss it there."""
    if not rule.pushes or field.source is not Side.PLATFORM or field.shown_revision != state.next_revision:
        return
    held = field.salesforce
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, assertion.occurred_at),
            salesforce=(None, 0) if held is None else (held.value, held.position.timestamp),
            winner=None,
            by="23.merged",
            note=f"kept in this document and not written, since it was merged into {into}",
            occasion=occasion,
        )
    )


def _assert_field(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    assertion: Assertion,
    occasion: Occasion,
) -> Outcome:
    known = field.platform
    brought = False
    if known is not None:
        if assertion.occurred_at < known.heard:
            brought = _brought_it(field, known, rule, value, assertion)
            if not brought and not _only_views_since(field, known, rule, value, assertion):
                return _stale(state, field, known, rule, value, assertion, occasion)
        if assertion.occurred_at == known.heard and assertion.event_id in known.events:
            return Outcome.DUPLICATE
    heard_before = min(known.heard, assertion.occurred_at) if known else None
    named = assertion.changed is not None
    if not named and not brought and _is_no_change(field, rule, value, assertion):
        _hear(field, rule, value, assertion, moved=False)
        return Outcome.APPLIED
    if not rule.pushes:
        _keep_salesforce(state, field, rule, value, assertion, occasion)
    elif field.source is None:
        _own(state, field, rule, value, assertion, occasion)
        _hear(field, rule, value, assertion, moved=True)
        _show(state, field, value, assertion, at=occasion.shown_at)
    elif rule.same(value, field.value):
        _hear(field, rule, value, assertion, moved=True)
        if field.source is Side.PLATFORM:
            field.value = value
        else:
            review.drop(state, field, rule, occasion)
    else:
        if field.overruled:
            _own(state, field, rule, value, assertion, occasion)
        _change(state, field, rule, value, assertion, heard_before, occasion)
    settle(state, field, rule)
    return Outcome.APPLIED


def _brought_it(field: FieldState, known: PlatformRegister, rule: FieldRule, value: Any, assertion: Assertion) -> bool:
    """Rule 3: the very edit whose value others were shown, and whose whole record was heard first and lost.

    What its author had seen, only its own event tells: heard in order it would have won. A page whose revision shows
    Salesforce's value shows the platform's only where somebody has put it there.
    """
    return (
        (assertion.seen is not None or assertion.changed is not None)
        and assertion.occurred_at < known.changed
        and rule.pushes
        and field.source is Side.SALESFORCE
        and _could_have_seen(field, assertion)
        and rule.same(value, known.value)
        and (assertion.changed is not None or not _was_shown(field, rule, value))
        and not rule.same(value, field.value)
    )


def _only_views_since(
    field: FieldState, known: PlatformRegister, rule: FieldRule, value: Any, assertion: Assertion
) -> bool:
    """Rule 3: heard late, after whole records whose pages had been loaded before this edit and say nothing against it.

    A change heard before can not come again this way: the last change is never older than it. An unnamed value must be
    one that the document never showed. While the current value is the platform's, made before, the list tells that as
    well as it did at the time (rule 4); else only a list that has not overflowed can tell: an old view, read again
    after a week, would be an edit.
    """
    if assertion.occurred_at <= known.changed:
        return False
    if assertion.changed is not None:
        return True
    if rule.snapshot:
        return False
    remembered = field.is_platforms or len(field.shown) < SHOWN_VALUES_KEPT
    return remembered and not _is_no_change(field, rule, value, assertion)


def _stale(
    state: DocumentState,
    field: FieldState,
    known: PlatformRegister,
    rule: FieldRule,
    value: Any,
    assertion: Assertion,
    occasion: Occasion,
) -> Outcome:
    """Rule 3; audited where the value may be a late edit, and may as well be an old view that was forgotten."""
    if assertion.changed is not None or assertion.occurred_at <= known.changed or not rule.pushes or rule.snapshot:
        return Outcome.STALE
    if _is_no_change(field, rule, value, assertion):
        return Outcome.STALE
    held = field.salesforce
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(value, assertion.occurred_at),
            salesforce=(field.value, field.made_at) if held is None else (held.value, held.position.timestamp),
            winner=Side.SALESFORCE,
            by="3",
            note="heard after later pages, and more values were shown than are kept",
            occasion=occasion,
        )
    )
    return Outcome.APPLIED


def _is_no_change(field: FieldState, rule: FieldRule, value: Any, assertion: Assertion) -> bool:
    """Rule 4: an unnamed value that the platform said before, or that the document shows or has shown; or that it has
    shown nothing.

    Where it is known to be no page but what the platform's database held, only what the document shows.
    """
    if field.platform is None or field.source is None:
        # On first contact an empty value asserts nothing: only a person who names the field clears what Salesforce has.
        if rule.key(value) is None:
            return True
        return field.source is not None and _was_shown(field, rule, value)
    if rule.snapshot:
        return rule.same(value, field.value)
    if rule.same(value, field.platform.value) or _was_shown(field, rule, value):
        return True
    return value in _OF_NO_VALUE and _showed_nothing(field, assertion)


def _showed_nothing(field: FieldState, assertion: Assertion) -> bool:
    """The document was there without any value when the author looked, who cannot have seen the first."""
    return not field.shown and field.shown_revision > 1 and not _could_have_seen(field, assertion)


def _was_shown(field: FieldState, rule: FieldRule, value: Any) -> bool:
    return rule.same(value, field.value) or any(rule.same(value, shown) for shown in field.shown)


def _hear(field: FieldState, rule: FieldRule, value: Any, assertion: Assertion, *, moved: bool) -> None:
    """Move *heard* (rule 3); the value moves with it unless it is a view of an older one."""
    known = field.platform
    heard = assertion.occurred_at
    events: tuple[str, ...] = (assertion.event_id,)
    if known is not None and heard == known.heard:
        events = (*known.events, assertion.event_id)
    elif known is not None and heard < known.heard:
        heard, events = known.heard, known.events
    if known is None or moved or rule.same(value, field.value):
        changed = assertion.occurred_at if moved else known.changed if known else 0
        field.platform = PlatformRegister(value, heard, changed, events)
    else:
        known.heard = heard
        known.events = events


def _change(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    assertion: Assertion,
    heard_before: int | None,
    occasion: Occasion,
) -> None:
    """A value that differs from the current one: rules 5, 6, 7, and 18 where the platform was never heard."""
    named = assertion.changed is not None
    platform, (_, salesforce) = (value, assertion.occurred_at), conflict.claims(field)
    by, note = "5", ""
    winner: Verdict = Side.PLATFORM
    if not field.is_platforms:
        seen = _could_have_seen(field, assertion)
        if heard_before is None and not named and assertion.seen is None:
            by = f"18.{rule.first}"
            winner = conflict.settle_by(rule.first, rule, platform=platform, salesforce=salesforce)
        elif not seen:
            by = f"13.{rule.policy}"
            winner = conflict.settle_by(rule.policy, rule, platform=platform, salesforce=salesforce)
        elif assertion.seen is None and not named and (heard_before or 0) <= field.part_of_theirs.shown_at:
            by, note = "6", "presumed"
    if by != "5":
        state.audit.append(
            audit.row(
                state,
                rule,
                field,
                platform=platform,
                salesforce=salesforce,
                winner=winner,
                by=by,
                note=note,
                occasion=occasion,
            )
        )
    _hear(field, rule, value, assertion, moved=True)
    match winner:
        case Side.PLATFORM:
            _show(state, field, value, assertion, at=occasion.shown_at)
        case Side.SALESFORCE:
            if field.merged:
                show_theirs(state, field, at=occasion.shown_at)
        case Merged():
            merge(state, field, winner, platform, field.part_of_theirs, at=occasion.shown_at)
        case None:
            review.hold(field, Side.PLATFORM, value, made_at=assertion.occurred_at, occasion=occasion)
        case _:
            assert_never(winner)


def _show(state: DocumentState, field: FieldState, value: Any, assertion: Assertion, *, at: int) -> None:
    field.show(value, Side.PLATFORM, made_at=assertion.occurred_at, at=at, revision=state.next_revision)


def _could_have_seen(field: FieldState, assertion: Assertion) -> bool:
    """Rule 5: `seen` decides where it is given, and no clock does."""
    theirs = field.part_of_theirs
    if assertion.seen is not None:
        return assertion.seen >= theirs.shown_revision
    return assertion.occurred_at > theirs.shown_at


def _own(
    state: DocumentState, field: FieldState, rule: FieldRule, value: Any, assertion: Assertion, occasion: Occasion
) -> None:
    """A push-only field in which Salesforce's own value stood so far: it is audited before it is written over."""
    held = field.salesforce
    if held is None or rule.key(held.value) is None or rule.same(held.value, value) or rule.fills_only:
        return
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(value, assertion.occurred_at),
            salesforce=(held.value, held.position.timestamp),
            winner=Side.PLATFORM,
            by="13.push_only",
            occasion=occasion,
        )
    )


def _keep_salesforce(
    state: DocumentState, field: FieldState, rule: FieldRule, value: Any, assertion: Assertion, occasion: Occasion
) -> None:
    """A pull-only field belongs to Salesforce: an edit the platform names is audited, and does not show."""
    if assertion.changed is None:
        return
    if not rule.same(value, field.value):
        state.audit.append(
            audit.row(
                state,
                rule,
                field,
                platform=(value, assertion.occurred_at),
                salesforce=(field.value, field.made_at),
                winner=Side.SALESFORCE,
                by="13.pull_only",
                occasion=occasion,
            )
        )
    _hear(field, rule, value, assertion, moved=True)
