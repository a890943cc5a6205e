"""Rules 14, 18, 24 to 26: a row read whole from Salesforce."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumers.rules import review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.conflict import has_platforms_part
from consumers.rules.existence import hear_of_conversion, mark_gone
from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.ordinary import ordinary
from consumers.rules.showing import take_over
from consumers.rules.state import DocumentState, FieldState, Link, SalesforceRegister, Side, Write, WriteState
from consumers.rules.timing import CLOCKS_APART
from consumers.rules.unread import CUSTOM
from consumers.rules.verdicts import overruled, settle_conflict, tell_buried
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition, of_row

MOVED_ON = "a row that differs from our write, and the value has moved on since"


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
    if row.began_at <= link.linked_at or state.heard_at >= row.began_at - CLOCKS_APART:
        return Result(Outcome.DEFERRED, "rule 24: something was heard since the read began; it is read again")
    if row.values is None:
        mark_gone(state, link, at=row.began_at)
        state.read_reason = ""
        return Result(Outcome.APPLIED, "rule 22: a read by Id found no record")
    if (converted := hear_of_conversion(state, link, kind, row.values, at=row.began_at)) is not None:
        state.read_reason = ""
        return converted
    mark = row.modified // 1000 * 1000 + 999
    if mark >= row.server_time:
        return Result(Outcome.DEFERRED, "rule 24: the row's second is not over; it is read again")
    position = of_row(mark)
    landed = _newly_landed(state, row, kind)
    for shown in landed:
        shown.state, shown.covered = WriteState.LANDED, state.row_mark
        link.claimed = link.claimed or (shown.claims and shown.taken_at >= link.linked_at)
    first_contact = not link.read
    place = kind.place_of(link.record_id)
    for rule in (rule for rule in kind.fields if kind.keeps(rule, place)):
        value = row.values.get(rule.name)
        write = _shown_there(state, row, kind, rule, landed)
        field = state.field(rule.name)
        if first_contact and _is_left_behind(link, rule, value):
            link.left |= {rule.name}
        if write is not None:
            _written(state, field, rule, value, write, position, occasion, again=_set_again(link, rule, field, value))
        elif first_contact and rule.pushes and _not_taken_over(link, field, rule, value):
            # Nobody has cleared it: the record is made of what the document shows, and that is due.
            field.salesforce = SalesforceRegister(value, position)
        elif field.salesforce is None:
            _first_contact(state, field, rule, value, position, occasion)
        else:
            ordinary(state, rule, value, position, occasion)
        settle(state, field, rule)
    review.end_overtaken(state, kind, occasion)
    state.row_mark = max(state.row_mark, mark)
    link.first_row = mark if first_contact and link.former else link.first_row
    link.read = True
    link.touched, link.edits = frozenset(), {}
    # Another writer's row whose read began before this moment may be older than this one.
    state.heard_at = max(state.heard_at, occasion.now - CLOCKS_APART)
    state.read_reason = ""
    return Result(Outcome.APPLIED, "first contact" if first_contact else "read whole")


def _not_taken_over(link: Link, field: FieldState, rule: FieldRule, value: Any) -> bool:
    """Whether a new record holds nothing in a field since what was there before has not come along.

    A checkbox holds false then. Standard fields are carried along by a conversion itself: one that is empty was empty.
    """
    if link.anew and rule.key(value) is None:
        return True
    return _is_left_behind(link, rule, value) and field.salesforce is not None


def _is_left_behind(link: Link, rule: FieldRule, value: Any) -> bool:
    """Whether the contact of a Lead holds nothing in a field that need not have been carried along."""
    empty = value is False or rule.key(value) is None
    return link.from_lead and empty and rule.name.endswith(CUSTOM)


def _newly_landed(state: DocumentState, row: Row, kind: Kind) -> list[Write]:
    """Writes this row shows: the one its token names, and those acknowledged before the read began (rule 14)."""
    named = state.named(number_of((row.values or {}).get(kind.token), state.id))
    return [
        write
        for write in state.writes
        if (write is named and (write.pending or write.state is WriteState.UNKNOWN))
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
    # What a conversion or a merge has carried over is ours still, and nobody's edit.
    shown = next((one for one in there if rule.same(value, one.values[rule.name])), None)
    here = (one for one in there if not _went_to_a_former(state, one) or _was_in_view(state, rule, value, one))
    return shown or _late_lander(state, row, rule) or next(here, None)


def _went_to_a_former(state: DocumentState, write: Write) -> bool:
    """Rule 23: the write landed in a record that has ended in this one, so its values need never have been here."""
    link = state.link
    return link is not None and bool(link.former) and not link.read and write.answered_at <= link.linked_at


def _was_in_view(state: DocumentState, rule: FieldRule, value: Any, write: Write) -> bool:
    """Rules 23 and 26: what a former record took over was there for whoever set this in its place.

    As if the event of the write had come before the row: a matter of milliseconds must not decide who wins. A field
    that is only pushed has no such author, one that was left behind has nobody's value, and one that has moved on since
    is a conflict anyway.
    """
    link, field = state.link, state.field(rule.name)
    left_behind = link is not None and _is_left_behind(link, rule, value)
    return rule.pulls and not left_behind and field.shown_revision <= write.revision


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
    *,
    again: bool,
) -> None:
    """Rule 26: a field of a newly landed write. `again`: somebody has set there since what we had written."""
    field.salesforce = SalesforceRegister(value, position)
    if rule.same(value, write.values[rule.name]) and not again:
        settle(state, field, rule, at=position)
    elif field.shown_revision <= write.revision or not rule.pulls:
        overruled(state, field, rule, write, position, by="26", occasion=occasion)
    elif not rule.same(value, field.value) and has_platforms_part(rule, field, write.values[rule.name]):
        # Made of both since, while the write brought the platform's part: who set this has that behind them.
        tell_buried(state, field, rule, value, position, occasion)
        take_over(state, field, rule, value, position, at=occasion.shown_at)
        settle(state, field, rule)
    elif not rule.same(value, field.value):
        settle_conflict(
            state,
            field,
            rule,
            value,
            position,
            by=f"13.{rule.policy}",
            occasion=occasion,
            note="set in Salesforce before the first read" if again else MOVED_ON,
        )


def _set_again(link: Link, rule: FieldRule, field: FieldState, value: Any) -> bool:
    """Whether what a first row shows may be somebody's edit, though it looks as our write."""
    return rule.name in link.touched and rule.pulls and not rule.same(value, field.value)


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
