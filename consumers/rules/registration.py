"""The names by which a registration form calls things, in those of the mapping."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from consumers.rules.kinds import FieldRule, Kind
from schemas.field_mapping import DERIVED, NOT_MAPPED, PULLED

NAME: Final = "name"
FIRST: Final = "first_name"
LAST: Final = "last_name"


@dataclass(slots=True)
class Heard:
    """What is taken of what a form says, nested and named as it says it; and why, by dotted name, the rest is not."""

    said: dict[str, Any] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


def heard(fields: Mapping[str, Any], kind: Kind) -> Heard:
    """What the mapping takes of these, before a whole `name` is taken apart."""
    found = Heard()
    apart = NAME in fields and NAME not in with_names(fields, kind)
    for name, value in fields.items():
        if name == NAME and apart:
            found.said[name] = value
            continue
        taken = _heard(name, value, kind, found.ignored)
        if taken is not _NOTHING:
            found.said[name] = taken
    return found


def with_names(fields: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """The same fields; a whole `name` taken apart where the kind has first and last names and no whole one.

    The last word is the last name, which Salesforce requires: "Ana Maria Pop" is Ana Maria, Pop.
    """
    found = dict(fields)
    whole = found.get(NAME)
    if NAME in kind.by_path or not isinstance(whole, str) or not {FIRST, LAST} <= kind.by_path.keys():
        return found
    first, _, last = whole.strip().rpartition(" ")
    taken = {name: value for name, value in ((FIRST, first.strip()), (LAST, last)) if value}
    return {**taken, **{name: value for name, value in found.items() if name != NAME}}


_NOTHING: Final = object()


def _heard(path: str, value: Any, kind: Kind, ignored: dict[str, str]) -> Any:
    """The part of a value that is taken; an object is gone into where mapped paths lead through it."""
    rule = kind.by_path.get(path)
    if rule is None and isinstance(value, Mapping) and any(each.startswith(f"{path}.") for each in kind.by_path):
        inner = {name: _heard(f"{path}.{name}", each, kind, ignored) for name, each in value.items()}
        return {name: each for name, each in inner.items() if each is not _NOTHING} or _NOTHING
    why = NOT_MAPPED if rule is None else _no_say(rule)
    if why:
        ignored[path] = why
        return _NOTHING
    return value


def _no_say(rule: FieldRule) -> str:
    """Why the platform has no say in a field; empty where it has."""
    if rule.derive is not None:
        return DERIVED
    return "" if rule.pushes else PULLED


def full_name(shown: Mapping[str, Any]) -> str:
    """The name that a document shows."""
    whole = shown.get(NAME)
    parts = [whole] if isinstance(whole, str) else [shown.get(FIRST), shown.get(LAST)]
    return " ".join(part for part in parts if isinstance(part, str) and part)
