"""How the custom fields and objects of a mapping are made in an org: their types and sizes."""

from collections.abc import Mapping as Map
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from schemas.field_mapping import Direction, FieldMapping, Transform
from schemas.mapping import KindMapping, Mapping
from schemas.place import LEAD

KEY_LENGTH: Final = 255
LONG_TEXT: Final = 32_000
CHILDREN_LENGTH: Final = 40
"""Of the name of a relationship."""
FieldType = Literal[
    "Checkbox", "Currency", "Date", "DateTime", "Email", "LongTextArea", "Lookup", "Number", "Percent", "Phone",
    "Picklist", "MultiselectPicklist", "Text", "Url",
]  # fmt: skip


class CustomField(BaseModel):
    """One custom field. Members are those of the metadata type CustomField, as far as they are used here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: FieldType = "Text"
    label: str = ""
    """Made of the name where it is not given."""
    description: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    required: bool = False
    """The org refuses a record without it. Then everybody may see it, and no permission set can say so."""
    unique: bool = False
    external_id: bool = False
    case_sensitive: bool = False
    values: tuple[str, ...] = ()
    """Of a picklist, which is restricted to them."""
    to: str = ""
    """Of a lookup: the object that it names records of."""
    children: str = ""
    """Of a lookup: the name of the relationship from there."""


class CustomObject(BaseModel):
    """One custom object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    plural: str
    numbered: str = Field(default="", pattern=r"^$|\{0+\}")
    """How the org numbers its records: `O-{000000}`. Empty: each has a name of its own."""


class Descriptions(BaseModel):
    """`fields.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objects: dict[str, CustomObject] = {}
    fields: dict[str, CustomField] = {}
    """By object and field: `Contact.Last_Event__c`."""


def described() -> Descriptions:
    """What is known of the presets' custom objects and fields."""
    return Descriptions.model_validate(yaml.safe_load(files(__package__).joinpath("fields.yaml").read_text("utf-8")))


def custom_fields(mapping: Mapping, known: Descriptions) -> dict[str, CustomField]:
    """Every custom field that the mapping needs, by object and field, in order."""
    kinds = [(name, whole, kind) for name, whole in mapping.kinds.items() for _where, kind in whole.by_object()]
    found: dict[str, CustomField] = {}
    for name, whole, kind in kinds:
        for mapped in kind.fields:
            key = f"{kind.sobject}.{mapped.salesforce}"
            if is_custom(mapped.salesforce):
                # A Lead's field is of the same type as the Contact's, or it could not be carried over by a conversion.
                alike = known.fields.get(f"{whole.sobject}.{mapped.salesforce}")
                found[key] = known.fields.get(key) or alike or _guessed(mapping, mapped)
            if mapped.lead is not None and is_custom(mapped.lead):
                key = f"{kind.sobject}.{mapped.lead}"
                found[key] = known.fields.get(key) or CustomField(type="Lookup", to=LEAD)
        for each in filter(is_custom, kind.defaults):
            key = f"{kind.sobject}.{each}"
            found[key] = known.fields.get(key) or CustomField(length=KEY_LENGTH)
        found |= {f"{kind.sobject}.{field}": made for field, made in _own(name, kind).items() if is_custom(field)}
    return _with_children(dict(sorted(found.items())))


def custom_objects(mapping: Mapping, known: Descriptions) -> dict[str, CustomObject]:
    """Every custom object that the mapping is kept in, by name, in order."""
    return {
        sobject: known.objects.get(sobject) or _guessed_object(mapping, sobject)
        for sobject in sorted(filter(is_custom, mapping.objects()))
    }


def is_custom(name: str) -> bool:
    """Whether a field or an object is an admin's, and not one of Salesforce's or of a package."""
    return name.endswith("__c") and name.count("__") == 1


def _own(name: str, kind: KindMapping) -> dict[str, CustomField]:
    """The two fields of a kind that are Tandem's own."""
    return {
        kind.external_id: CustomField(
            length=KEY_LENGTH,
            unique=True,
            external_id=True,
            case_sensitive=True,
            description=f"The id of the platform's {name}. Tandem alone writes it.",
        ),
        kind.token: CustomField(
            length=KEY_LENGTH,
            description="The last write of Tandem's that landed. It changes with every one; Tandem alone writes it.",
        ),
    }


def _guessed(mapping: Mapping, mapped: FieldMapping) -> CustomField:
    """Of a field that nobody has described: what its transform lets through."""
    if mapped.lookup is not None:
        return CustomField(type="Lookup", to=mapping.kinds[mapped.lookups[0]].sobject)
    for transform, made in _BY_TRANSFORM.items():
        if transform in mapped.transform:
            return made
    return CustomField(length=255)


_BY_TRANSFORM: Final[Map[Transform, CustomField]] = {
    Transform.DATE: CustomField(type="Date"),
    Transform.DATETIME: CustomField(type="DateTime"),
    Transform.NUMBER: CustomField(type="Number", precision=18, scale=2),
    Transform.PHONE_E164: CustomField(type="Phone"),
    Transform.BOOLEAN: CustomField(type="Checkbox"),
    Transform.MULTI_SELECT: CustomField(type="LongTextArea", length=LONG_TEXT),
}
"""The first that a field has; any other is a text."""


def _guessed_object(mapping: Mapping, sobject: str) -> CustomObject:
    label = sobject.removesuffix("__c").replace("_", " ")
    named = any(
        mapped.salesforce == "Name" and mapped.direction is not Direction.PULL
        for kind in mapping.kinds.values()
        if kind.sobject == sobject
        for mapped in kind.fields
    )
    return CustomObject(label=label, plural=f"{label}s", numbered="" if named else f"{label[0].upper()}-{{000000}}")


def _with_children(fields: dict[str, CustomField]) -> dict[str, CustomField]:
    """With a name for each relationship as its parent sees it; no parent has two of one name."""
    taken = {(field.to, field.children.casefold()) for field in fields.values() if field.children}
    made: dict[str, CustomField] = {}
    for key, field in fields.items():
        made[key] = field
        if field.type == "Lookup" and not field.children:
            name = _children(key)
            if len(name) > CHILDREN_LENGTH or (field.to, name.casefold()) in taken:
                mark = sha256(key.encode()).hexdigest()[:8]
                name = f"{name[: CHILDREN_LENGTH - len(mark) - 1].rstrip('_')}_{mark}"
            taken.add((field.to, name.casefold()))
            made[key] = field.model_copy(update={"children": name})
    return made


def _children(key: str) -> str:
    """`Ticket_Order_Contact` of `Ticket_Order__c.Contact__c`."""
    sobject, _, name = key.partition(".")
    return "_".join(part.removesuffix("__c").replace("__", "_") for part in (sobject, name))
