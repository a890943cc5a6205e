"""The names by which a registration form calls things, in those of the mapping."""

from collections.abc import Mapping
from typing import Any, Final

from consumers.rules.kinds import Kind

NAME: Final = "name"
FIRST: Final = "first_name"
LAST: Final = "last_name"


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


def full_name(shown: Mapping[str, Any]) -> str:
    """The name that a document shows."""
    whole = shown.get(NAME)
    parts = [whole] if isinstance(whole, str) else [shown.get(FIRST), shown.get(LAST)]
    return " ".join(part for part in parts if isinstance(part, str) and part)
