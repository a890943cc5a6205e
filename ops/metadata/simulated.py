"""A mapping's metadata as the simulated org takes it: the custom objects and fields that an admin would deploy."""

from collections.abc import Mapping as Map
from typing import Any, Final

import yaml

from ops.metadata.fields import (
    CustomField,
    Descriptions,
    FieldType,
    custom_fields,
    custom_objects,
    described,
    is_custom,
)
from schemas.mapping import Mapping
from simulator.org.objects import load_objects

_TYPES: Final[Map[FieldType, str]] = {
    "Checkbox": "boolean",
    "Currency": "currency",
    "Date": "date",
    "DateTime": "datetime",
    "Email": "email",
    "LongTextArea": "textarea",
    "Lookup": "reference",
    "Number": "double",
    "Percent": "percent",
    "Phone": "phone",
    "Picklist": "picklist",
    "MultiselectPicklist": "multipicklist",
    "Text": "string",
    "Url": "url",
}
_LENGTHS: Final[Map[FieldType, int]] = {
    "Email": 80,
    "Phone": 40,
    "Picklist": 255,
    "MultiselectPicklist": 4_099,
    "Url": 255,
}
"""Of types that have theirs from Salesforce."""
_FIRST_PREFIX: Final = 0xA00
"""Custom objects' record ids begin with a letter and two digits, a00 for the first."""


def org_schema(mapping: Mapping, known: Descriptions | None = None) -> list[dict[str, Any]]:
    """What the simulated org lacks for this mapping: new objects, and new fields of those that are there."""
    known = known or described()
    there = {one.name: {field.name for field in one.fields} for one in load_objects()}
    wanted: dict[str, list[dict[str, Any]]] = {}
    for key, field in custom_fields(mapping, known).items():
        sobject, _, name = key.partition(".")
        if name not in there.get(sobject, ()):
            wanted.setdefault(sobject, []).append(_field(name, field))
    made: list[dict[str, Any]] = []
    objects = custom_objects(mapping, known)
    new = sorted(sobject for sobject in wanted if sobject not in there and is_custom(sobject))
    for sobject, fields in wanted.items():
        one: dict[str, Any] = {"name": sobject, "fields": fields}
        if sobject in new:
            told = objects[sobject]
            one |= {"label": told.label, "plural": told.plural}
            one |= {"key_prefix": f"{_FIRST_PREFIX + new.index(sobject):03x}"}
            named = {"name": "Name", "label": f"{told.label} Name", "type": "string", "length": 80}
            one["fields"] = [{**named, "read_only": True} if told.numbered else named, *fields]
        made.append(one)
    return made


def schema_file(mapping: Mapping) -> str:
    """The same as the text of the file that `SIMULATED_ORG_SCHEMA_FILE` names."""
    return yaml.safe_dump({"objects": org_schema(mapping)}, sort_keys=False)


def _field(name: str, field: CustomField) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "label": field.label or name.removesuffix("__c").replace("_", " ")}
    made["type"] = _TYPES[field.type]
    sizes = {"length": field.length or _LENGTHS.get(field.type), "precision": field.precision, "scale": field.scale}
    made |= {size: value for size, value in sizes.items() if value is not None}
    made |= {mark: True for mark in ("required", "unique", "external_id") if getattr(field, mark)}
    if field.type == "Checkbox":
        made["default"] = "false"
    if field.values:
        made |= {"values": list(field.values), "restricted": True}
    if field.type == "Lookup":
        made |= {"to": field.to, "relationship": f"{name.removesuffix('c')}r"}
        made |= {"children": f"{field.children}__r"} if field.children else {}
    return made
