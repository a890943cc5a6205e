"""A mapping that is being written, tried on one document: what it would write, and what would become of it. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.mongo.mappings import next_version
from consumers.catalog import Catalog
from consumers.rules.plan import effects
from consumers.rules.registers import load_field
from consumers.rules.timing import Timing
from ops.show_view import text, value_at
from schemas.field_mapping import Direction, FieldMapping
from schemas.mapping import Mapping as FieldMappings
from schemas.transforms import InvalidValue, compile_field


@dataclass(frozen=True, slots=True)
class TriedField:
    """One mapped field: what the document shows, how it would be written, and what Salesforce last said."""

    path: str
    field: str
    direction: str
    document: str
    written: str
    """Empty where nothing is written by this field."""
    wrong: str
    """Why the value cannot be written; empty where it can."""
    salesforce: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Tried:
    """What a mapping makes of one document."""

    kind: str
    id: str
    fields: list[TriedField]
    lines: list[str]
    """What would become of the document, as in a plan; empty where nothing would."""


def tried(
    document: Mapping[str, Any], kind: str, before: FieldMappings, after: FieldMappings, timing: Timing, now: int
) -> Tried:
    """What `after` makes of a stored document of this kind where `before` is in force; `now` is epoch milliseconds.

    Raises:
        InvalidMapping: documents that are there cannot follow.
    """
    known, wanted = Catalog(before), Catalog(next_version(before, after))
    found = effects(document, known.kinds.get(kind), wanted.kinds[kind], timing, in_force=known.version, now=now)
    return Tried(
        kind=kind,
        id=str(document["_id"]),
        fields=[_field(document, mapped) for mapped in after.kinds[kind].fields],
        lines=[f"{effect.value} {on}".strip() for effect, on in found],
    )


def _field(document: Mapping[str, Any], mapped: FieldMapping) -> TriedField:
    value = value_at(document, mapped.platform)
    stored = document.get("_sync", {}).get("fields", {}).get(mapped.salesforce)
    theirs = None if stored is None else load_field(stored, value).salesforce
    compiled, written, wrong = compile_field(mapped), "", ""
    if mapped.direction is not Direction.PULL:
        try:
            written = text(compiled.push(value))
        except InvalidValue as reason:
            wrong = reason.reason
    return TriedField(
        path=mapped.platform,
        field=mapped.salesforce,
        direction=str(mapped.direction),
        document=text(value),
        written=written,
        wrong=wrong,
        salesforce=text(theirs.value if theirs else None),
        differs=theirs is not None and compiled.key(value) != compiled.key(theirs.value),
    )
