"""Rule 25: events that a row read whole has covered, and the edits that our own writes had buried before that."""

from typing import Any

from consumers.rules import audit
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.showing import take_over
from consumers.rules.state import DocumentState, SalesforceRegister, Side, Write, WriteState
from consumers.rules.verdicts import overwritten, settle_conflict, tell_buried
from schemas.change import Change


def within_row_mark(state: DocumentState, change: Change, kind: Kind, write: Write | None, occasion: Occasion) -> None:
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
            _shown_by_row(state, rule, value, change, occasion)
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
        overwritten(state, field, rule, value, change.position, occasion)
        return
    later_stands = not _is_ours(state, rule, field.salesforce.value)
    if field.source is Side.SALESFORCE and field.made_at <= change.position.timestamp and not later_stands:
        tell_buried(state, field, rule, value, change.position, occasion)
        take_over(state, field, rule, value, change.position, at=occasion.shown_at)
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
        take_over(state, field, rule, value, change.position, at=occasion.shown_at)
    else:
        agreed = field.agreed
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
        if field.merged:
            # Since that commit the record holds the platform's part: who edits there has it behind them.
            field.agreed = agreed
    settle(state, field, rule)


def _is_ours(state: DocumentState, rule: FieldRule, held: Any) -> bool:
    """Whether one of our writes explains what Salesforce holds; else it is an edit later than what they buried."""
    return any(
        rule.name in one.values and rule.same(held, one.values[rule.name])
        for one in state.writes
        if one.state in (WriteState.LANDED, WriteState.UNKNOWN)
    )


def _shown_by_row(state: DocumentState, rule: FieldRule, value: Any, change: Change, occasion: Occasion) -> None:
    """An edit that a row has shown, or a later one. Whose it was, and that it is one, the row could not tell."""
    field, position = state.field(rule.name), change.position
    held = field.salesforce
    if held is None or rule.same(value, field.value) or _carried_over(state, rule, value, change):
        return
    if not rule.pulls:
        if field.overruled and rule.same(value, held.value):
            overwritten(state, field, rule, value, position, occasion)
    elif field.source is Side.SALESFORCE and field.made_at <= position.timestamp and position < held.position:
        # The current value was brought to light from under our write, and this edit was made after it. The row did not
        # show it where somebody had set our value again; where ours has been put back since, it lies under that.
        tell_buried(state, field, rule, value, position, occasion)
        take_over(state, field, rule, value, position, at=occasion.shown_at)
        settle(state, field, rule)


def _carried_over(state: DocumentState, rule: FieldRule, value: Any, change: Change) -> bool:
    """Rule 23: the event of a merge tells all that the new record has; what our write had put there is no edit."""
    link = state.link
    return (
        link is not None
        and bool(link.former)
        and change.record_id == link.record_id
        and change.position.timestamp <= link.linked_at
        and _is_ours(state, rule, value)
    )
