"""Rules 1, 8 to 12, 25: what a change event of the linked record says."""

from collections.abc import Mapping
from typing import Any

from consumers.rules import review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.buried import within_row_mark
from consumers.rules.conflict import has_platforms_part
from consumers.rules.existence import hear_of_existence, hear_of_look, last_event, note_event
from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.left_behind import hear_of_left_behind
from consumers.rules.ordinary import ordinary
from consumers.rules.showing import take_over
from consumers.rules.state import DocumentState, Link, SalesforceRegister, Write, WriteState
from consumers.rules.unread import end_unread
from consumers.rules.verdicts import overruled
from schemas.change import Change, Told
from schemas.outcome import Outcome, Result
from schemas.position import CommitPosition


def apply_change(state: DocumentState, change: Change, kind: Kind, occasion: Occasion) -> Result:
    """Take one change of the linked record into the state."""
    link = state.link
    if link is None or change.record_id not in (link.record_id, *link.former):
        return Result(Outcome.IGNORED, "rule 19: the record is not linked")
    if link.handed_over:
        return Result(Outcome.IGNORED, "rule 23: the record is another document's now")
    if change.told is not Told.EVENT:
        return hear_of_look(state, link, change, now=occasion.now)
    return _apply_event(state, link, change, kind, occasion)


def _apply_event(state: DocumentState, link: Link, change: Change, kind: Kind, occasion: Occasion) -> Result:
    if change.position <= last_event(state, link, change.record_id):
        return Result(Outcome.DUPLICATE, "rule 1: at or before the record's last event")
    note_event(state, link, change)
    state.heard_at = occasion.now
    if state.retry is not None and state.retry.locked:
        # Whoever held the record may have let it go with this. If not, the look costs no try.
        state.retry.at, state.retry.tries = min(state.retry.at, occasion.now), max(0, state.retry.tries - 1)
    existence = hear_of_existence(state, link, change, kind)
    if existence is not None:
        return existence
    write = _ours(state, change, kind)
    if write is not None:
        write.heard = True
    if not link.read and change.record_id == link.record_id:
        # The whole read that follows holds these values too (rules 18 and 19). What a former id has still to tell, it
        # does not: that was before, and our writes may have buried it.
        return _before_the_read(state, link, change, kind, write, occasion)
    if write is None:
        change = hear_of_left_behind(state, link, change, kind, occasion)
    untold: dict[str, Any] = {}
    if write is not None:
        write.state = WriteState.LANDED
        link.claimed = link.claimed or (write.claims and change.record_id == link.record_id)
        untold = _untold(state, write)
    doubted = _end_doubts(state, change, kind, write)
    if change.position.timestamp <= state.row_mark or (link.read and change.record_id != link.record_id):
        # Of a former id too: whatever it tells, the record that was read whole since holds what it held there.
        within_row_mark(state, change, kind, write, occasion)
    elif write is not None:
        _ours_landed(state, change, kind, write, untold, occasion)
    else:
        _by_others(state, change, kind, doubted, occasion)
    review.end_overtaken(state, kind, occasion)
    if any(name in kind.by_name for name in change.differences):
        state.read_reason = "a long text came as a difference"
    if write is not None and not _beyond(change, kind, write):
        return Result(Outcome.ECHO, f"rule 8: write {write.number}")
    return Result(Outcome.APPLIED)


def _before_the_read(
    state: DocumentState, link: Link, change: Change, kind: Kind, write: Write | None, occasion: Occasion
) -> Result:
    """Who else has set what in a record that is not read yet: it counts by itself if the record ends unread."""
    if write is None and not link.former:
        named = change.fields.keys() & kind.by_name.keys()
        link.touched |= named
        link.edits |= {name: SalesforceRegister(change.fields[name], change.position) for name in named}
    if link.gone and link.searched:
        # Told after a read had found no record, and nobody what took its place: nothing will come back to it.
        end_unread(state, kind, occasion)
        return Result(Outcome.APPLIED, "rule 23: what was set in a record that is gone")
    return Result(Outcome.APPLIED, "rule 19: the record is read whole first")


def _by_others(state: DocumentState, change: Change, kind: Kind, doubted: frozenset[str], occasion: Occasion) -> None:
    """Rule 12, field by field."""
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is None:
            continue
        if name in doubted and rule.pulls:
            _after_doubt(state, rule, value, change.position, occasion)
        else:
            ordinary(state, rule, value, change.position, occasion)


def _after_doubt(
    state: DocumentState, rule: FieldRule, value: Any, position: CommitPosition, occasion: Occasion
) -> None:
    """Whatever became of our write there, landed or overruled: the author of this has seen it, and wins outright."""
    field = state.field(rule.name)
    field.salesforce = SalesforceRegister(value, position)
    if not rule.same(value, field.value):
        take_over(state, field, rule, value, position, at=occasion.shown_at)
    settle(state, field, rule)


def _ours(state: DocumentState, change: Change, kind: Kind) -> Write | None:
    """Rule 8: the token has changed to one of this document's writes."""
    return state.named(number_of(change.fields.get(kind.token), state.id))


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
            if has_platforms_part(rule, field, written):
                # Whatever the trigger made of it: who edits there since has that part behind them.
                field.agreed = change.position
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


def _end_doubts(state: DocumentState, change: Change, kind: Kind, ours: Write | None) -> frozenset[str]:
    """A later event or write of a field says more about it than a row can about an earlier write of ours.

    The fields in which the event of another ends a doubt about the current value.
    """
    ended: set[str] = set()
    for write in state.writes:
        if write.state is not WriteState.DOUBTFUL or write is ours:
            continue
        known = change.fields.keys() | (ours.values.keys() if ours else set())
        if ours is None:
            named = write.values.keys() & known
            ended |= {name for name in named & kind.by_name.keys() if _carried(state, kind.by_name[name], write)}
        write.values = {name: value for name, value in write.values.items() if name not in known}
        if not write.values:
            write.state = WriteState.LANDED
    return frozenset(ended)


def _carried(state: DocumentState, rule: FieldRule, write: Write) -> bool:
    """Whether the write was of the current value, or of the platform's part of it."""
    field = state.field(rule.name)
    as_taken = field.shown_revision <= write.revision
    return as_taken or has_platforms_part(rule, field, write.values[rule.name])


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
        take_over(state, field, rule, value, change.position, at=occasion.shown_at)
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


def _beyond(change: Change, kind: Kind, write: Write) -> bool:
    """True where the event says more than our write did."""
    for name, value in change.fields.items():
        rule = kind.by_name.get(name)
        if rule is not None and (name not in write.values or not rule.same(value, write.values[name])):
            return True
    return False
