"""Derived fields, counted a second time from the platform's own journal: what its papers come to in the end."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Final

from schemas.counting import Counted, counted, number
from schemas.derivation import Cases, Total
from schemas.field_mapping import Direction, FieldMapping
from schemas.lookup import id_named
from schemas.mapping import Asserts, KindMapping
from schemas.mapping import Mapping as FieldsMapping
from schemas.transforms import compile_field
from simulator.observer.history import Row, Sent, value_at

CLOSE: Final = 0.005
"""Sums that differ by less are equal: they are kept in binary fractions on one side and in cents on the other."""

Expected = Mapping[str, tuple[Any, ...]]
"""By platform path: the values that will do; several where a tie leaves it open which paper is the latest."""
_Paper = Mapping[str, Any]


class Papers:
    """The papers of one kind as the platform last told of them, by whom they belong to.

    A value that Salesforce may have changed since is the document's.
    """

    def __init__(self, kind: KindMapping, events: Mapping[str, Sequence[Sent]], documents: Sequence[Row]) -> None:
        self._fields = {field.platform: field for field in kind.fields}
        self._counted: dict[int, Counted] = {}
        self._asserts = kind.events
        stored = {str(row["_id"]): row for row in documents}
        self._papers: list[_Paper] = []
        self._untold: list[_Paper] = []
        """Some of whose events were never acknowledged: nobody can say what they come to."""
        for paper, heard in events.items():
            told = [event for event in heard if event.acknowledged]
            states = [self._state(told, stored.get(paper, {}))]
            if len(told) < len(heard):
                states.append(self._state(heard, stored.get(paper, {})))
                self._untold += [state for state in states if state is not None]
            elif states[0] is not None:
                self._papers.append(states[0])

    def counted(self, total: Total) -> Counted:
        """How the total reads the papers. Kept by the total's place in memory, which is the mapping's."""
        known = self._counted.get(id(total))
        if known is None:
            known = self._counted[id(total)] = counted(total, self._fields)
        return known

    def of(self, owner: str, total: Total) -> list[_Paper] | None:
        """Those that count for somebody; None where that cannot be told."""
        if any(self._counts(paper, owner, total) for paper in self._untold):
            return None
        return [paper for paper in self._papers if self._counts(paper, owner, total)]

    def _counts(self, paper: _Paper, owner: str, total: Total) -> bool:
        return id_named(value_at(paper, total.by)) == owner and self.counted(total).holds(partial(value_at, paper))

    def _state(self, events: Sequence[Sent], document: Row) -> _Paper | None:
        """What the events say in the end; nothing of a paper that is deleted."""
        values: dict[str, Any] = {}
        gone = not events
        for event in events:
            gone = self._asserts[event.type] is Asserts.DELETED
            if not gone:
                values |= event.fields
        for path, field in self._fields.items():
            if field.direction is not Direction.PUSH and field.derive is None:
                values[path] = value_at(document, path)
        return None if gone else values


class Totals:
    """What every derived field of a mapping should be."""

    def __init__(
        self,
        mapping: FieldsMapping,
        events: Mapping[str, Mapping[str, Sequence[Sent]]],
        documents: Mapping[str, Sequence[Row]],
    ) -> None:
        """`events` are by kind and thing, in order; `documents` by collection."""
        names = {
            field.derive.of
            for kind in mapping.kinds.values()
            for field in kind.fields
            if isinstance(field.derive, Total)
        }
        self._papers = {
            name: Papers(mapping.kinds[name], events[name], documents.get(mapping.kinds[name].collection, ()))
            for name in names
        }

    def of(self, kind: KindMapping, owner: str) -> Expected:
        """By path; what cannot be told is left out."""
        found: dict[str, tuple[Any, ...]] = {}
        for field in kind.fields:
            if isinstance(field.derive, Total):
                papers = self._papers[field.derive.of].of(owner, field.derive)
                if papers is not None:
                    found[field.platform] = self._total(field.derive, papers)
        for field in kind.fields:
            if isinstance(field.derive, Cases) and all(
                path in found for case in field.derive.cases for path in case.when
            ):
                found[field.platform] = (_case(field.derive, found),)
        return found

    def _total(self, total: Total, papers: Sequence[_Paper]) -> tuple[Any, ...]:
        read = self._papers[total.of].counted(total)
        if read.value is None:
            return (len(papers),)
        values = [value_at(paper, read.value.path) for paper in papers]
        match total.take:
            case "sum":
                return (float(sum((Decimal(str(number(value))) for value in values), Decimal(0))),)
            case "distinct":
                return (len({read.value.key(value) for value in values} - {None}),)
            case "min" | "max":
                places = {read.value.place(value): value for value in values}
                there = [place for place in places if place is not None]
                best = min if total.take == "min" else max
                return (places[best(there)] if there else None,)
            case _:
                return _latest(read, papers)


def _latest(read: Counted, papers: Sequence[_Paper]) -> tuple[Any, ...]:
    """Those without a place in the order come before all others."""
    by_order: dict[Any, list[Any]] = defaultdict(list)
    for paper in papers:
        place = read.order.place(value_at(paper, read.order.path)) if read.order is not None else None
        by_order[place].append(value_at(paper, read.value.path) if read.value is not None else None)
    placed = [place for place in by_order if place is not None]
    return tuple(by_order[max(placed) if placed else None]) or (None,)


def fits(field: FieldMapping, expected: Sequence[Any], value: Any) -> bool:
    """Whether a value is one of those expected."""
    key = compile_field(field).key
    return any(_same(key(each), key(value)) for each in expected)


def _same(one: Any, other: Any) -> bool:
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and not isinstance(one, bool) and not isinstance(other, bool):
        return bool(abs(one - other) < CLOSE)
    equal: bool = one == other
    return equal


def _case(cases: Cases, found: Expected) -> Any:
    for case in cases.cases:
        if all((found[path][0] or 0) >= least for path, least in case.when.items()):
            return case.value
    return cases.otherwise
