"""How totals read the values of the documents that they are taken of (rule 28): by the transforms of their fields.

`2026-11-22T10:30:00+02:00` comes before `2026-11-22T09:00:00Z`, `" paid"` is `paid`, and `"12.50"` is a number where
the mapping says so: whatever is counted, is counted as Salesforce would hold it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from schemas.derivation import Total
from schemas.field_mapping import FieldMapping, Transform
from schemas.forms import Unfit, as_number, comparable, instant, written_form
from schemas.transforms import compile_field


class Sort(StrEnum):
    """As what values are put in order."""

    TEXT = "text"
    """Numbers first, then texts, without white space at the ends."""
    NUMBER = "number"
    MOMENT = "moment"
    """Epoch milliseconds, wherever its offset is."""
    DAY = "day"
    TRUTH = "truth"


_SORTS = {
    Transform.NUMBER: Sort.NUMBER,
    Transform.DATETIME: Sort.MOMENT,
    Transform.DATE: Sort.DAY,
    Transform.BOOLEAN: Sort.TRUTH,
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the values at one path are read."""

    path: str
    sort: Sort
    zone: str | None
    """Whose a time without an offset is, or in which a moment has its date."""
    key: Callable[[Any], Any]
    """By which values are the same: as the field's own. None for nothing."""
    place: Callable[[Any], Any]
    """By which values are put in order; None for what has no place among them, as a text that is no date."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A total, with how it reads the documents' values. Without `value` it counts documents."""

    total: Total
    value: Reading | None = None
    order: Reading | None = None
    where: tuple[tuple[Reading, frozenset[Any]], ...] = ()
    """Each with the keys that the value may have."""

    def holds(self, value_at: Callable[[str], Any]) -> bool:
        """Whether a document counts, of which `value_at` tells the value at a path."""
        return all(reading.key(value_at(reading.path)) in keys for reading, keys in self.where)


def counted(total: Total, fields: Mapping[str, FieldMapping]) -> Counted:
    """A total of documents with these fields, by path."""

    def where(path: str, values: tuple[Any, ...]) -> tuple[Reading, frozenset[Any]]:
        read = reading(path, fields.get(path))
        return read, frozenset(read.key(value) for value in values)

    return Counted(
        total,
        None if total.path is None else reading(total.path, fields.get(total.path)),
        None if total.order is None else reading(total.order, fields.get(total.order)),
        tuple(where(path, values) for path, values in total.where.items()),
    )


def reading(path: str, field: FieldMapping | None) -> Reading:
    """How the values of a field are read; a path that is not mapped has no transform."""
    if field is None:
        return Reading(path, Sort.TEXT, None, comparable, _text)
    sort = next((sort for transform, sort in _SORTS.items() if transform in field.transform), Sort.TEXT)
    return Reading(path, sort, field.zone, compile_field(field).key, _place(sort, field))


def number(value: Any) -> int | float:
    """What a value adds to a sum; 0 of what is no number."""
    try:
        return as_number(value)
    except Unfit:
        return 0


def _place(sort: Sort, field: FieldMapping) -> Callable[[Any], Any]:
    zone = None if field.zone is None else ZoneInfo(field.zone)
    if sort is Sort.TEXT:
        return _text
    if sort is Sort.MOMENT:
        return lambda value: instant(value, zone)
    form = as_number if sort is Sort.NUMBER else written_form(field)

    def place(value: Any) -> Any:
        try:
            return form(value)
        except Unfit:
            return None

    return place


def _text(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        return (1, text) if text else None
    try:
        return (0, as_number(value))
    except Unfit:
        return None
