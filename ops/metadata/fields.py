"""How the custom fields and objects of a mapping are made in an org: their types and sizes."""

from importlib.resources import files
from typing import Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from schemas.field_mapping import FieldMapping, Transform
from schemas.mapping import KindMapping, Mapping
from schemas.place import LEAD

KEY_LENGTH: Final = 255
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
    """One custom object. Its records are numbered by the org."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    plural: str
    numbered: str = Field(pattern=r"\{0+\}")
    """How: `O-{000000}`."""


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
                guessed = CustomField(type="Lookup", to=LEAD, children=f"{mapped.lead.removesuffix('__c')}_of")
                found[f"{kind.sobject}.{mapped.lead}"] = known.fields.get(f"{kind.sobject}.{mapped.lead}") or guessed
        for each in filter(is_custom, kind.defaults):
            key = f"{kind.sobject}.{each}"
            found[key] = known.fields.get(key) or CustomField(length=KEY_LENGTH)
        found |= {f"{kind.sobject}.{field}": made for field, made in _own(name, kind).items() if is_custom(field)}
    return dict(sorted(found.items()))


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
        parent = mapping.kinds[mapped.lookups[0]].sobject
        return CustomField(type="Lookup", to=parent, children=mapped.salesforce.removesuffix("__c") + "_of")
    if Transform.DATE in mapped.transform:
        return CustomField(type="Date")
    if Transform.NUMBER in mapped.transform:
        return CustomField(type="Number", precision=18, scale=2)
    if Transform.PHONE_E164 in mapped.transform:
        return CustomField(type="Phone")
    if Transform.BOOLEAN in mapped.transform:
        return CustomField(type="Checkbox")
    return CustomField(length=255)
