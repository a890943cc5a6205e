"""A document that a doorbell named, while the writer looks at it.

Of a backlog not all documents are in memory: a visit that is one of many is put down after each step, and its document
read again for the next.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

from consumers.ports import Document
from consumers.rules.existence import place_of
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Ids
from consumers.rules.state import DocumentState, Refusal
from schemas.outcome import Outcome, Result
from schemas.place import Place

AT_A_TIME = 200
"""Documents in hand at once, read or stored by one command: as many as a call has rows."""
NOTHING_DUE: Final = Result(Outcome.IGNORED, "nothing is due")
NO_DOCUMENT: Final = Result(Outcome.IGNORED, "there is no such document")
"""We remove none, but an operator can, at any moment: between two of the writer's reads too."""


_Any = TypeVar("_Any")


class Kept(NamedTuple):
    """What is kept of a document that was put down: enough to know it again, and to ask Salesforce about its record."""

    revision: int | None
    place: Place
    record_id: str
    """The linked record, gone or not; empty where there never was one."""
    first: bool
    refusal: Refusal | None
    """Of one that is to be parked."""


@dataclass(slots=True)
class Visit:
    """One document and the doorbells that named it, by their place in the batch."""

    kind: Kind
    id: str
    bells: list[int] = field(default_factory=list)
    found: DocumentState | None = None
    result: Result = NOTHING_DUE
    refused: str = ""
    """Why the store will not write the document, where it will not."""
    document: Document | None = None
    """As it was last read, or as the last save has left it."""
    row_taken: bool = False
    """The record was read whole in this batch, and the document holds what the row said."""
    just_saved: bool = False
    """Nobody had changed it until that save, so it need not be read again at once: every save is guarded."""
    one_of_many: bool = False
    """It is put down between steps."""
    kept: Kept | None = None

    @property
    def state(self) -> DocumentState:
        """What is known of the document, as it was last read and decided."""
        if self.found is None:
            raise AssertionError("asked for the state of a document that is not there")
        return self.found

    @property
    def record_id(self) -> str:
        """The linked record."""
        if self.found is None and self.kept is not None and self.kept.record_id:
            return self.kept.record_id
        if self.state.link is None:
            raise AssertionError("asked for the record of a document that is not linked")
        return self.state.link.record_id

    @property
    def place(self) -> Place:
        """The object that its record is kept in, or would be made in."""
        if self.found is None and self.kept is not None:
            return self.kept.place
        return place_of(self.state, self.kind)

    @property
    def first(self) -> bool:
        """A write would make the record."""
        return self.kept.first if self.found is None and self.kept is not None else self.state.record is None

    @property
    def refusal(self) -> Refusal | None:
        """Why its last write was given up."""
        return self.kept.refusal if self.found is None and self.kept is not None else self.state.refusal

    @property
    def claimed(self) -> bool:
        """The linked record holds our external id."""
        return self.state.link is None or self.state.link.claimed

    @property
    def is_there(self) -> bool:
        """The document was there when it was last looked at."""
        return self.found is not None or self.kept is not None


def mark_many(visits: Sequence[Visit]) -> None:
    """Have these put down between steps if they are more than are in hand at once."""
    for visit in visits:
        visit.one_of_many = len(visits) > AT_A_TIME


def put_down(visits: Iterable[Visit]) -> None:
    """Let go of the documents of those that are many. What was decided and not stored is decided again."""
    for visit in visits:
        if not visit.one_of_many or visit.found is None:
            continue
        state, parked = visit.found, visit.result.outcome is Outcome.PARKED
        record_id = state.link.record_id if state.link is not None else ""
        refusal = state.refusal if parked else None
        visit.kept = Kept(state.revision, visit.place, record_id, state.record is None, refusal)
        visit.found, visit.document, visit.just_saved = None, None, False


def ids_of_all(each: Iterable[Ids]) -> Ids:
    """All that are named, by kind."""
    all_: Ids = {}
    for ids in each:
        for kind, named in ids.items():
            all_.setdefault(kind, set()).update(named)
    return all_


def by_kind(visits: Iterable[Visit]) -> list[tuple[Kind, list[Visit]]]:
    """Visits of each kind, in order."""
    groups: dict[str, tuple[Kind, list[Visit]]] = {}
    for visit in visits:
        groups.setdefault(visit.kind.name, (visit.kind, []))[1].append(visit)
    return list(groups.values())


def parts(visits: Sequence[_Any]) -> list[Sequence[_Any]]:
    """The same in order, as many as are in hand at once; itself where it is no more."""
    if len(visits) <= AT_A_TIME:
        return [visits]
    return [visits[start : start + AT_A_TIME] for start in range(0, len(visits), AT_A_TIME)]
