"""What is kept back with what it cannot be without, found out a second time: from documents, events and looks alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.filtering import Leave
from simulator.observer.history import Row, Seen, Sent, value_at


class Hanging:
    """Who hangs on whom: by the lookups that the mapping says are required."""

    def __init__(
        self,
        mapping: FieldsMapping,
        documents: Mapping[str, Sequence[Row]],
        events: Mapping[str, Mapping[str, Sequence[Sent]]],
        looks: Mapping[str, Sequence[Seen]],
    ) -> None:
        """`documents` are by collection, `events` by kind and document, `looks` by document."""
        self._kinds = mapping.kinds
        self._documents = {
            (name, str(row["_id"])): row
            for name, kind in mapping.kinds.items()
            for row in documents.get(kind.collection, ())
        }
        self._events, self._looks = events, looks

    def lets(self, kind: KindMapping, document: Row) -> bool:
        """Whether the mapping's filters let everything go that the document cannot be without."""
        return all(self._shut(name, parent) is None for name, parent in self._above(kind, document, set()))

    def shut_since(self, kind: KindMapping, document: Row) -> int | None:
        """Since when, epoch milliseconds, the platform has seen for good that something above is kept back.

        A look that shows it is the surest: whatever is written later was written by somebody who could read it. Nothing
        where nobody has looked.
        """
        known = [self._shut(name, parent) for name, parent in self._above(kind, document, set())]
        return min((since for since in known if since), default=None)

    def _above(self, kind: KindMapping, document: Row, met: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        for field in kind.fields:
            value = value_at(document, field.platform)
            if not field.required or value is None:
                continue
            named, _, id_ = str(value).rpartition("/") if len(field.lookups) > 1 else (field.lookups[0], "", str(value))
            yield from self._from(named, id_, met)

    def _from(self, name: str, id_: str, met: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """The document itself, the one that it was merged into, and all that these cannot be without."""
        document = self._documents.get((name, id_))
        if document is None or (name, id_) in met:
            return
        met.add((name, id_))
        yield name, id_
        into: Any = (document.get("salesforce") or {}).get("mergedInto")
        if into:
            yield from self._from(name, str(into), met)
        yield from self._above(self._kinds[name], document, met)

    def _shut(self, name: str, id_: str) -> int | None:
        """Nothing where the document may go; else since when it was seen not to, for good; 0 where that is not known.

        It is not where an event that says otherwise was on its way after the one that closed it: nobody can tell when
        that one was taken in.
        """
        kind = self._kinds[name]
        leave = Leave(kind, kind.filters.push)
        if leave.lets(self._documents[name, id_]):
            return None
        told = [event for event in self._events[name].get(id_, ()) if not leave.paths.isdisjoint(event.fields)]
        closing = next((event for event in told if not leave.lets(event.fields)), None)
        if closing is None or closing.acknowledged_at is None:
            return 0
        if any(leave.lets(event.fields) and _taken(event) > closing.acknowledged_at for event in told):
            return 0
        seen = 0
        for look in self._looks.get(id_, ()):
            seen = 0 if leave.lets(look.fields) else seen or look.at
        return seen


def _taken(event: Sent) -> float:
    return math.inf if event.acknowledged_at is None else event.acknowledged_at
