"""Whether a record that no document is linked to should have one. Pure, as the writer decides it (rule 22)."""

from collections.abc import Mapping
from typing import Any

from consumers.rules.filters import matches
from consumers.rules.kinds import Kind
from schemas.mapping import Unlinked
from schemas.place import IS_CONVERTED
from schemas.record_filter import comparisons


def fields_that_tell(kind: Kind) -> tuple[str, ...]:
    """What has to be read of such a record."""
    asked = () if kind.pull_filter is None else comparisons(kind.pull_filter)
    names = {kind.by_path[each.path].name for each in asked if each.path in kind.by_path}
    return ("Id", kind.external_id, *sorted(names))


def document_named(row: Mapping[str, Any], kind: Kind) -> str:
    """The document whose external id it holds; empty where it holds none."""
    return str(row.get(kind.external_id) or "")


def should_have_a_document(row: Mapping[str, Any], kind: Kind, *, is_there: bool) -> bool:
    """By its external id, which nobody but us gives; or since the mapping makes documents of what sales have made.

    `is_there` says that the document which it names is: why that one is not linked to it, its own differences tell.
    """
    if row.get(IS_CONVERTED) is True or is_there:
        return False
    makes = kind.on_unlinked is Unlinked.CREATE
    if makes and kind.pull_filter is not None and not matches(kind.pull_filter, kind, lambda rule: row.get(rule.name)):
        return False
    return makes or bool(document_named(row, kind))


def is_made_of_records(kind: Kind) -> bool:
    """Whether looking at the record again makes its document; else that is for a person."""
    return kind.on_unlinked is Unlinked.CREATE
