"""Rules 14, 18, 24 to 26: a row read whole from Salesforce."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumers.rules import review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.existence import mark_gone
from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.salesforce import ordinary
from consumers.rules.state import DocumentState, FieldState, SalesforceRegister, Side, Write, WriteState
from consumers.rules.verdicts import overruled, settle_conflict
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition

LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One record as a read by Id gave it, or that it was not there.

    `began_at` is our clock just before the request, `server_time` Salesforce's at that moment or earlier,
    `modified` its `SystemModstamp`: epoch milliseconds.
    """

    began_at: int
    server_time: int
    values: Mapping[str, Any] | None
    modified: int = 0


def apply_row(state: DocumentState, row: Row, kind: Kind, occasion: Occasion) -> Result:
    """Take a row into the state, or say why it does not count and the record must be read again."""
    link = state.link
    if link is None:
        return Result(Outcome.IGNORED, "rule 19: the record is not linked")
    if row.began_at <= link.linked_at or state.heard_at >= row.began_at:
        return Result(Outcome.DEFERRED, "rule 24: something was heard since the read began; it is read again")
    if row.values is None:
        mark_gone(state, link, at=row.began_at)
        state.read_reason = ""
        return Result(Outcome.APPLIED, "rule 22: a read by Id found no record")
    mark = row.modified // 1000 * 1000 + 999
    if mark >= row.server_time:
        return Result(Outcome.DEFERRED, "rule 24: the row's second is not over; it is read again")
    position = CommitPosition(mark, LAST, LAST)
    landed = _newly_landed(state, row, kind)
    for shown in landed:
        shown.state, shown.covered = WriteState.LANDED, state.row_mark
    first_contact = not link.read
    for rule in kind.fields:
        value = row.values.get(rule.name)
        write = _shown_there(state, row, kind, rule, landed)
        field = state.field(rule.name)
        if write is not None:
            _written(state, field, rule, value, write, position, occasion)
        elif link.anew and first_contact and rule.pushes and rule.key(value) is None:
            # Nobody has cleared it: the record is made of what the document shows, and that is due.
            field.salesforce = SalesforceRegister(value, position)
        elif field.salesforce is None:
            _first_contact(state, field, rule, value, position, occasion)
        else:
            ordinary(state, rule, value, position, occasion)
        settle(state, field, rule)
    review.end_overtaken(state, kind, occasion)
    state.row_mark = max(state.row_mark, mark)
    link.read = True
    # Another writer's row whose read began before this moment may be older than this one.
    state.heard_at = max(state.heard_at, occasion.now)
    state.read_reason = ""
    return Result(Outcome.APPLIED, "first contact" if first_contact else "read whole")


def _newly_landed(state: DocumentState, row: Row, kind: Kind) -> list[Write]:
    """Writes this row shows: the one its token names, and those acknowledged before the read began (rule 14)."""
    named = number_of((row.values or {}).get(kind.token), state.id)
    return [
        write
        for write in state.writes
        if (write.number == named and (write.pending or write.state is WriteState.UNKNOWN))
        or (write in state.acknowledged() and write.answered_at < row.began_at)
    ]


def _shown_there(state: DocumentState, row: Row, kind: Kind, rule: FieldRule, landed: list[Write]) -> Write | None:
    """The newly landed write whose value the row shows in a field, if any.

    The token names the last one to land, whatever the order of their numbers; where that one was heard of before, the
    row brings no news of an earlier one.
    """
    number = number_of((row.values or {}).get(kind.token), state.id)
    last = None if number is None else state.write(number)
    if last is not None and rule.name in last.values:
        return last if last in landed else None
    there = [one for one in reversed(landed) if rule.name in one.values]
    value = (row.values or {}).get(rule.name)
    shown = next((one for one in there if rule.same(value, one.values[rule.name])), None)
    return shown or _late_lander(state, row, rule) or next(iter(there), None)


def _late_lander(state: DocumentState, row: Row, rule: FieldRule) -> Write | None:
    """A write that nobody answered, whose value the row shows: it has landed under another's token, and is no edit."""
    value = (row.values or {}).get(rule.name)
    return next(
        (
            one
            for one in reversed(state.writes)
            if one.state is WriteState.UNKNOWN and rule.name in one.values and rule.same(value, one.values[rule.name])
        ),
        None,
    )


def _written(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    write: Write,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """Rule 26: a field of a newly landed write."""
    field.salesforce = SalesforceRegister(value, position)
    if rule.same(value, write.values[rule.name]):
        settle(state, field, rule, at=position)
    elif field.shown_revision <= write.revision or not rule.pulls:
        overruled(state, field, rule, write, position, by="26", occasion=occasion)
    elif not rule.same(value, field.value):
        settle_conflict(
            state,
            field,
            rule,
            value,
            position,
            by=f"13.{rule.policy}",
            occasion=occasion,
            note="a row that differs from our write, and the value has moved on since",
        )


def _first_contact(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """Rule 18: nothing was known of Salesforce's value."""
    if not rule.pulls or field.source is None:
        ordinary(state, rule, value, position, occasion)
        return
    field.salesforce = SalesforceRegister(value, position)
    theirs, ours = rule.key(value), rule.key(field.value)
    if theirs == ours or (theirs is None and field.source is Side.PLATFORM):
        return
    settle_conflict(state, field, rule, value, position, by=f"18.{rule.first}", occasion=occasion, note="first contact")
