"""Whether a deletion, or its undoing, has come to the other side: by the org's log and the mapping's `on_delete`."""

from typing import Final, assert_never

from schemas.mapping import Asserts, Creation, KindMapping, OnMerge, PlatformDeletion, SalesforceDeletion
from simulator.observer.authorship import Ours
from simulator.observer.fields import Thing
from simulator.observer.filtering import Leave
from simulator.observer.history import Commit
from simulator.observer.verdict import Fault, Finding

_GONE: Final = "gone"
_DELETED: Final = "deleted"
_MERGED: Final = "merged"


def deleted_by_the_platform(kind: KindMapping, thing: Thing) -> list[Finding]:
    """A document that does not know that its thing was deleted; a record that should have gone with it, unless a person
    has brought it back since."""
    last, before = thing.events[-1], thing.events[:-1]
    if kind.events[last.type] is not Asserts.DELETED or not last.acknowledged:
        return []
    found = []
    in_order = all(event.occurred_at < last.occurred_at for event in before)
    if in_order and thing.document is not None and _status(thing) != _DELETED:
        why = f"the platform deleted it at {last.occurred_at}, and the document does not say so"
        found.append(Finding(Fault.LOST, thing.id, "", f"event {last.event_id}", why))
    brought_back = any(commit.type == "DELETE" and commit.at >= last.occurred_at for commit in thing.commits)
    if kind.on_delete.platform is PlatformDeletion.DELETE and thing.record is not None and not brought_back:
        why = "the platform deleted it, and its record is still there"
        found.append(Finding(Fault.DIFFERENT, thing.id, "", f"record {thing.record['Id']}", why))
    return found


def deleted_in_salesforce(kind: KindMapping, thing: Thing, deletion: Commit | None, ours: Ours) -> list[Finding]:
    """A thing whose record is gone, of which the document has to know; and a record that is due in its place.

    Without a `deletion` no event has told that it went, and nothing is due.
    """
    if deletion is None or thing.document is None:
        return []
    # One of ours was for a deletion that the platform has taken back: the record that we deleted is made anew.
    after = SalesforceDeletion.RECREATE if ours.made(deletion) else kind.on_delete.salesforce
    if after is SalesforceDeletion.RECREATE and _may_be_made(kind, thing):
        why = "its record was deleted, and none was made in its place"
        return [Finding(Fault.DIFFERENT, thing.id, "", _where(deletion), why)]
    if _status(thing) in _expected(kind, after):
        return []
    why = f"its record was deleted at {deletion.at}, and the document does not say so"
    return [Finding(Fault.LOST, thing.id, "", _where(deletion), why)]


def undeleted(thing: Thing) -> list[Finding]:
    """A record that is there again, of which the document says that it is gone."""
    if thing.document is None or thing.record is None or _status(thing) not in (_GONE, _DELETED):
        return []
    if thing.record["Id"] != _shown(thing).get("recordId"):
        return []
    back = next((commit for commit in reversed(thing.commits) if commit.type == "UNDELETE"), None)
    where = f"record {thing.record['Id']}" if back is None else _where(back)
    return [Finding(Fault.LOST, thing.id, "", where, "its record is there, and the document says that it is gone")]


def _expected(kind: KindMapping, after: SalesforceDeletion) -> tuple[str, ...]:
    match after:
        case SalesforceDeletion.DELETE:
            return (_DELETED,)
        case SalesforceDeletion.UNLINK | SalesforceDeletion.RECREATE:
            # A child may go since its parent's merge left two of it, and then belongs with the other one's document.
            return (_GONE, _MERGED) if kind.on_merge is OnMerge.KEEP_MASTER else (_GONE,)
        case _:
            assert_never(after)


def _may_be_made(kind: KindMapping, thing: Thing) -> bool:
    if thing.document is None or kind.create is Creation.NONE or _status(thing) == _MERGED:
        return False
    return all(Leave(kind, condition).lets(thing.document) for condition in (kind.filters.push, kind.consent))


def _shown(thing: Thing) -> dict[str, object]:
    return (thing.document or {}).get("salesforce") or {}


def _status(thing: Thing) -> object:
    return _shown(thing).get("syncStatus")


def _where(commit: Commit) -> str:
    return f"commit {commit.number}"
