"""Rules 14 to 16, 19, 20: what is due, which request comes next, and what its answer means."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from consumers.rules.agreement import settle
from consumers.rules.existence import is_to_be_deleted, makes_anew, moved
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.retry import RetryPolicy, Wait
from consumers.rules.review import held_back
from consumers.rules.state import DocumentState, FieldState, Link, Refusal, Retry, Write, WriteState
from consumers.rules.timing import LONGEST_CALL, Timing
from schemas.mapping import PlatformDeletion
from schemas.records import Failure, RowResult

WRITES_KEPT: Final = 8


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


Step = Find | Follow | Delete | Read | Send | Until | Nothing


class Answer(Enum):
    """What an answer to a write means for its doorbell."""

    COMMITTED = auto()
    DEFERRED = auto()
    REFUSED = auto()
    LATE = auto()
    """The write was given up before: its token will tell if it lands."""


def due_values(state: DocumentState, kind: Kind) -> dict[str, Any]:
    """Rule 14: the fields that differ from what Salesforce is expected to hold, in Salesforce's form."""
    return {rule.name: rule.outgoing(field.value) for rule, field in _differing(state, kind)}


def _differing(
    state: DocumentState, kind: Kind, among: Iterable[FieldRule] | None = None
) -> Iterator[tuple[FieldRule, FieldState]]:
    if makes_anew(state, kind):
        yield from _shown(state, kind)
        return
    expected = {name: value for write in state.acknowledged() for name, value in write.values.items()}
    fields = state.fields
    for rule in kind.fields if among is None else among:
        if not rule.pushes or (rule.name not in expected and fields.surely_agree(rule.name)):
            continue
        field = fields.get(rule.name)
        if field is None or field.source is None or field.overruled:
            continue
        held = field.salesforce.value if field.salesforce is not None else None
        known = expected.get(rule.name, held)
        if not rule.same(field.value, known) and not held_back(field, rule, known):
            yield rule, field


def _shown(state: DocumentState, kind: Kind) -> Iterator[tuple[FieldRule, FieldState]]:
    """All that a new record in the place of the one that is gone is made of."""
    for rule in kind.fields:
        field = state.fields.get(rule.name)
        if rule.pushes and field is not None and field.source is not None and rule.key(field.value) is not None:
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
    sendable: Callable[[DocumentState, Kind], dict[str, Any]],
) -> Step:
    if not _may_ask(state, kind, timing, now=now):
        return Nothing()
    waiting = state.open_write()
    if waiting is not None and now < waiting.taken_at + timing.answer_within:
        return Until(waiting.taken_at + timing.answer_within)
    if state.retry is not None and now < state.retry.at:
        return Until(state.retry.at)
    link = state.link
    if state.deleted:
        return Find() if state.record is None else Delete()
    if link is None or makes_anew(state, kind):
        return Find() if sendable(state, kind) or _may_yet_land(state, timing, now=now) else Nothing()
    if link.gone:
        return Follow()
    reason = state.read_reason or ("" if link.read else "rule 19: a new link")
    if reason:
        quiet = max(link.linked_at, state.heard_at) + timing.quiet_before_read
        return Read(reason) if now >= quiet else Until(quiet)
    overdue = min((write.answered_at for write in state.acknowledged()), default=None)
    if overdue is not None and now >= overdue + timing.event_within:
        return Read("rule 14: the event of a write has not come")
    values = sendable(state, kind)
    if any(_unknown(state, name) for name in values):
        return Read("rule 18: nothing is known of a field")
    if values or _claims(state, link):
        return Send(values)
    return Until(overdue + timing.event_within) if overdue is not None else Nothing()


def _may_ask(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> bool:
    """Rules 21 and 22: nothing is asked of Salesforce for a thing that is deleted, nor through a link that is gone.

    But for the deletion itself, and for what may have come in the place of the record.
    """
    link = state.link
    if state.deleted:
        return is_to_be_deleted(state, kind) or _may_yet_be_made(state, kind, timing, now=now)
    return link is None or not (link.gone and link.searched) or makes_anew(state, kind)


def _may_yet_be_made(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> bool:
    """A first write of a thing since deleted was never answered: its record is looked for, to be deleted too."""
    if kind.on_delete.platform is not PlatformDeletion.DELETE or state.record is not None:
        return False
    return _may_yet_land(state, timing, now=now)


def _may_yet_land(state: DocumentState, timing: Timing, *, now: int) -> bool:
    """Rule 20: a first write that nobody answered may have made the record, or may yet; with one look more after."""
    return any(
        write.first
        and (
            write.state is WriteState.OPEN
            or (write.state is WriteState.UNKNOWN and now < write.taken_at + timing.longest_call + timing.look_again)
        )
        for write in state.writes
    )


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
    values = {} if state.deleted else _sendable(state, kind)
    return Send(values) if values else Nothing()


def wait(state: DocumentState, code: str, *, until: int) -> None:
    """Look again at `until`, and not before; nobody's try is used up."""
    state.retry = Retry(state.retry.tries if state.retry else 0, until, code)


def due_at(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> int | None:
    """When the writer should look at this document: now, later, or not at all. Kept in `_sync.due_at`."""
    match _next_step(state, kind, timing, now=now, sendable=_one_sendable):
        case Nothing():
            return None
        case Until(at):
            return at
        case Find() | Follow() | Delete() | Read() | Send():
            return now


def take(state: DocumentState, values: dict[str, Any], *, now: int) -> Write:
    """Number a write and store it in the state: it must be saved, guarded, before the call is made."""
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
    )
    state.writes.append(write)
    return write


def give_up_unanswered(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> None:
    """Rule 15: a request whose answer never came may still land; a new number is taken after it.

    It is open no more: what both sides hold meanwhile is an agreement (rule 17).
    """
    for write in state.writes:
        if write.state is WriteState.OPEN and now >= write.taken_at + timing.answer_within:
            write.state = WriteState.UNKNOWN
            for name in write.values.keys() & kind.by_name.keys():
                settle(state, state.field(name), kind.by_name[name])


def answered(
    state: DocumentState, kind: Kind, number: int, result: RowResult, policy: RetryPolicy, *, now: int
) -> Answer:
    """Take one row's own outcome into the state."""
    write = state.write(number)
    if write is None:
        return Answer.LATE
    if result.succeeded:
        _landed_or_acknowledged(state, write, result, now=now)
        return Answer.COMMITTED
    if write.state is not WriteState.OPEN:
        return Answer.LATE
    write.answered_at = now
    write.state = _AFTER[result.failure or Failure.UNKNOWN]
    for name in write.values:
        settle(state, state.field(name), kind.by_name[name])
    if result.failure is Failure.REJECTED:
        state.refusal = Refusal(write.values, result.code, result.message, now)
        state.retry = None
        return Answer.REFUSED
    if result.failure is Failure.GONE and state.link is not None:
        state.read_reason = "Salesforce says that the record is gone"
        return Answer.DEFERRED
    return defer(state, result.code, policy, org_wide=result.org_wide, values=write.values, now=now)


def defer(
    state: DocumentState, code: str, policy: RetryPolicy, *, org_wide: bool, values: dict[str, Any], now: int
) -> Answer:
    """Set when to try again, or give the values up when the tries are used."""
    tries = state.retry.tries if state.retry else 0
    decision = policy.after(tries, org_wide=org_wide)
    if isinstance(decision, Wait):
        state.retry = Retry(tries if org_wide else tries + 1, now + decision.milliseconds, code)
        return Answer.DEFERRED
    state.retry = None
    state.refusal = Refusal(values, code, "gave up after the last try", now)
    return Answer.REFUSED


def linked(state: DocumentState, record_id: str, *, now: int) -> None:
    """Rule 19: store the link; a whole read follows before anything is written."""
    if state.record is None:
        moved(state, record_id, now=now, anew=state.link is not None)
    state.retry = None


def forget_old_writes(state: DocumentState, *, now: int) -> None:
    """Rule 16: keep a write until nothing of it can arrive any more, and never fewer than eight."""
    surplus = len(state.writes) - WRITES_KEPT
    kept: list[Write] = []
    for write in state.writes:
        past = now > write.taken_at + LONGEST_CALL and state.position.timestamp > write.taken_at + LONGEST_CALL
        if surplus > 0 and past and not write.pending:
            surplus -= 1
        else:
            kept.append(write)
    state.writes = kept


_AFTER: Final = {
    Failure.NOT_RUN: WriteState.NOT_RUN,
    Failure.UNKNOWN: WriteState.UNKNOWN,
    Failure.REJECTED: WriteState.REJECTED,
    Failure.GONE: WriteState.REJECTED,
}


def _landed_or_acknowledged(state: DocumentState, write: Write, result: RowResult, *, now: int) -> None:
    if write.state is not WriteState.LANDED:
        write.state = WriteState.ACKNOWLEDGED
        write.answered_at = now
    state.retry = None
    state.refusal = None
    if state.link is None or (state.link.gone and write.first):
        linked(state, result.record_id, now=now)
    else:  # which may be of a former id
        state.link.claimed = state.link.claimed or state.link.record_id == result.record_id


def _sendable(state: DocumentState, kind: Kind) -> dict[str, Any]:
    values = due_values(state, kind)
    return {} if state.refusal is not None and state.refusal.values == values else values


def _one_sendable(state: DocumentState, kind: Kind) -> dict[str, Any]:
    """One of the fields that `_sendable` gives, unmade: enough to know that there are any."""
    if state.refusal is not None:
        return _sendable(state, kind)
    # What has just been decided on differs more often than not, and the rest need not be taken apart then.
    in_hand = [kind.by_name[name] for name in state.fields.in_hand() if name in kind.by_name]
    for among in (in_hand, kind.fields):
        for rule, field in _differing(state, kind, among):
            return {rule.name: field.value}
    return {}
