"""Rules 21 to 23: records that were deleted, came back, or have another id now; and what follows by the mapping."""

from consumers.rules.kinds import Kind
from consumers.rules.retry import RetryPolicy, Wait
from consumers.rules.state import DocumentState, Link, Refusal, Retry
from consumers.rules.timing import LONGEST_CALL
from schemas.change import Change, ChangeType
from schemas.mapping import PlatformDeletion, SalesforceDeletion
from schemas.outcome import Outcome, Result
from schemas.records import Failure, RowResult

FORMER_IDS_KEPT = 8
MERGED_INTO_ANOTHERS = "MERGED_INTO_ANOTHERS_RECORD"


def hear_of_existence(state: DocumentState, link: Link, change: Change) -> Result | None:
    """Rule 21, and events that name no values; nothing where the event is about values."""
    if change.record_id != link.record_id:
        if change.type in (ChangeType.UNDELETE, ChangeType.GAP_UNDELETE):
            # Taken out of a merge again: what it says from now on, it says of itself.
            link.former = tuple(former for former in link.former if former != change.record_id)
        # Of an id that the record had before, only what it said of values counts (rule 23).
        about_values = change.type in (ChangeType.CREATE, ChangeType.UPDATE)
        return None if about_values else Result(Outcome.APPLIED, "rule 23: the record has another id now")
    match change.type:
        case ChangeType.DELETE:
            mark_gone(state, link, at=change.position.timestamp)
            return Result(Outcome.APPLIED, "rule 21: the record was deleted")
        case ChangeType.UNDELETE | ChangeType.GAP_UNDELETE:
            _came_back(state, link)
            return Result(Outcome.APPLIED, "rule 21: the record came back")
        case ChangeType.CREATE | ChangeType.UPDATE:
            return None
        case _:
            state.read_reason = "an event named no values"
            return Result(Outcome.APPLIED, "a gap event: the record is read whole")


def mark_gone(state: DocumentState, link: Link, *, at: int) -> None:
    """Rule 21: a link is never removed, only marked. Another record may have taken its place: that is asked next.

    `at` is when it went, epoch milliseconds: by a deletion of ours if we asked for one whose answer never came.
    """
    if link.gone:
        return
    link.gone, link.searched = True, False
    if link.deleting and at <= link.deleting + LONGEST_CALL:
        _deleted_by_us(state, link, at=at)
    elif not state.deleted:
        link.deleted_for = 0


def _deleted_by_us(state: DocumentState, link: Link, *, at: int) -> None:
    link.deleting = 0
    link.deleted_for = state.existence.heard if state.existence is not None else at


def _came_back(state: DocumentState, link: Link) -> None:
    link.gone = link.searched = False
    link.deleting = 0
    state.read_reason = "the record was undeleted"
    if merged_into_anothers(state):
        state.refusal = None


def moved(state: DocumentState, record_id: str, *, now: int, claimed: bool = True, anew: bool = False) -> None:
    """Rule 23: the thing is another record now. Its registers stay; the new id is read whole before it is written to.

    The same record again has come back unheard.
    """
    before = state.link
    state.read_reason, state.retry = "", None
    if merged_into_anothers(state):
        state.refusal = None
    if before is not None and before.record_id == record_id:
        if before.gone:
            _came_back(state, before)
        return
    former = () if before is None else (*before.former, before.record_id)[-FORMER_IDS_KEPT:]
    state.link = Link(record_id=record_id, linked_at=now, claimed=claimed, anew=anew, former=former)


def follows(state: DocumentState, loser: str, master: str) -> bool:
    """Rule 23: whether the document goes with its record that was merged into this one, or has gone there just now."""
    link = state.link
    if link is None or state.deleted or (link.gone and link.searched):
        return False
    return link.record_id in (loser, master)


def stays_gone(state: DocumentState) -> None:
    """No other record has taken the place of the one that is gone."""
    if state.link is not None and state.link.gone:
        state.link.searched = True
    state.retry = None


def makes_anew(state: DocumentState, kind: Kind) -> bool:
    """Rules 21 and 22: whether the record that is gone is to be replaced by a new one.

    By `recreate`; or because it was we who deleted it, for a deletion that the platform has since taken back.
    """
    link = state.link
    if link is None or not (link.gone and link.searched) or state.deleted or merged_into_anothers(state):
        return False
    return link.deleted_for > 0 or kind.on_delete.salesforce is SalesforceDeletion.RECREATE


def counts_as_deleted(state: DocumentState, kind: Kind) -> bool:
    """Rule 22: whether the thing does not exist any more, by whichever side."""
    if state.deleted:
        return True
    link = state.link
    gone_for_good = link is not None and link.gone and link.searched and not link.deleted_for
    return gone_for_good and kind.on_delete.salesforce is SalesforceDeletion.DELETE


def is_to_be_deleted(state: DocumentState, kind: Kind) -> bool:
    """Rule 22: whether the record follows the platform's deletion: once for each, so a person may bring it back."""
    if kind.on_delete.platform is not PlatformDeletion.DELETE or state.existence is None or state.existence.exists:
        return False
    if state.refusal is not None and state.refusal.deletion:
        return False
    return state.record is not None and state.record.deleted_for != state.existence.heard


def merged_into_anothers(state: DocumentState) -> bool:
    """Rule 23: what took the record's place is another document's record: a person is to say what follows."""
    return state.refusal is not None and state.refusal.code == MERGED_INTO_ANOTHERS


def deletion_asked(state: DocumentState, *, now: int) -> None:
    """Note that we ask for the deletion: it must be saved, guarded, before the call is made.

    Else nobody would know, where the answer never comes and the platform takes its deletion back, that it was we.
    """
    if state.link is not None:
        state.link.deleting = now


def deletion_answered(state: DocumentState, result: RowResult, policy: RetryPolicy, *, now: int) -> Outcome:
    """Take the answer to a deletion into the state."""
    link = state.link
    if link is None:
        return Outcome.IGNORED
    if result.succeeded or result.failure is Failure.GONE:
        mark_gone(state, link, at=now)
        # Gone before we came: it may have been merged, and is followed if the platform takes its deletion back.
        link.searched = link.searched or result.succeeded
        _deleted_by_us(state, link, at=now)
        state.retry = state.refusal = None
        return Outcome.APPLIED
    tries = state.retry.tries if state.retry else 0
    decision = policy.after(tries, org_wide=result.org_wide)
    if result.failure is not Failure.REJECTED and isinstance(decision, Wait):
        state.retry = Retry(tries if result.org_wide else tries + 1, now + decision.milliseconds, result.code)
        return Outcome.DEFERRED
    state.retry = None
    state.refusal = Refusal({}, result.code, result.message, now, deletion=True)
    return Outcome.PARKED
