"""What a comparison of both sides finds, as values."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from consumers.rules.verify_reasons import TRULY_DIFFERENT, Difference, Why


@dataclass(frozen=True, slots=True)
class Finding:
    """What one document and its record differ in."""

    kind: str
    document_id: str
    record_id: str
    difference: Difference


@dataclass(slots=True)
class Report:
    """Counts, and the first findings that are truly different."""

    keep: int = 20
    documents: Counter[str] = field(default_factory=Counter)
    """By kind."""
    same: Counter[str] = field(default_factory=Counter)
    differ: Counter[str] = field(default_factory=Counter)
    """Documents that are truly different, by kind."""
    alone: Counter[str] = field(default_factory=Counter)
    """Records without a document that should have one, by kind."""
    reasons: Counter[tuple[Why, str]] = field(default_factory=Counter)
    """By reason, and code where there is one."""
    findings: list[Finding] = field(default_factory=list)
    asked_again: int = 0
    """Documents whose record is read again, or whose totals are taken again, and records, by `--repair`."""
    by_hand: int = 0
    """Documents and records that a person has to put right."""
    undecided: Counter[str] = field(default_factory=Counter)
    """Documents that Tandem has never decided, and so has not compared, by kind; only where all are compared."""
    unseen: str = ""
    """Why what still waits in Kafka could not be looked at, or not to its end."""

    @property
    def truly_different(self) -> int:
        """Documents, and records that should have one."""
        return sum(self.differ.values()) + sum(self.alone.values())

    def add_undecided(self, kind: str, count: int) -> None:
        """Take in so many documents that are not compared."""
        if count:
            self.undecided[kind] += count

    def add(self, kind: str, document_id: str, record_id: str, found: Sequence[Difference]) -> None:
        """Take in one document; or a record that has none, without an id."""
        if document_id:
            self.documents[kind] += 1
            self.same[kind] += not found
            self.differ[kind] += is_different(found)
        else:
            self.alone[kind] += is_different(found)
        for difference in found:
            self.reasons[difference.why, difference.code] += 1
            if difference.why in TRULY_DIFFERENT and len(self.findings) < self.keep:
                self.findings.append(Finding(kind, document_id, record_id, difference))


def is_different(found: Iterable[Difference]) -> bool:
    """Whether anything of it is truly different."""
    return any(difference.why in TRULY_DIFFERENT for difference in found)


@dataclass(frozen=True, slots=True)
class Looked:
    """One document that was compared; or a record that has none, and should."""

    document_id: str
    record_id: str
    modified: int
    found: list[Difference]
