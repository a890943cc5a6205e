"""What the judge found."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Fault(StrEnum):
    """The four faults; a sync without any of them kept its promises."""

    LOST = "lost"
    DOUBLED = "doubled"
    ECHOED = "echoed"
    DIFFERENT = "different"


MEANING = {
    Fault.LOST: "an edit that neither survived, nor was superseded by one who could have seen it, nor is in the audit; "
    "a deletion that the document does not tell of",
    Fault.DOUBLED: "two records or two documents for one thing",
    Fault.ECHOED: "a write that carries a Salesforce edit back unchanged, or writing that goes on at rest",
    Fault.DIFFERENT: "a field that comes back, not held, unequal at rest; a total that the orders do not come to",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `where` is the event id, commit number or record; `values` are personal data, told only on request."""

    fault: Fault
    document: str
    field: str
    where: str
    why: str
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    kind: str = ""

    def tell(self, *, explain: bool = False) -> str:
        """One line; with `explain` the values too."""
        place = " ".join(part for part in (self.document, self.field, f"({self.where})" if self.where else "") if part)
        values = ", ".join(f"{name} {value!r}" for name, value in self.values.items()) if explain else ""
        return f"{self.fault}: {place}: {self.why}" + (f" [{values}]" if values else "")


@dataclass(slots=True)
class Tally:
    """How much of one kind there was to judge: documents, live records that bear an external id, conflicts settled."""

    sobject: str
    documents: int = 0
    records: int = 0
    conflicts: int = 0


@dataclass(slots=True)
class Verdict:
    """All findings, and how much there was to judge.

    `conflicts` and `overruled` count audit rows. `unsure` counts platform edits that are not judged: never
    acknowledged, or unnamed and to a value that the field had had before, which looks as a stale view does.
    `apart` counts things that one side deleted: their fields are not compared, only whether the document says so.
    `kept_back` counts those that the mapping's filter keeps from Salesforce, or that have no record for want
    of consent. `totals` counts derived fields that were counted a second time. `unheard` counts edits in Salesforce
    that nobody was told of, made in a gap and written over before the gap could be known.
    """

    findings: list[Finding] = dataclasses.field(default_factory=list)
    conflicts: int = 0
    overruled: int = 0
    platform_events: int = 0
    platform_edits: int = 0
    salesforce_edits: int = 0
    writes: int = 0
    documents: int = 0
    records: int = 0
    unsure: int = 0
    apart: int = 0
    kept_back: int = 0
    totals: int = 0
    unheard: int = 0
    kinds: dict[str, Tally] = dataclasses.field(default_factory=dict)

    def of(self, fault: Fault, kind: str | None = None) -> list[Finding]:
        """The findings of one sort, of all kinds or of one."""
        return [one for one in self.findings if one.fault is fault and kind in (None, one.kind)]

    @property
    def lost(self) -> list[Finding]:
        """Edits that vanished."""
        return self.of(Fault.LOST)

    @property
    def doubled(self) -> list[Finding]:
        """Things that are there twice."""
        return self.of(Fault.DOUBLED)

    @property
    def echoed(self) -> list[Finding]:
        """Writes that should not have been."""
        return self.of(Fault.ECHOED)

    @property
    def different(self) -> list[Finding]:
        """Fields that are not the same on both sides."""
        return self.of(Fault.DIFFERENT)

    @property
    def clean(self) -> bool:
        """True where nothing was found."""
        return not self.findings
