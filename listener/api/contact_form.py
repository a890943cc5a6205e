"""A contact as the platform says it, and as it is shown: names and values, by the mapping. Pure.

Fields go by the platform's names, `first_name` or `address.city` or `{"address": {"city": …}}`, and in `custom_fields`
by Salesforce's, with values as Salesforce has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from listener.api.problem import INVALID, Fault, Problem
from schemas.field_mapping import DERIVED, NOT_MAPPED, PULLED, Direction, FieldMapping
from schemas.mapping import Asserts, KindMapping
from schemas.transforms import InvalidValue, compile_field

EMAIL = "Email"
_SALESFORCE: Final = "salesforce"


@dataclass(slots=True)
class Taken:
    """What is taken of what was said: values by platform path, and why some were not."""

    fields: dict[str, Any] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


def taken(kind: KindMapping, named: Mapping[str, Any], custom: Mapping[str, Any]) -> Taken:
    """What an event can say of this.

    Raises:
        Problem: a name that is not mapped, a value that the field cannot have, or a field that is named twice; all of
            them.
    """
    found, faults = Taken(), []
    by_path = {each.platform: each for each in kind.fields}
    by_name = {each.salesforce: each for each in kind.fields}
    for path, value, pointer in _leaves(named, by_path):
        mapped = by_path.get(path)
        if mapped is None:
            faults.append(Fault(detail=NOT_MAPPED, pointer=pointer))
        else:
            faults += _take(found, mapped, value, path, pointer)
    for name, value in custom.items():
        pointer, mapped = f"/custom_fields/{_escaped(name)}", by_name.get(name)
        if mapped is None:
            faults.append(Fault(detail=NOT_MAPPED, pointer=pointer))
        elif mapped.platform in found.fields:
            faults.append(Fault(detail=f"is the same as {mapped.platform}, which is there too", pointer=pointer))
        else:
            faults += _take(found, mapped, compile_field(mapped).pull(value), name, pointer)
    if faults:
        raise Problem(INVALID, errors=faults)
    return found


def _take(found: Taken, mapped: FieldMapping, value: Any, name: str, pointer: str) -> list[Fault]:
    if mapped.derive is not None:
        found.ignored[name] = DERIVED
        return []
    if mapped.direction is Direction.PULL:
        found.ignored[name] = PULLED
        return []
    try:
        compile_field(mapped).push(value)
    except InvalidValue as wrong:
        return [Fault(detail=wrong.reason, pointer=pointer)]
    found.fields[mapped.platform] = value
    return []


def _leaves(
    named: Mapping[str, Any], known: Mapping[str, Any], before: str = "", pointer: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Values by dotted path, each with its JSON Pointer: an object is gone into where paths lead through it."""
    for name, value in named.items():
        path, here = f"{before}{name}", f"{pointer}/{_escaped(name)}"
        if isinstance(value, dict) and path not in known and any(each.startswith(f"{path}.") for each in known):
            yield from _leaves(value, known, f"{path}.", here)
        else:
            yield path, value, here


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def email_path(kind: KindMapping) -> str | None:
    """Where the platform has the e-mail address."""
    return next((each.platform for each in kind.fields if each.salesforce == EMAIL), None)


def event_type(kind: KindMapping, *, is_new: bool) -> str | None:
    """The event that says that a thing has these values: one that speaks of making or of changing, if there is one."""
    said = [name for name, asserts in kind.events.items() if asserts is Asserts.VALUES]
    ending = ".created" if is_new else ".updated"
    return next((name for name in said if name.endswith(ending)), said[0] if said else None)


def value_of(document: Mapping[str, Any], path: str) -> Any:
    """What a document shows at a path; None where it shows nothing."""
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def shown_fields(kind: KindMapping, document: Mapping[str, Any], *, theirs: bool) -> dict[str, Any]:
    """The mapped fields that a document shows, nested as it has them; with `theirs` Salesforce's values too."""
    shown: dict[str, Any] = {}
    for each in _shown(kind, document, theirs=theirs):
        value = value_of(document, each.platform)
        if value is None:
            continue
        *outer, last = each.platform.split(".")
        at = shown
        for part in outer:
            at = at.setdefault(part, {})
        at[last] = value
    return shown


def shown_custom(kind: KindMapping, document: Mapping[str, Any], *, theirs: bool) -> dict[str, Any]:
    """The same of custom fields, by Salesforce's names."""
    custom = [each for each in _shown(kind, document, theirs=theirs) if each.salesforce.endswith("__c")]
    values = {each.salesforce: value_of(document, each.platform) for each in custom}
    return {name: value for name, value in values.items() if value is not None}


def _shown(kind: KindMapping, document: Mapping[str, Any], *, theirs: bool) -> list[FieldMapping]:
    if theirs:
        return list(kind.fields)
    registers = document.get("_sync", {}).get("fields", {})
    return [
        each
        for each in kind.fields
        if each.direction is not Direction.PULL and not _is_theirs(registers.get(each.salesforce))
    ]


def _is_theirs(register: str | None) -> bool:
    """Whether the value that is shown came from Salesforce, also in part, as its register says (docs/document.md)."""
    if register is None:
        return False
    stored = orjson.loads(register)
    return bool(stored.get("now", [""])[0] == _SALESFORCE or stored.get("merged"))
