"""From plain values (YAML, JSON, a stored document) to a mapping, with messages for the person who wrote it."""

import difflib
import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.mapping import FieldMapping, KindMapping, Mapping, OnDelete
from schemas.mapping_checks import problems

Location = tuple[str | int, ...]

_FORMS: Final = {
    "platform": "must be a path such as email or address.city; _id and _sync are Tandem's",
    "salesforce": "must be an API name such as Email or Customer_Tier__c",
    "sobject": "must be an API name such as Contact or Ticket__c",
    "external_id": "must be an API name such as Tandem_Customer_Id__c",
    "token": "must be an API name such as Tandem_Customer_Write__c",
    "collection": "must be a lower-case name such as customers",
    "region": "must be two capital letters such as RO (ISO 3166-1)",
    "kinds": "must be a lower-case name such as customer",
    "events": "must be <thing>.<past tense> such as customer.updated",
}


class InvalidMapping(ValueError):
    """The mapping cannot be used; `problems` holds one line for each wrong place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def parse_mapping(raw: Any) -> Mapping:
    """A mapping that has the right shape and holds together.

    Raises:
        InvalidMapping: with every problem.
    """
    mapping = read_mapping(raw)
    check_mapping(mapping)
    return mapping


def check_mapping(mapping: Mapping) -> None:
    """Return if the mapping holds together.

    Raises:
        InvalidMapping: with every problem.
    """
    found = problems(mapping)
    if found:
        raise InvalidMapping(found)


def read_mapping(raw: Any) -> Mapping:
    """A mapping of the right shape, for what was published before.

    Raises:
        InvalidMapping: with every wrong place.
    """
    try:
        return Mapping.model_validate(raw)
    except ValidationError as error:
        raise InvalidMapping([f"{dotted(place['loc'])}: {_what(place)}" for place in error.errors()]) from None


def dotted(location: Location) -> str:
    """`kinds.customer.fields[3].policy`, as messages name a place."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]":
            text += f".{part}" if text else part
    return text or "mapping"


def _what(place: ErrorDetails) -> str:
    location, value = place["loc"], place["input"]
    match place["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return _unknown(location)
        case "enum" | "literal_error":
            allowed = place["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            return f"{_quoted(value)} is not allowed; allowed: {allowed}"
        case "string_pattern_mismatch" | "string_too_long":
            return f"{_quoted(value)} is not allowed; {_FORMS.get(_setting(location), place['msg'])}"
        case "string_type":
            return f"{_quoted(value)} is not allowed; must be a text"
        case "tuple_type":
            return f"{_quoted(value)} is not allowed; must be a list, [a, b]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{_quoted(value)} is not allowed; must hold names with values, name: value"
        case "too_short":
            return "is empty; at least one is needed"
        case _:
            return f"{_quoted(value)} is not allowed; {place['msg']}"


def _unknown(location: Location) -> str:
    model = _model_at(location)
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    return f"is not known here; {guess}allowed: {', '.join(known)}"


def _model_at(location: Location) -> type[BaseModel]:
    """The loc of an unknown name: `kinds, <kind>, fields, <number>, name`, or less."""
    if "on_delete" in location[:-1]:
        return OnDelete
    models: dict[int, type[BaseModel]] = {1: Mapping, 3: KindMapping}
    return models.get(len(location), FieldMapping)


def _setting(location: Location) -> str:
    """The name whose value, or whose key, is wrong."""
    return str(location[-3] if location[-1] == "[key]" else location[-1])


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
