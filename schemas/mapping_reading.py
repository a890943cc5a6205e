"""From plain values (YAML, JSON, a stored document) to a mapping, with messages for the person who wrote it."""

import difflib
import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.field_mapping import FieldMapping
from schemas.mapping import KindMapping, LeadMapping, Mapping, Matching, OnDelete, Preference
from schemas.mapping_checks import problems
from schemas.record_filter import Comparison, Filters

Location = tuple[str | int, ...]

_WITHIN: Final[dict[str, type[BaseModel]]] = {
    "on_delete": OnDelete,
    "filters": Filters,
    "prefer": Preference,
    "match": Matching,
    "lead": LeadMapping,
}
"""What is known within a setting of a kind, the inner ones first."""

_FORMS: Final = {
    "platform": "must be a path such as email or address.city; _id and _sync are Tandem's",
    "salesforce": "must be an API name such as Email or Customer_Tier__c",
    "sobject": "must be an API name such as Contact or Ticket__c",
    "external_id": "must be an API name such as Tandem_Customer_Id__c",
    "token": "must be an API name such as Tandem_Customer_Write__c",
    "collection": "must be a lower-case name such as customers",
    "region": "must be two capital letters such as RO (ISO 3166-1)",
    "picklist": "must be values without semicolons, blanks at their ends or more than 255 characters",
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
        raise InvalidMapping(shape_faults(error)) from None


def shape_faults(error: ValidationError) -> list[str]:
    """Every wrong place, a line each."""
    all_ = error.errors()
    places = [place for place in all_ if not _follows(place, all_)]
    return [f"{dotted(place['loc'])}: {_what(place)}" for place in places]


def dotted(location: Location) -> str:
    """`kinds.customer.fields[3].policy`, as messages name a place."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]" and not part.startswith("<"):
            text += f".{part}" if text else part
    return text or "mapping"


def _follows(place: ErrorDetails, all_: Sequence[ErrorDetails]) -> bool:
    """A list counts as empty where all that is in it is wrong: that is told already."""
    if place["type"] != "too_short":
        return False
    location = place["loc"]
    within = (other["loc"] for other in all_ if len(other["loc"]) > len(location))
    return any(other[: len(location)] == location for other in within)


def _what(place: ErrorDetails) -> str:
    location, value = place["loc"], place["input"]
    match place["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return _unknown(location)
        case "literal_error" if location == ("format",) and isinstance(value, int) and value > 1:
            return f"{value} is not allowed; it was made for a newer release, and this one reads 1"
        case "enum" | "literal_error":
            allowed = place["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            return f"{_quoted(value)} is not allowed; allowed: {allowed}"
        case "string_pattern_mismatch" | "string_too_long":
            return f"{_quoted(value)} is not allowed; {_form(location, place['msg'])}"
        case "value_error":
            return f"{_quoted(value)} is not allowed; {place['ctx']['error']}"
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
    within = location[2:-1]
    if "<test>" in within:
        return Comparison
    for setting, model in _WITHIN.items():
        if setting in within:
            return model
    models: dict[int, type[BaseModel]] = {1: Mapping, 3: KindMapping}
    return models.get(len(location), FieldMapping)


def _form(location: Location, otherwise: str) -> str:
    return _FORMS.get("picklist" if "picklist" in location else _setting(location), otherwise)


def _setting(location: Location) -> str:
    """The name whose value, or whose key, is wrong."""
    return str(location[-3] if location[-1] == "[key]" else location[-1])


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
