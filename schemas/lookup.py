"""What a lookup's values name: of one kind by the document's id, of several kinds by `<kind>/<id>`."""

from collections.abc import Sequence
from typing import Any

from schemas.record_id import is_id


def named_by(kinds: Sequence[str], value: Any) -> tuple[str, str] | None:
    """The kind and the id of the document that a value names; nothing where it names none."""
    text = id_named(value)
    if len(kinds) == 1:
        return kinds[0], text
    kind, slash, id_ = text.partition("/")
    return (kind, id_) if slash and id_ and kind in kinds else None


def id_named(value: Any) -> str:
    """The id that a value spells: also of JSON's whole numbers, which may come as 42 or as 42.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def naming(kinds: Sequence[str], kind: str, id_: str) -> str:
    """The value that names this document."""
    return id_ if len(kinds) == 1 else f"{kind}/{id_}"


def record_named(value: Any) -> str | None:
    """A record that a value names by its own id, of 18 characters as Salesforce always gives them.

    One of 15 has no checksum, and could be an id of the platform's.
    """
    return value if isinstance(value, str) and len(value) == 18 and is_id(value) else None
