"""Record filters as SOQL: what follows WHERE. Names are checked and values escaped by their type.

Source: "Condition Expression Syntax" and "Date Formats and Date Literals" in the SOQL and SOSL Reference.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, assert_never

from adapters.salesforce import soql
from adapters.salesforce.soql import Compare, In, Operator, Value
from schemas.field_mapping import FieldMapping, Transform
from schemas.mapping import KindMapping
from schemas.record_filter import AllOf, AnyOf, Comparison, Condition, NoneOf
from schemas.transforms import compile_field

BOOLEAN = "boolean"


def where(condition: Condition, kind: KindMapping, types: Mapping[str, str] | None = None) -> soql.Condition:
    """The condition in Salesforce's fields and values.

    `types` are the field types by Salesforce name, as the org describes them; they tell a checkbox from a text.

    Raises:
        ValueError: a path that the kind does not map, a lookup that is compared with a value, or a value that the
            field's transform cannot take.
    """
    match condition:
        case Comparison():
            return _test(condition, kind, types or {})
        case AllOf(all=parts):
            return soql.AllOf(tuple(where(part, kind, types) for part in parts))
        case AnyOf(any=parts):
            return soql.AnyOf(tuple(where(part, kind, types) for part in parts))
        case NoneOf(none=parts):
            return soql.Not(soql.AnyOf(tuple(where(part, kind, types) for part in parts)))
        case _:
            assert_never(condition)


def _test(test: Comparison, kind: KindMapping, types: Mapping[str, str]) -> soql.Condition:
    field = next((each for each in kind.fields if each.platform == test.path), None)
    if field is None:
        raise ValueError(f"{test.path} is not mapped")
    if field.lookup is not None and test.present is None:
        raise ValueError(f"{test.path} names a {field.lookup}; allowed: present")
    column, kind_of_value = field.salesforce, types.get(field.salesforce, "")
    if test.present is not None:
        return Compare(column, Operator.UNEQUAL if test.present else Operator.EQUAL, None)
    if test.one_of is not None:
        return In(column, tuple(value_of(field, each, kind_of_value) for each in test.one_of))
    if test.equals is not None:
        return Compare(column, Operator.EQUAL, value_of(field, test.equals, kind_of_value))
    if test.at_least is not None:
        return Compare(column, Operator.AT_LEAST, value_of(field, test.at_least, kind_of_value))
    return Compare(column, Operator.AT_MOST, value_of(field, test.at_most, kind_of_value))


def value_of(field: FieldMapping, value: Any, kind_of_value: str = "") -> Value:
    """The platform's value of a field as Salesforce holds it, of the type that SOQL compares it by.

    Raises:
        ValueError: a value that the field's transform cannot take.
    """
    written = compile_field(field).push(value)
    if isinstance(written, bool) or kind_of_value == BOOLEAN:
        return str(written).casefold() == "true"
    if Transform.NUMBER in field.transform:
        return written if isinstance(written, (int, float)) else float(written)
    if Transform.DATE in field.transform:
        return date.fromisoformat(str(written))
    if Transform.DATETIME in field.transform:
        return datetime.fromisoformat(str(written))
    return str(written)
