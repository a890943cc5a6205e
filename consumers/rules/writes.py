"""Rules 14, 15, 19 and 20: what is due, and which request comes next."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any

from consumers.rules.agreement import settle
from consumers.rules.existence import (
    deletion_follows,
    is_to_be_deleted,
    makes_anew,
    place_of,
)
from consumers.rules.filters import lacks_consent, left_out
from consumers.rules.hanging import kept_back, lets_go
from consumers.rules.jobs import FIRST_ASKED
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.making import given_up
from consumers.rules.matching import may_be_made
from consumers.rules.review import held_back
from consumers.rules.state import DocumentState, FieldState, Link, Retry, Write, WriteState
from consumers.rules.timing import CLOCKS_APART, Timing
from schemas.mapping import PlatformDeletion


@dataclass(frozen=True, slots=True)
class Find:
    """Look the record up by external id: nothing is known of it yet."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Ask whether another record has taken the place of the one that is gone (rule 23)."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the record: the platform has deleted the thing (rule 22)."""


@dataclass(frozen=True, slots=True)
class Read:
    """Read the record whole."""

    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """Write these fields: by Id, or by external id where there is no link."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Until:
    """Nothing before this time (epoch milliseconds)."""

    at: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Both sides hold what they should, or nothing may be written."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask after the Bulk job that carries the open write: it alone knows what became of that."""

    job: str
    first: bool
    """Its rows are first writes: upserts by external id."""
    may_be_loading: bool = member(default=False, compare=False)
    """Whoever opened it may still be storing and sending its rows."""


Step = Find | Follow | Delete | Read | Send | Ask | Until | Nothing


def due_values(state: DocumentState, kind: Kind) -> dict[str, Any]:
    """Rule 14: the fields that differ from what Salesforce is expected to hold, in Salesforce's form."""
    return {rule.name: rule.outgoing(field.value) for rule, field in _differing(state, kind)}


def _differing(
    state: DocumentState, kind: Kind, among: Iterable[FieldRule] | None = None
) -> Iterator[tuple[FieldRule, FieldState]]:
    if left_out(state, kind):
        return
    if makes_anew(state, kind):
        yield from _shown(state, kind)
        return
    expected = {name: value for write in state.acknowledged() for name, value in write.values.items()}
    fields, place = state.fields, place_of(state, kind)
    for rule in kind.fields if among is None else among:
        if not rule.pushes or (rule.name not in expected and fields.surely_agree(rule.name)):
            continue
        field = fields.get(rule.name)
        if field is None or field.source is None or field.overruled or not kind.keeps(rule, place):
            continue
        held = field.salesforce.value if field.salesforce is not None else None
        known = expected.get(rule.name, held)
        if not rule.same(field.value, known) and not held_back(state, kind, field, rule, known):
            yield rule, field


def _shown(state: DocumentState, kind: Kind) -> Iterator[tuple[FieldRule, FieldState]]:
    """All that a new record in the place of the one that is gone is made of."""
    place = place_of(state, kind)
    for rule in kind.fields:
        field = state.fields.get(rule.name)
        if field is None or field.source is None or rule.key(field.value) is None:
            continue
        if rule.pushes and kind.keeps(rule, place) and not lacks_consent(state, kind, rule):
            yield rule, field


def next_step(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> Step:
    """What Salesforce should be asked next for this document."""
    return _next_step(state, kind, timing, now=now, sendable=_sendable)


def _next_step(
    state: DocumentState,
    kind: Kind,
    timing: Timing,
    *,
    now: int,
    sendable: Callable[[DocumentState, Kind, int], dict[str, Any]],
) -> Step:
    if not _may_ask(state, kind, timing, now=now):
        return Nothing()
    unanswered = _unanswered(state, timing, now=now)
    if unanswered is not None:
        return unanswered
    if state.retry is not None and now < state.retry.at:
        return Until(state.retry.at)
    link = state.link
    if state.deleted:
        return _next_deletion(state, kind)
    if link is None or makes_anew(state, kind):
        if may_be_made(state):
            return Find()
        orphaned = [at for rule, at in _awaiting(state, kind, now) if rule.required]
        if orphaned:
            return Until(max(orphaned))
        return Find() if sendable(state, kind, now) else _until_parents(state, kind, now)
    if link.gone:
        return Follow()
    reason = state.read_reason or ("" if link.read else "rule 19: a new link") or _unheard(state)
    reason = reason or _carries_back(state, kind)
    if reason:
        quiet = max(link.linked_at, state.heard_at) + timing.quiet_before_read
        return Read(reason) if now >= quiet else Until(quiet)
    overdue = min((write.answered_at for write in state.acknowledged()), default=None)
    if overdue is not None and now >= overdue + timing.event_within:
        return Read("rule 14: the event of a write has not come")
    values = sendable(state, kind, now)
    if any(_unknown(state, name) for name in values):
        return Read("rule 18: nothing is known of a field")
    if values or (_claims(state, link) and not kept_back(state, kind, now=now)):
        return Send(values)
    return Until(overdue + timing.event_within) if overdue is not None else _until_parents(state, kind, now)


def _next_deletion(state: DocumentState, kind: Kind) -> Find | Follow | Delete:
    """Rule 22: the record is deleted, or what it has become, or what a first write may have made."""
    if state.record is not None:
        return Delete()
    return Follow() if deletion_follows(state, kind) else Find()


def _unanswered(state: DocumentState, timing: Timing, *, now: int) -> Ask | Until | None:
    """Rule 15: nothing is sent while a request is open; a Bulk job is asked after, a call answers by itself."""
    waiting = state.open_write()
    if waiting is not None and waiting.job:
        if now < waiting.ask_at:
            return Until(waiting.ask_at)
        return Ask(waiting.job, waiting.first, may_be_loading=now < waiting.taken_at + timing.load_within)
    if waiting is not None and now < waiting.taken_at + timing.answer_within:
        return Until(waiting.taken_at + timing.answer_within)
    return None


def _awaiting(state: DocumentState, kind: Kind, now: int) -> Iterator[tuple[FieldRule, int]]:
    """Lookups that are not written now, since the parent that they name had no record, and when to look again."""
    for name, awaited in state.awaited.items():
        rule, field = kind.by_name[name], state.field(name)
        if awaited.keeper and rule not in kind.hangs:
            continue  # by this version of the mapping nobody keeps it back
        if now < awaited.at and field.value is not None and str(field.value) == awaited.parent and rule.pushes:
            yield rule, awaited.at


def _unheard(state: DocumentState) -> str:
    """Rule 14: what a record tells is in order, so a write that was answered before a later one that was heard was
    taken has lost its event. What it is expected to have left there may be long gone: only a row tells."""
    heard = max((write for write in state.writes if write.heard), key=lambda write: write.number, default=None)
    if heard is None or not any(
        not write.heard and write.number < heard.number and write.answered_at <= heard.taken_at
        for write in state.acknowledged()
    ):
        return ""
    return "rule 14: a later write was heard, and an earlier one was not"


def _carries_back(state: DocumentState, kind: Kind) -> str:
    """Rule 14: Salesforce has told of the current value, and is expected to hold a write of ours whose event has not
    come. By their times the one may be the later, and the event of the other lost: then the value is there already, and
    it would be carried back to whoever set it. Only a row tells."""
    for write in state.acknowledged():
        for name, value in write.values.items():
            rule, field = kind.by_name.get(name), state.fields.get(name)
            if rule is None or field is None or field.salesforce is None:
                continue
            told, at = field.salesforce.value, field.salesforce.position
            may_be_later = not at.is_of_row and at.timestamp > write.taken_at - CLOCKS_APART
            if may_be_later and rule.same(told, field.value) and not rule.same(told, value):
                return "rule 14: what would be written may be there already"
    return ""


def _until_parents(state: DocumentState, kind: Kind, now: int) -> Until | Nothing:
    soonest = min((at for _rule, at in _awaiting(state, kind, now)), default=None)
    return Nothing() if soonest is None else Until(soonest)


def _may_ask(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> bool:
    """Rules 21 and 22: nothing is asked of Salesforce for a thing that is deleted, nor through a link that is gone.

    But for the deletion itself, and for what may have come in the place of the record.
    """
    link = state.link
    if state.deleted:
        asked = is_to_be_deleted(state, kind) or deletion_follows(state, kind)
        return asked or _may_yet_be_made(state, kind)
    return link is None or not (link.gone and link.searched) or makes_anew(state, kind)


def _may_yet_be_made(state: DocumentState, kind: Kind) -> bool:
    """A first write of a thing since deleted was never answered: its record is looked for, to be deleted too."""
    if kind.on_delete.platform is not PlatformDeletion.DELETE or state.record is not None:
        return False
    return may_be_made(state)


def _unknown(state: DocumentState, name: str) -> bool:
    field = state.fields.get(name)
    return field is None or field.salesforce is None


def _claims(state: DocumentState, link: Link) -> bool:
    """The record has still to be given our external id, and Salesforce has not refused that."""
    return not link.claimed and state.refusal is None


def after_find(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> Step:
    """Rule 20: what follows a look-up by external id that found nothing."""
    unanswered = [write.taken_at for write in state.writes if write.first and write.state is WriteState.UNKNOWN]
    if unanswered and now < max(unanswered) + timing.longest_call:
        return Until(min(now + timing.look_again, max(unanswered) + timing.longest_call))
    values = {} if state.deleted else _sendable(state, kind, now)
    return Send(values) if values else Nothing()


def not_found(state: DocumentState, timing: Timing, *, now: int) -> None:
    """Rule 20: no record has our external id. What was asked for so long ago that it lands no more has made none.

    By this look and not by the clock: the writer may have been away for all that time.
    """
    for write in state.writes:
        if write.first and write.state is WriteState.UNKNOWN and now >= write.taken_at + timing.longest_call:
            write.state = WriteState.NOT_RUN


def wait(state: DocumentState, code: str, *, until: int) -> None:
    """Look again at `until`, and not before; nobody's try is used up."""
    state.retry = Retry(state.retry.tries if state.retry else 0, until, code)


def due_at(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> int | None:
    """When the writer should look at this document: now, later, or not at all. Kept in `_sync.due_at`."""
    if lets_go(state, kind):
        return now
    match _next_step(state, kind, timing, now=now, sendable=_one_sendable):
        case Nothing():
            return None
        case Until(at):
            return at
        case Find() | Follow() | Delete() | Read() | Send() | Ask():
            return now


def take(state: DocumentState, values: dict[str, Any], *, now: int, job: str = "") -> Write:
    """Number a write and store it in the state: it must be saved, guarded, before the call is made.

    `job` names the Bulk job that is to carry it.
    """
    state.last_number += 1
    if state.link is not None and state.link.gone:
        for earlier in state.acknowledged():
            earlier.state = WriteState.LANDED  # in the record that is gone: the new one tells nothing of it
    write = Write(
        number=state.last_number,
        values=values,
        revision=state.next_revision,
        taken_at=now,
        first=state.record is None,
        job=job,
        ask_at=now + FIRST_ASKED if job else 0,
        claims=state.record is not None and not state.record.claimed,
    )
    state.writes.append(write)
    return write


def give_up_unanswered(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> None:
    """Rule 15: a request whose answer never came may still land; a new number is taken after it.

    It is open no more: what both sides hold meanwhile is an agreement (rule 17). A Bulk job is another matter: it keeps
    its answer, however late, and is asked for it.
    """
    for write in state.writes:
        if write.job:
            continue
        if write.state is WriteState.OPEN and now >= write.taken_at + timing.answer_within:
            write.state = WriteState.UNKNOWN
            for name in write.values.keys() & kind.by_name.keys():
                settle(state, state.field(name), kind.by_name[name])


def _sendable(state: DocumentState, kind: Kind, now: int) -> dict[str, Any]:
    if kept_back(state, kind, now=now):
        return {}
    values = due_values(state, kind)
    for rule, _at in _awaiting(state, kind, now):
        values.pop(rule.name, None)
    return {} if given_up(state, kind, values) else values


def _one_sendable(state: DocumentState, kind: Kind, now: int) -> dict[str, Any]:
    """One of the fields that `_sendable` gives, unmade: enough to know that there are any."""
    if state.refusal is not None or state.awaited:
        return _sendable(state, kind, now)
    # What has just been decided on differs more often than not, and the rest need not be taken apart then.
    in_hand = [kind.by_name[name] for name in state.fields.in_hand() if name in kind.by_name]
    for among in (in_hand, kind.fields):
        for rule, field in _differing(state, kind, among):
            return {rule.name: field.value}
    return {}
