"""What a viewer does not see: values of fields that the mapping marks as personal or sensitive. No I/O."""

from typing import Any

from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping


def is_hidden(kind: KindMapping, field: FieldMapping | None, value: Any) -> bool:
    """Whether this value of this field is hidden from who may not see personal data.

    A kind of which no field is marked says nothing about privacy, and a field that is not mapped any more cannot:
    everything there is personal then but numbers and yes or no. That there is no value at all is never hidden.
    """
    if value is None or value == "":
        return False
    if field is not None and any(each.privacy is not None for each in kind.fields):
        return field.privacy is not None
    return not isinstance(value, int | float)
