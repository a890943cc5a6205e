"""What a run makes of one document, or of one record that a query has found. Pure; times are epoch milliseconds."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from consumers.rules.existence import is_to_be_deleted, makes_anew, may_be_back
from consumers.rules.filters import left_out, matches
from consumers.rules.hanging import kept_back
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.making import given_up, is_unmade, why_unmade
from consumers.rules.review import held_paths
from consumers.rules.state import DocumentState
from consumers.rules.timing import Timing
from consumers.rules.writes import due_at, due_values
from schemas.mapping import Unlinked
from schemas.place import IS_CONVERTED
from schemas.record_filter import Condition


class Verdict(StrEnum):
    """What follows for one document or record, in the stable words of a run's counts. The set is closed."""

    CREATE = "create"
    """It has no counterpart: looked up by external id and matched first, then made."""
    LOOK_UP = "look_up"
    """The same, and linked if that finds a record; none is made, since the mapping does not, or not without consent."""
    LINK = "link"
    """Its counterpart is there, and the two do not know of each other yet."""
    UPDATE = "update"
    """The two differ."""
    READ = "read"
    """What the record holds is not known: it is read whole first."""
    DELETE = "delete"
    """The platform has deleted it, and the record is to follow."""
    MISSING = "missing"
    """A linked record is in no list of all records: a read by Id says whether it is gone."""
    BACK = "back"
    """A record that was gone is there again."""

    UP_TO_DATE = "up_to_date"
    IN_FLIGHT = "in_flight"
    """A write, a read or its answer is under way already."""
    WAITING = "waiting"
    """A next try or a parent has its time, and is waited for."""
    HELD = "held"
    """A person is to choose, or `fill_only` keeps the value back."""
    REFUSED = "refused"
    """Salesforce has refused the very same values: a person is to look."""
    UNMADE = "unmade"
    """No record matches it, and none may be made: the mapping makes none, or demands consent that is not there."""
    FILTERED = "filtered"
    """The mapping's filter leaves it out, or what it cannot be without."""
    NOT_ASKED = "not_asked"
    """The run's own filter, or its `since`, leaves it out."""
    GONE = "gone"
    """Its record was deleted, or belongs to it no more."""
    DELETED = "deleted"
    """The platform has deleted it."""
    UNLINKED = "unlinked"
    """The record belongs to no document, and `on_unlinked` does not ask for one."""
    UNSTORABLE = "unstorable"
    """MongoDB will not store the document as it is."""

    @property
    def acts(self) -> bool:
        """Whether something is done about it; else it is skipped."""
        return self in _ACTS


_ACTS = frozenset(
    {
        Verdict.CREATE,
        Verdict.LOOK_UP,
        Verdict.LINK,
        Verdict.UPDATE,
        Verdict.READ,
        Verdict.DELETE,
        Verdict.MISSING,
        Verdict.BACK,
    }
)


def push_verdict(state: DocumentState, kind: Kind, timing: Timing, *, now: int) -> Verdict:
    """What the writer would come to do for a document, if it looked at it now."""
    verdict = _push(state, kind, now)
    if not verdict.acts:
        return verdict
    due = due_at(state, kind, timing, now=now)
    if due is None:
        return Verdict.UP_TO_DATE
    return verdict if due <= now else Verdict.WAITING


def _push(state: DocumentState, kind: Kind, now: int) -> Verdict:
    if state.open_write() is not None:
        return Verdict.IN_FLIGHT
    if state.deleted:
        return Verdict.DELETE if is_to_be_deleted(state, kind) else Verdict.DELETED
    link = state.link
    if link is not None and link.gone and not makes_anew(state, kind):
        return Verdict.GONE if link.searched else Verdict.READ
    if left_out(state, kind) or kept_back(state, kind, now=now):
        return Verdict.FILTERED
    values = due_values(state, kind)
    if values and given_up(state, kind, values):
        return Verdict.UNMADE if is_unmade(state) else Verdict.REFUSED
    if state.record is None:
        if not values:
            return _nothing_due(state, kind)
        return Verdict.LOOK_UP if why_unmade(state, kind) else Verdict.CREATE
    if state.read_reason or not state.record.read or any(_unknown(state, name) for name in values):
        return Verdict.READ
    if values or not state.record.claimed:
        return Verdict.UPDATE
    return _nothing_due(state, kind)


def _nothing_due(state: DocumentState, kind: Kind) -> Verdict:
    if any(True for _write in state.acknowledged()):
        return Verdict.IN_FLIGHT
    return Verdict.HELD if held_paths(state, kind) else Verdict.UP_TO_DATE


def _unknown(state: DocumentState, name: str) -> bool:
    field = state.fields.get(name)
    return field is None or field.salesforce is None


def asked_for(
    state: DocumentState, kind: Kind, wanted: Condition | None, since: int | None, created_since: int | None = None
) -> bool:
    """Whether a run that looks at documents is about this one. Times are epoch milliseconds.

    One that no event has spoken of has no time: it may have been made, and changed, at any. Of one that an earlier
    release heard of first, only what was heard last is known: it was made then, or before.
    """
    known = state.existence
    if known is not None and since is not None and known.heard < since:
        return False
    if known is not None and created_since is not None and known.made_by < created_since:
        return False
    if wanted is None:
        return True

    def shown(rule: FieldRule) -> Any:
        field = state.fields.get(rule.name)
        return None if field is None or field.source is None else field.value

    return matches(wanted, kind, shown)


def pull_verdict(
    row: Mapping[str, Any],
    modified: int,
    linked: Sequence[DocumentState],
    named: DocumentState | None,
    kind: Kind,
    *,
    among: Collection[str] | None = None,
) -> Verdict:
    """What follows from a record that a query has found.

    `row` has Salesforce's values, lookups with the ids of documents; `modified` is its `SystemModstamp`. `linked` are
    the documents whose record it is or was, `named` the one whose id it holds. `among` names the fields to compare: all
    that the row has, without it.
    """
    own = [state for state in linked if state.link is not None and state.link.record_id == row["Id"]]
    if own:
        verdicts = [_linked(row, modified, state, kind, among) for state in own]
        return next((verdict for verdict in verdicts if verdict.acts), verdicts[0])
    if linked:
        return Verdict.GONE
    if among is not None or kind.on_unlinked is Unlinked.IGNORE or row.get(IS_CONVERTED) is True:
        return Verdict.UNLINKED
    return _unlinked(row, named, kind)


def _linked(
    row: Mapping[str, Any], modified: int, state: DocumentState, kind: Kind, among: Collection[str] | None
) -> Verdict:
    link = state.link
    if link is None:
        return Verdict.UNLINKED
    if link.gone:
        back = may_be_back(link) or modified > max(state.position.timestamp, state.heard_at)
        return Verdict.BACK if back else Verdict.GONE
    if state.read_reason or not link.read:
        return Verdict.IN_FLIGHT
    if row.get(IS_CONVERTED) is True:
        return Verdict.UPDATE
    different = differences(row, state, kind, among)
    if not different:
        return Verdict.UP_TO_DATE
    under_way = {name for write in state.writes if write.pending for name in write.values}
    return Verdict.IN_FLIGHT if different <= under_way else Verdict.UPDATE


def differences(
    row: Mapping[str, Any], state: DocumentState, kind: Kind, among: Collection[str] | None = None
) -> set[str]:
    """The fields in which a row is not what we know of the record (S); one of which nothing is known is among them."""
    found: set[str] = set()
    for rule in kind.fields:
        if rule.name not in row or (among is not None and rule.name not in among):
            continue
        field = state.fields.get(rule.name)
        held = None if field is None else field.salesforce
        if held is None or not rule.same(held.value, row[rule.name]):
            found.add(rule.name)
    return found


def _unlinked(row: Mapping[str, Any], named: DocumentState | None, kind: Kind) -> Verdict:
    if named is not None:
        if named.deleted:
            return Verdict.DELETED
        return Verdict.LINK if named.record is None else Verdict.UNLINKED
    if kind.on_unlinked is not Unlinked.CREATE:
        return Verdict.UNLINKED
    if kind.pull_filter is not None and not matches(kind.pull_filter, kind, lambda rule: row.get(rule.name)):
        return Verdict.FILTERED
    return Verdict.CREATE
