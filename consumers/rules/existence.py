"""Rules 21 to 23: records that were deleted, came back, or have another id now; and what follows by the mapping."""

from collections.abc import Mapping
from typing import Any

from consumers.rules.kinds import Kind
from consumers.rules.making import is_unmade
from consumers.rules.retry import RetryPolicy, Wait
from consumers.rules.state import DocumentState, Link, Refusal, Retry
from consumers.rules.timing import LONGEST_CALL
from schemas.change import Change, ChangeType, Told
from schemas.mapping import PlatformDeletion, SalesforceDeletion
from schemas.outcome import Outcome, Result
from schemas.place import IS_CONVERTED, LEAD_PREFIX, Place
from schemas.position import BEGINNING, CommitPosition
from schemas.records import Converted, Failure, RowResult

FORMER_IDS_KEPT = 8
MERGED_INTO_ANOTHERS = "MERGED_INTO_ANOTHERS_RECORD"


def last_event(state: DocumentState, link: Link, record_id: str) -> CommitPosition:
    """Rule 1: the last event heard of the record, or of one of its former ids.

    Each has its own. Events of two records come by partitions of their own, and in no order between them: were one to
    count by the other's, what the slower partition has still to tell would be taken for heard.
    """
    return state.position if record_id == link.record_id else link.positions.get(record_id, BEGINNING)


def note_event(state: DocumentState, link: Link, change: Change) -> None:
    """Rule 1: this is the last event heard of its record now."""
    if change.record_id == link.record_id:
        state.position = change.position
    else:
        link.positions[change.record_id] = change.position


def hear_of_existence(state: DocumentState, link: Link, change: Change, kind: Kind) -> Result | None:
    """Rules 21 and 23, and events that name no values; nothing where the event is about values."""
    if change.record_id != link.record_id:
        if change.type in (ChangeType.UNDELETE, ChangeType.GAP_UNDELETE):
            # Taken out of a merge again: what it says from now on, it says of itself.
            link.former = tuple(former for former in link.former if former != change.record_id)
        # Of an id that the record had before, only what it said of values counts (rule 23).
        about_values = change.type in (ChangeType.CREATE, ChangeType.UPDATE)
        return None if about_values else Result(Outcome.APPLIED, "rule 23: the record has another id now")
    match change.type:
        case ChangeType.DELETE if link.read and not link.gone and change.position.timestamp <= state.row_mark:
            # It has come back since, and a row has shown it: told late, as after a time of polling.
            return Result(Outcome.APPLIED, "rule 25: a row read since shows that the record is there")
        case ChangeType.DELETE:
            mark_gone(state, link, at=change.position.timestamp)
            return Result(Outcome.APPLIED, "rule 21: the record was deleted")
        case ChangeType.UNDELETE | ChangeType.GAP_UNDELETE:
            _came_back(state, link)
            return Result(Outcome.APPLIED, "rule 21: the record came back")
        case ChangeType.CREATE | ChangeType.UPDATE:
            converted = hear_of_conversion(state, link, kind, change.fields, at=change.position.timestamp)
            if converted is None and _tells_of_itself(link):
                _came_back(state, link)
            return converted
        case _:
            if _tells_of_itself(link) and change.type is not ChangeType.GAP_DELETE:
                _came_back(state, link)
            state.read_reason = "an event named no values"
            return Result(Outcome.APPLIED, "a gap event: the record is read whole")


def hear_of_conversion(
    state: DocumentState, link: Link, kind: Kind, values: Mapping[str, Any], *, at: int
) -> Result | None:
    """Rule 23: a result where these values of the record say that it is a Lead that was converted.

    What took its place is asked next, and holds these values too.
    """
    if values.get(IS_CONVERTED) is not True or not kind.place_of(link.record_id).is_lead:
        return None
    mark_converted(state, link, at=at)
    return Result(Outcome.APPLIED, "rule 23: the lead was converted")


def hear_of_look(state: DocumentState, link: Link, change: Change, *, now: int) -> Result:
    """A change that a look found (`schemas.gap_change`): the record is read whole, and the look moves no position.

    A look has no place among the record's commits. Were it to move the position, an event that is still to come would
    count as a duplicate; were it held against the position, what the look found would, since it tells whole seconds.
    """
    at = change.position.timestamp
    if change.record_id != link.record_id:
        return Result(Outcome.IGNORED, "rule 23: the record has another id now")
    if link.gone:
        told_since = at > max(state.position.timestamp, state.heard_at)
        if change.type is ChangeType.GAP_DELETE or not (told_since or may_be_back(link)):
            return Result(Outcome.DUPLICATE, "rule 21: the record is known to be gone")
        _came_back(state, link)
    elif change.told is Told.STAMP and link.read and at <= state.row_mark:
        return Result(Outcome.DUPLICATE, "rule 25: a row read whole has shown it")
    state.heard_at = now  # a row whose read began before may not show what the look has
    state.read_reason = "a look at the record found it changed"
    return Result(Outcome.APPLIED, "a look found it changed: the record is read whole")


def mark_converted(state: DocumentState, link: Link, *, at: int) -> None:
    """The Lead is gone, and what it has become is asked next."""
    mark_gone(state, link, at=at)
    link.converted = True


def place_of(state: DocumentState, kind: Kind) -> Place:
    """The object of the record, or the one in which a record would be made."""
    link = state.link
    if link is not None and link.gone and link.converted:
        return kind.own
    return kind.place_of("" if link is None else link.record_id)


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


def may_be_back(link: Link) -> bool:
    """Whether whatever tells of a record that is gone is reason enough to ask for it: a read by Id says how it is.

    It may have been hidden from us for a while, of which no event tells, or its undeletion was told by no event. What
    we deleted ourselves, or what became another record, is not asked for by what was told before it went.
    """
    return link.gone and not (link.converted or link.merged_into or link.deleted_for)


def _tells_of_itself(link: Link) -> bool:
    """Whether an event of values says that a record is there which was read once, is gone, and has become no other."""
    return link.read and link.searched and may_be_back(link)


def _came_back(state: DocumentState, link: Link) -> None:
    link.gone = link.searched = False
    link.deleting, link.merged_into, link.converted, link.handed_over = 0, "", False, False
    state.read_reason = "the record was undeleted"
    if merged_into_anothers(state):
        state.refusal = None


def moved(
    state: DocumentState,
    record_id: str,
    *,
    now: int,
    claimed: bool = True,
    anew: bool = False,
    conversion: Converted | None = None,
) -> None:
    """Rule 23: the thing is another record now. Its registers stay; the new id is read whole before it is written to.

    The same record again has come back unheard. `conversion` is what led there, where one did.
    """
    before = state.link
    state.read_reason, state.retry = "", None
    if merged_into_anothers(state) or is_unmade(state):
        state.refusal = None
    if before is not None and before.record_id == record_id:
        if before.gone:
            before.claimed = before.claimed and (claimed or not before.handed_over)
            _came_back(state, before)
        return
    former = () if before is None else (*before.former, before.record_id)[-FORMER_IDS_KEPT:]
    heard = {} if before is None else before.positions | {before.record_id: state.position}
    # What the new id has told up to that commit, the whole read that follows will show (rule 19): it begins there.
    state.link = Link(
        record_id=record_id,
        linked_at=now,
        claimed=claimed,
        anew=anew,
        former=former,
        positions={each: heard.get(each, BEGINNING) for each in former},
    )
    if before is not None:
        was_lead = before.record_id.startswith(LEAD_PREFIX) and not record_id.startswith(LEAD_PREFIX)
        state.link.converted_at = now if was_lead else before.converted_at
    if conversion is not None:
        state.link.from_lead = True
        state.link.account, state.link.opportunity = conversion.account_id, conversion.opportunity_id
    elif before is not None:
        state.link.account, state.link.opportunity = before.account, before.opportunity


def follows(state: DocumentState, loser: str, master: str) -> bool:
    """Rule 23: whether the document goes with its record that was merged into this one, or has gone there just now."""
    link = state.link
    if link is None or state.deleted or (link.gone and link.searched):
        return False
    # Of a Lead that is converted nobody may have told yet, and it is not gone as a merged record is.
    return link.record_id in (loser, master)


def stays_gone(state: DocumentState) -> None:
    """No other record has taken the place of the one that is gone."""
    if state.link is not None and state.link.gone:
        state.link.searched = True
    state.retry = None


def merge_documents(state: DocumentState, into: str) -> None:
    """Rule 23, `on_merge`: the record that took the place of this one is another document's, which stays."""
    if state.link is not None:
        state.link.gone = state.link.searched = True
        state.link.merged_into = into
    state.refusal = state.retry = None


def hand_over(state: DocumentState, to: str) -> None:
    """The record is another document's from now on, and this one is merged into that."""
    merge_documents(state, to)
    if state.link is not None:
        state.link.handed_over = True


def merged_into(state: DocumentState) -> str:
    """The document into which this one was merged; empty where it was not."""
    return "" if state.link is None else state.link.merged_into


def made_again(state: DocumentState, *, at: int) -> None:
    """The platform has deleted the thing and made it anew since its document was merged: it gets a record of its own.

    `at` is when, epoch milliseconds.
    """
    if state.link is not None and state.link.merged_into:
        state.link.merged_into, state.link.deleted_for = "", at


def makes_anew(state: DocumentState, kind: Kind) -> bool:
    """Rules 21 and 22: whether the record that is gone is to be replaced by a new one.

    By `recreate`; or because it was we who deleted it, for a deletion that the platform has since taken back; or
    because the platform has made the thing again whose document was merged.
    """
    link = state.link
    if link is None or not (link.gone and link.searched) or state.deleted or merged_into_anothers(state):
        return False
    if link.merged_into:
        return False
    return link.deleted_for > 0 or kind.on_delete.salesforce is SalesforceDeletion.RECREATE


def counts_as_deleted(state: DocumentState, kind: Kind) -> bool:
    """Rule 22: whether the thing does not exist any more, by whichever side."""
    if state.deleted:
        return True
    link = state.link
    gone_for_good = link is not None and link.gone and link.searched and not (link.deleted_for or link.merged_into)
    return gone_for_good and kind.on_delete.salesforce is SalesforceDeletion.DELETE


def is_to_be_deleted(state: DocumentState, kind: Kind) -> bool:
    """Rule 22: whether the record follows the platform's deletion: once for each, so a person may bring it back."""
    if kind.on_delete.platform is not PlatformDeletion.DELETE or state.existence is None or state.existence.exists:
        return False
    if state.refusal is not None and state.refusal.deletion:
        return False
    return state.record is not None and state.record.deleted_for != state.existence.heard


def deletion_follows(state: DocumentState, kind: Kind) -> bool:
    """Rules 22 and 23: the record that is to be deleted was a Lead that was converted: its contact is, instead."""
    link = state.link
    if link is None or not state.deleted or kind.on_delete.platform is not PlatformDeletion.DELETE:
        return False
    return link.gone and link.converted and not link.searched and not link.deleted_for


def merged_into_anothers(state: DocumentState) -> bool:
    """Rule 23: what took the record's place is another document's record: a person is to say what follows."""
    return state.refusal is not None and state.refusal.code == MERGED_INTO_ANOTHERS


def deletion_asked(state: DocumentState, *, now: int) -> None:
    """Note that we ask for the deletion: it must be saved, guarded, before the call is made.

    Else nobody would know, where the answer never comes and the platform takes its deletion back, that it was we.
    """
    if state.link is not None:
        state.link.deleting = now


def deletion_answered(state: DocumentState, kind: Kind, result: RowResult, policy: RetryPolicy, *, now: int) -> Outcome:
    """Take the answer to a deletion into the state."""
    link = state.link
    if link is None:
        return Outcome.IGNORED
    if result.failure is Failure.CONVERTED and kind.place_of(link.record_id).is_lead:
        link.deleting, state.retry = 0, None
        mark_converted(state, link, at=now)
        return Outcome.DEFERRED
    if result.succeeded or result.failure is Failure.GONE:
        mark_gone(state, link, at=now)
        # Gone before we came: it may have been merged, and is followed if the platform takes its deletion back.
        link.searched = link.searched or result.succeeded
        _deleted_by_us(state, link, at=now)
        state.retry = state.refusal = None
        return Outcome.APPLIED
    if result.failure is not Failure.UNKNOWN:
        link.deleting = 0  # it was not deleted, and what deletes it from now on is somebody else
    tries = state.retry.tries if state.retry else 0
    locked = result.failure is Failure.LOCKED
    decision = policy.after(tries, org_wide=result.org_wide, locked=locked)
    final = result.failure in (Failure.REJECTED, Failure.DUPLICATE, Failure.CONVERTED)
    if not final and isinstance(decision, Wait):
        state.retry = Retry(tries if result.org_wide else tries + 1, now + decision.milliseconds, result.code, locked)
        return Outcome.DEFERRED
    state.retry = None
    state.refusal = Refusal({}, result.code, result.message, now, deletion=True, fields=result.fields)
    return Outcome.PARKED
