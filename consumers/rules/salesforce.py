"""Rules 1, 8 to 12, 25: what a change event of the linked record says."""

from collections.abc import Mapping
from typing import Any

from consumers.rules import audit, conflict, review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.existence import hear_of_existence
from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.state import DocumentState, FieldState, SalesforceRegister, Side, Write, WriteState
from schemas.change import Change
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition


def apply_change(state: DocumentState, change: Change, kind: Kind, occasion: Occasion) -> Result:
    """Take one change of the linked record into the state."""
    link = state.link
    if link is None or change.record_id not in (link.record_id, *link.former):
        return Result(Outcome.IGNORED, "rule 19: the record is not linked")
    if change.position <= state.position:
        return Result(Outcome.DUPLICATE, "rule 1: at or before the record's last event")
    state.position = change.position
    state.heard_at = occasion.now
    existence = hear_of_existence(state, link, change)
    if existence is not None:
        return existence
    write = _ours(state, change, kind)
    if write is not None:
        write.heard = True
    if not link.read:
        # Every register is still empty: the whole read that follows holds these values too (rules 18 and 19).
        return Result(Outcome.APPLIED, "rule 19: the record is read whole first")
    untold: dict[str, Any] = {}
    if write is not None:
        write.state = WriteState.LANDED
        untold = _untold(state, write)
    _end_doubts(state, change, write)
    if change.position.timestamp <= state.row_mark:
        _within_row_mark(state, change, kind, write, occasion)
    elif write is not None:
        _ours_landed(state, change, kind, write, untold, occasion)
    else:
        _by_others(state, change, kind, occasion)
    review.end_overtaken(state, kind, occasion)
    if any(name in kind.by_name for name in change.differences):
        state.read_reason = "a long text came as a difference"
    if write is not None and not _beyond(change, kind, write):
        return Result(Outcome.ECHO, f"rule 8: write {write.number}")
    return Result(Outcome.APPLIED)


def _by_others(state: DocumentState, change: Change, kind: Kind, occasion: Occasion) -> None:
    """Rule 12, field by field."""
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is not None:
            ordinary(state, rule, value, change.position, occasion)


def ordinary(
    state: DocumentState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """Rule 12: a value that no write of ours explains."""
    field = state.field(rule.name)
    before = field.salesforce
    if before is not None and rule.same(before.value, value):
        return
    field.salesforce = SalesforceRegister(value, position)
    if not rule.pulls:
        _overwritten(state, field, rule, value, position, occasion)
    elif field.source is None:
        if rule.key(value) is not None:
            _take_over(state, field, rule, value, position, at=occasion.shown_at)
    elif not rule.same(value, field.value):
        if field.source is Side.SALESFORCE or (field.agreed is not None and position > field.agreed):
            if before is not None and not rule.same(before.value, field.value):
                _buried(state, field, rule, value, position, occasion)
            _take_over(state, field, rule, value, position, at=occasion.shown_at)
        else:
            by = f"18.{rule.first}" if before is None else f"13.{rule.policy}"
            settle_conflict(state, field, rule, value, position, by=by, occasion=occasion)
    elif field.source is Side.PLATFORM:
        review.drop(state, field, rule, occasion)
    settle(state, field, rule)


def _buried(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """An edit of Salesforce's that our write had buried, and that was due to be put back, gives way to a later one.

    The later author saw our value and not that edit, so it is lost to someone who did not know of it: a row says so.
    """
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(value, position.timestamp),
            winner=Side.SALESFORCE,
            by="12",
            note="replaced an edit that a write of ours had buried",
            occasion=occasion,
            author=field.source,
        )
    )


def settle_conflict(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    *,
    by: str,
    occasion: Occasion,
    note: str = "",
) -> None:
    """Rule 13: the policy picks between the current value and Salesforce's; both are kept in the audit."""
    policy = rule.first if by.startswith("18.") else rule.policy
    side = conflict.winner(
        policy,
        platform_at=field.made_at,
        salesforce_at=position.timestamp,
        salesforce_empty=rule.key(value) is None,
    )
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(value, position.timestamp),
            winner=side,
            by=by,
            note=note,
            occasion=occasion,
        )
    )
    if side is Side.SALESFORCE:
        _take_over(state, field, rule, value, position, at=occasion.shown_at)
    elif side is None:
        shown = rule.values.pull(value)
        review.hold(field, Side.SALESFORCE, shown, made_at=position.timestamp, occasion=occasion)


def overruled(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    write: Write,
    position: CommitPosition,
    *,
    by: str,
    occasion: Occasion,
) -> None:
    """Rules 10 and 26: what a trigger made of our write is taken over, unless the value has moved on and is due anyway.

    Expects the register S to hold the trigger's value already.
    """
    if field.salesforce is None:
        raise AssertionError("S is set before a write is judged")
    value = field.salesforce.value
    as_taken = field.shown_revision <= write.revision
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at) if as_taken else (write.values[rule.name], write.taken_at),
            salesforce=(value, position.timestamp),
            winner=Side.SALESFORCE if as_taken else Side.PLATFORM,
            by=by,
            note="overruled" if as_taken else "overruled, and moved on since",
            occasion=occasion,
        )
    )
    if not as_taken or rule.same(value, field.value):
        return
    if rule.pulls:
        _take_over(state, field, rule, value, position, at=occasion.shown_at)
    else:
        field.overruled = True


def _ours(state: DocumentState, change: Change, kind: Kind) -> Write | None:
    """Rule 8: the token has changed to one of this document's writes."""
    number = number_of(change.fields.get(kind.token), state.id)
    return None if number is None else state.write(number)


def _ours_landed(
    state: DocumentState, change: Change, kind: Kind, write: Write, untold: Mapping[str, Any], occasion: Occasion
) -> None:
    """Rules 9, 10 and 11, field by field."""
    absent: dict[str, Any] = {}
    for name, written in write.values.items():
        rule = kind.by_name.get(name)
        if rule is None:
            continue
        field = state.field(name)
        if name in change.fields:
            field.salesforce = SalesforceRegister(change.fields[name], change.position)
        elif field.salesforce is None or not rule.same(field.salesforce.value, written):
            absent[name] = written
            continue
        if rule.same(field.salesforce.value, written):
            settle(state, field, rule, at=change.position)
        else:
            overruled(state, field, rule, write, change.position, by="10", occasion=occasion)
            settle(state, field, rule)
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is None or name in write.values:
            continue
        _set_beside_ours(state, rule, value, change, write, untold, occasion)
    if absent:
        # A trigger may have put the old value back. The row will tell (rule 26); until then the write is expected to
        # have taken effect in these fields. What the event did name is settled.
        state.read_reason = "rule 9: a written field is absent from its event"
        write.state, write.answered_at, write.values = WriteState.DOUBTFUL, occasion.now, absent


def _end_doubts(state: DocumentState, change: Change, ours: Write | None) -> None:
    """A later event or write of a field says more about it than a row can about an earlier write of ours."""
    for write in state.writes:
        if write.state is not WriteState.DOUBTFUL or write is ours:
            continue
        known = change.fields.keys() | (ours.values.keys() if ours else set())
        write.values = {name: value for name, value in write.values.items() if name not in known}
        if not write.values:
            write.state = WriteState.LANDED


def _set_beside_ours(
    state: DocumentState,
    rule: FieldRule,
    value: Any,
    change: Change,
    write: Write,
    untold: Mapping[str, Any],
    occasion: Occasion,
) -> None:
    """Rule 11: a trigger that had seen our write set a field beyond it."""
    field = state.field(rule.name)
    known = field.salesforce
    lay_there = untold.get(rule.name, known.value if known is not None else None)
    had_seen = rule.pulls and field.source is not None and rule.same(field.value, lay_there)
    if had_seen and not rule.same(value, field.value) and (known is None or not rule.same(known.value, value)):
        field.salesforce = SalesforceRegister(value, change.position)
        _take_over(state, field, rule, value, change.position, at=occasion.shown_at)
        settle(state, field, rule)
    else:
        ordinary(state, rule, value, change.position, occasion)


def _untold(state: DocumentState, ours: Write) -> dict[str, Any]:
    """What earlier writes set that no event has told of, or told of in full: it lay there when `ours` landed.

    In all else S tells what a trigger that ran on it had seen, since events come in the order of commits. So a write
    that nobody answered, and that landed over the current value, is not overlooked.
    """
    return {
        name: value for one in state.acknowledged() if one.number < ours.number for name, value in one.values.items()
    }


def _within_row_mark(state: DocumentState, change: Change, kind: Kind, write: Write | None, occasion: Occasion) -> None:
    """Rule 25: a row read whole covers this event, so S stays; but our write may have buried its value unheard."""
    if write is not None:
        _agreed_before_row(state, change, kind, write)
        return
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is None:
            continue
        burying = _buried_by(state, change, rule)
        if burying is None or rule.same(value, burying.values[name]):
            _shown_by_row(state, rule, value, change.position, occasion)
        else:
            _bring_to_light(state, rule, value, change, burying, occasion)


def _agreed_before_row(state: DocumentState, change: Change, kind: Kind, write: Write) -> None:
    """Rule 9 in hindsight: the row told that the sides agreed, and this event tells since which commit.

    An edit between the two, which another write buried before the row was read, was made on the current value.
    """
    for name in write.values.keys() & change.fields.keys() & kind.by_name.keys():
        field = state.field(name)
        as_taken = field.shown_revision <= write.revision
        if as_taken and field.agreed is not None and kind.by_name[name].same(change.fields[name], field.value):
            field.agreed = min(field.agreed, change.position)


def _buried_by(state: DocumentState, change: Change, rule: FieldRule) -> Write | None:
    """A write that a row showed in this field, that was committed after this change, and before which no row was read.

    Its event has still to come, and events come in the order of commits. A first write made the record: nothing lay
    under it, and its event may have been passed over because there was no link yet.
    """
    held = state.field(rule.name).salesforce
    return next(
        (
            one
            for one in state.writes
            if (one.state is WriteState.LANDED or _explains(one, rule, held))
            and not one.heard
            and not one.first
            and rule.name in one.values
            and change.position.timestamp > one.covered
        ),
        None,
    )


def _explains(write: Write, rule: FieldRule, held: SalesforceRegister | None) -> bool:
    """Whether a late request may have brought what the row showed, under the token of another."""
    late = write.state in (WriteState.UNKNOWN, WriteState.ACKNOWLEDGED) and rule.name in write.values
    return late and held is not None and rule.same(held.value, write.values[rule.name])


def _bring_to_light(
    state: DocumentState, rule: FieldRule, value: Any, change: Change, burying: Write, occasion: Occasion
) -> None:
    """An edit that our write buried before it was heard: a conflict, unless Salesforce has a later one."""
    field = state.field(rule.name)
    if field.salesforce is None or rule.same(value, field.salesforce.value) or rule.same(value, field.value):
        return
    if not rule.pulls:
        _overwritten(state, field, rule, value, change.position, occasion)
        return
    later_stands = not _is_ours(state, rule, field.salesforce.value)
    if field.source is Side.SALESFORCE and field.made_at <= change.position.timestamp and not later_stands:
        _buried(state, field, rule, value, change.position, occasion)
        _take_over(state, field, rule, value, change.position, at=occasion.shown_at)
        settle(state, field, rule)
        return
    if field.source is Side.SALESFORCE or later_stands:
        state.audit.append(
            audit.row(
                state,
                rule,
                field,
                platform=(burying.values[rule.name], burying.taken_at),
                salesforce=(value, change.position.timestamp),
                winner=Side.PLATFORM,
                by="25",
                note="buried by our write before it was heard, and a later edit stands",
                occasion=occasion,
            )
        )
        return
    if field.agreed is not None and change.position > field.agreed:
        _take_over(state, field, rule, value, change.position, at=occasion.shown_at)
    else:
        settle_conflict(
            state,
            field,
            rule,
            value,
            change.position,
            by=f"13.{rule.policy}",
            occasion=occasion,
            note="buried by our write before it was heard",
        )
    settle(state, field, rule)


def _is_ours(state: DocumentState, rule: FieldRule, held: Any) -> bool:
    """Whether one of our writes explains what Salesforce holds; else it is an edit later than what they buried."""
    return any(
        rule.name in one.values and rule.same(held, one.values[rule.name])
        for one in state.writes
        if one.state in (WriteState.LANDED, WriteState.UNKNOWN)
    )


def _shown_by_row(
    state: DocumentState, rule: FieldRule, value: Any, position: CommitPosition, occasion: Occasion
) -> None:
    """An edit that a row has shown, or a later one. Whose it was, and that it is one, the row could not tell."""
    field = state.field(rule.name)
    held = field.salesforce
    if held is None or rule.same(value, field.value):
        return
    if not rule.pulls:
        if field.overruled and rule.same(value, held.value):
            _overwritten(state, field, rule, value, position, occasion)
    elif field.source is Side.SALESFORCE and field.made_at <= position.timestamp and position < held.position:
        # The current value was brought to light from under our write, and this edit was made after it. The row did not
        # show it where somebody had set our value again; where ours has been put back since, it lies under that.
        _buried(state, field, rule, value, position, occasion)
        _take_over(state, field, rule, value, position, at=occasion.shown_at)
        settle(state, field, rule)


def _take_over(
    state: DocumentState, field: FieldState, rule: FieldRule, value: Any, position: CommitPosition, *, at: int
) -> None:
    field.show(
        rule.values.pull(value), Side.SALESFORCE, made_at=position.timestamp, at=at, revision=state.next_revision
    )


def _overwritten(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """A push-only field belongs to the platform: an edit of it in Salesforce is audited and written over."""
    if field.source is None or rule.same(value, field.value):
        return
    held = field.salesforce
    if held is not None and rule.same(value, held.value):
        # Only of what Salesforce holds does this say that it is a person's edit, and no automation's.
        field.overruled = False
    if rule.fills_only and rule.key(value) is not None:
        return
    if rule.key(value) is None and not field.shown:
        return
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(value, position.timestamp),
            winner=Side.PLATFORM,
            by="13.push_only",
            occasion=occasion,
        )
    )


def _beyond(change: Change, kind: Kind, write: Write) -> bool:
    """True where the event says more than our write did."""
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is not None and (name not in write.values or not rule.same(value, write.values[name])):
            return True
    return False
