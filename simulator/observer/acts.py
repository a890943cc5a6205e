"""How much people did on both sides, counted from the platform's journal and the org's commit log."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.mapping import Asserts
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.history import Commit, Row, Sent, read_commits, read_journal

_ORDER: Final = "order"
_REFUNDED: Final = "order.refunded"


@dataclass(slots=True)
class PlatformActs:
    """Events by what they told of their things; `orders` were made, `refunds` paid back, some to be paid again."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    orders: int = 0
    refunds: int = 0

    @property
    def all(self) -> int:
        """Every event."""
        return self.created + self.updated + self.deleted


@dataclass(slots=True)
class SalesforceActs:
    """Records that people touched, by what they did; each commit counts.

    `converted` and `merged` are of what a document was linked to by then: a lead or the contact that it went into, the
    record that went or the one that stays. What sales make of records that nobody knows tells nothing of us.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    undeleted: int = 0
    converted: int = 0
    merged: int = 0

    @property
    def all(self) -> int:
        """Every act."""
        return self.created + self.updated + self.deleted + self.undeleted + self.converted + self.merged


def platform_acts(journal: Iterable[Row], mapping: FieldsMapping) -> PlatformActs:
    """From the rows of the journal; the first event of a thing makes it."""
    sent, _ = read_journal(journal)
    ends = {
        name
        for kind in mapping.kinds.values()
        for name, asserts in kind.events.items()
        if asserts is not Asserts.VALUES
    }
    acts = PlatformActs()
    known: set[str] = set()
    for event in sent:
        acts.refunds += event.type == _REFUNDED
        if event.type in ends:
            acts.deleted += 1
        elif event.document in known:
            acts.updated += 1
        else:
            acts.created += 1
            acts.orders += _kind(event) == _ORDER
        known.add(event.document)
    return acts


def _kind(event: Sent) -> str:
    return event.type.partition(".")[0]


def salesforce_acts(commits: Iterable[Row], mapping: FieldsMapping) -> SalesforceActs:
    """From the rows of the commit log."""
    external_ids = {place.external_id for kind in mapping.kinds.values() for place in kind.places()}
    acts = SalesforceActs()
    linked: set[str] = set()
    for commit in read_commits(commits):
        if "user" in commit.by.values():
            _count(acts, commit, linked)
        if any(commit.after.get(name) for name in external_ids):
            linked.add(commit.record_id)
    return acts


def _count(acts: SalesforceActs, commit: Commit, linked: set[str]) -> None:
    after = commit.after
    if after.get("IsConverted"):
        acts.converted += bool(linked & {commit.record_id, after.get("ConvertedContactId")})
    elif commit.type == "DELETE" and after.get("MasterRecordId"):
        acts.merged += bool(linked & {commit.record_id, after["MasterRecordId"]})
    elif commit.type == "CREATE":
        acts.created += 1
    elif commit.type == "UPDATE":
        acts.updated += 1
    elif commit.type == "UNDELETE":
        acts.undeleted += 1
    else:
        acts.deleted += 1
