"""Transforms: a value of either side in the form that is written, shown, and compared (merge rule 27).

What Tandem writes to Salesforce and what it shows in a document has gone through the field's transforms; what either
side said is kept raw and compared by `key`. White space at the ends never makes a difference, and null, a missing value
and blank text are the same, because Salesforce stores them so. Of a `boolean` false is the same too: a checkbox of
Salesforce's is never null.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.field_mapping import FieldMapping, Transform
from schemas.forms import INT64, Unfit, as_it_is, as_number, comparable, shown_form, spellings, written_form


class InvalidValue(ValueError):
    """A platform value that cannot be written: names the platform path and the reason, never the value."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CompiledField:
    """One field's transforms as plain functions."""

    push: Callable[[Any], Any]
    """A platform value as it is written to Salesforce; raises `InvalidValue`."""
    pull: Callable[[Any], Any]
    """A Salesforce value as the document shows it. A value that the transform cannot take is shown as it is."""
    key: Callable[[Any], Any]
    """A raw value of either side as it is compared: hashable, None for nothing. Never raises.

    `key(push(v)) == key(v)` and `key(pull(s)) == key(s)`.
    """
    spellings: Callable[[str], tuple[str, ...]]
    """A value in its written form, as Salesforce may hold it: what a record is searched by."""
    takes: frozenset[type]
    """Types of JSON values that `push` takes, whatever the value: nothing need be worked out to know that one can be
    written. JSON's whole numbers have 64 bits here, and no number is infinite."""


def compile_field(field: FieldMapping) -> CompiledField:
    """The functions of one mapped field."""
    transforms = frozenset(field.transform)
    form, shown = written_form(field), shown_form(field)
    path = field.platform
    is_checkbox = Transform.BOOLEAN in transforms
    nothing = False if is_checkbox else None

    def push(value: Any) -> Any:
        if _blank(value):
            return nothing
        try:
            return form(value)
        except Unfit as unfit:
            raise InvalidValue(path, str(unfit)) from None

    def pull(value: Any) -> Any:
        if _blank(value):
            return None
        try:
            return shown(value)
        except Unfit:
            return value

    # Nearly all values are of one of two forms that need no more than this; what follows gives the same, at more cost.
    plain_text = transforms <= {Transform.TRIM} and not field.picklist
    plain_number = form is as_number or form is as_it_is

    def key(value: Any) -> Any:
        if value.__class__ is str:
            value = value.strip()
            if plain_text:
                return value or None
        elif plain_number and value.__class__ is int and -INT64 <= value < INT64:
            return float(value)
        if value is None or value == "":
            return None
        try:
            written = form(value)
        except Unfit:
            return comparable(value)
        return None if is_checkbox and written is False else comparable(written)

    return CompiledField(
        push,
        pull,
        key,
        spellings=partial(spellings, field),
        takes=_takes(transforms, names_kinds=len(field.lookups) > 1),
    )


def _takes(transforms: frozenset[Transform], *, names_kinds: bool) -> frozenset[type]:
    if names_kinds or Transform.DATE in transforms or Transform.DATETIME in transforms:
        return frozenset({type(None)})
    if Transform.BOOLEAN in transforms:
        return frozenset({type(None), bool})
    takes: set[type] = {type(None), int, float}
    if Transform.NUMBER not in transforms:
        takes.add(str)
    return frozenset(takes)


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())
