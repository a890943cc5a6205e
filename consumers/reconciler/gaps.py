"""The gaps that events tell of: those that name no record, and those that name records and not what was changed."""

from collections.abc import Iterable

from consumers.catalog import Catalog
from consumers.reconciler.incoming import ChangeFact, PlatformFact
from schemas.change import OVERFLOW_RECORD_ID, Change, ChangeType, Told
from schemas.gap import GapReason, ObjectGap

_VALUES = frozenset({ChangeType.CREATE, ChangeType.UPDATE, ChangeType.DELETE, ChangeType.UNDELETE})


def gaps_of(facts: Iterable[PlatformFact | ChangeFact], catalog: Catalog) -> list[ObjectGap]:
    """A gap for each object and commit of which an event told only that there was something."""
    named: dict[tuple[GapReason, str, str], list[Change]] = {}
    for fact in facts:
        match fact:
            case ChangeFact(_, change) if (reason := _reason(change, catalog)) is not None:
                named.setdefault((reason, change.entity, change.transaction_key), []).append(change)
            case _:
                pass
    return [_gap(reason, entity, mark, changes) for (reason, entity, mark), changes in named.items()]


def _reason(change: Change, catalog: Catalog) -> GapReason | None:
    if change.record_id == OVERFLOW_RECORD_ID:
        return GapReason.OVERFLOW
    if change.names_no_record:
        return GapReason.WILDCARD
    if change.told is not Told.EVENT or change.type in _VALUES or change.entity in catalog.off:
        return None  # of an object that is switched off nothing is heard, and it is read when it is on again
    return GapReason.GAP_EVENT


def _gap(reason: GapReason, entity: str, mark: str, changes: list[Change]) -> ObjectGap:
    moments = [change.position.timestamp for change in changes]
    ids = dict.fromkeys(change.record_id for change in changes) if reason is GapReason.GAP_EVENT else ()
    return ObjectGap(reason, entity, mark, since=min(moments), until=max(moments), record_ids=tuple(ids))
