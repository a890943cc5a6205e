"""Rules 15, 16 and 20: what the answer to a write means."""

from enum import Enum, auto
from typing import Final

from consumers.rules.agreement import settle
from consumers.rules.existence import mark_converted, moved
from consumers.rules.kinds import Kind
from consumers.rules.lookups import may_name_a_lost_record
from consumers.rules.retry import RetryPolicy, Wait
from consumers.rules.state import DocumentState, Refusal, Retry, Write, WriteState
from consumers.rules.writes import wait
from schemas.records import Failure, RowResult

GONE_SAYS_SALESFORCE: Final = "GONE"
"""Ours, of a retry: the record is read because a write was told that it is gone."""
GAVE_UP: Final = "gave up after the last try"
_AFTER: Final = {
    Failure.NOT_RUN: WriteState.NOT_RUN,
    Failure.UNKNOWN: WriteState.UNKNOWN,
    Failure.REJECTED: WriteState.REJECTED,
    Failure.GONE: WriteState.REJECTED,
    Failure.DUPLICATE: WriteState.REJECTED,
    Failure.CONVERTED: WriteState.REJECTED,
    Failure.LOCKED: WriteState.NOT_RUN,
}


class Answer(Enum):
    """What an answer to a write means for its doorbell."""

    COMMITTED = auto()
    DEFERRED = auto()
    REFUSED = auto()
    LATE = auto()
    """The write was given up before: its token will tell if it lands."""
    LINKED = auto()
    """Refused, since the record is there already: it is the document's now."""


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
    for name in write.values.keys() & kind.by_name.keys():  # a version may have been published since it was taken
        settle(state, state.field(name), kind.by_name[name])
    match result.failure:
        case Failure.CONVERTED if state.link is not None and kind.place_of(state.link.record_id).is_lead:
            mark_converted(state, state.link, at=now)
            state.retry = None
            return Answer.DEFERRED
        case Failure.REJECTED if may_name_a_lost_record(kind, write.values, result):
            return _defer(state, write, result, policy, now=now)
        case Failure.REJECTED | Failure.DUPLICATE | Failure.CONVERTED:
            return _refused(state, write, result, now=now)
        case Failure.GONE if state.link is not None:
            if state.retry is not None and state.retry.code == GONE_SAYS_SALESFORCE:
                # The record was read since, and it is there: an id among the values names nothing.
                return _refused(state, write, result, now=now)
            state.read_reason = "Salesforce says that the record is gone"
            wait(state, GONE_SAYS_SALESFORCE, until=now)
            return Answer.DEFERRED
        case _:
            return _defer(state, write, result, policy, now=now)


def existing_found(state: DocumentState, number: int, record_id: str, *, claimed: bool, now: int) -> Answer:
    """Rule 20: a first write was refused, since the record is there already: it is linked, and updated instead.

    `claimed` where it holds our external id.
    """
    write = state.write(number)
    if write is None or write.state is not WriteState.OPEN:
        return Answer.LATE
    write.state, write.answered_at = WriteState.REJECTED, now
    state.refusal = None
    linked(state, record_id, now=now, claimed=claimed)
    return Answer.LINKED


def linked(state: DocumentState, record_id: str, *, now: int, claimed: bool = True) -> None:
    """Rule 19: store the link; a whole read follows before anything is written."""
    if state.record is None:
        moved(state, record_id, now=now, claimed=claimed, anew=state.link is not None)
    state.retry = None


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


def _refused(state: DocumentState, write: Write, result: RowResult, *, now: int) -> Answer:
    state.refusal = Refusal(write.values, result.code, result.message, now, fields=result.fields)
    state.retry = None
    return Answer.REFUSED


def _defer(state: DocumentState, write: Write, result: RowResult, policy: RetryPolicy, *, now: int) -> Answer:
    """Set when to try again, or give the values up when the tries are used."""
    tries = state.retry.tries if state.retry else 0
    locked = result.failure is Failure.LOCKED
    decision = policy.after(tries, org_wide=result.org_wide, locked=locked)
    if isinstance(decision, Wait):
        state.retry = Retry(tries if result.org_wide else tries + 1, now + decision.milliseconds, result.code, locked)
        return Answer.DEFERRED
    state.retry = None
    told = f"{GAVE_UP}: {result.message}" if result.message else GAVE_UP
    state.refusal = Refusal(write.values, result.code, told, now, fields=result.fields)
    return Answer.REFUSED
