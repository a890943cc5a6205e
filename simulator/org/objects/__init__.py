"""The org's objects and their fields, read from the YAML files beside this module."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cached_property
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator


class FieldType(StrEnum):
    """`type` of a describe's field."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    PICKLIST = "picklist"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"
    ADDRESS = "address"


TEXTS = frozenset(
    {FieldType.STRING, FieldType.TEXTAREA, FieldType.PICKLIST, FieldType.EMAIL, FieldType.PHONE, FieldType.URL}
)
NUMBERS = frozenset({FieldType.INT, FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})
IDS = frozenset({FieldType.ID, FieldType.REFERENCE})


class FieldDefinition(BaseModel):
    """One field of an object."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    type: FieldType
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    """Must hold a value, on create and after."""
    read_only: bool = False
    unique: bool = False
    external_id: bool = False
    restricted: bool = False
    values: tuple[str, ...] = ()
    to: str = ""
    """The object that a reference points to."""
    relationship: str = ""
    compound: str = ""
    """The compound field this one is a part of."""
    prefix: str = ""
    """For an address: what its parts' names begin with."""
    full_name: bool = False
    """Made of FirstName and LastName, as Salesforce makes a person's Name."""
    default: str = ""
    """`actor`: the acting user's id; else a literal `true` or `false`."""

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith("__c")

    @property
    def stored(self) -> bool:
        """Whether it has a column: a compound address is put together from its parts."""
        return self.type is not FieldType.ADDRESS

    @property
    def nillable(self) -> bool:
        """Whether it may be empty."""
        return not self.required and self.type is not FieldType.BOOLEAN and self.name not in _NEVER_EMPTY

    @property
    def long_text(self) -> bool:
        """A text that can be neither filtered nor sorted by."""
        return self.type is FieldType.TEXTAREA and self.length > 255

    @property
    def indexed(self) -> bool:
        """Whether lookups by it must be fast."""
        return self.unique or self.external_id or self.name in _INDEXED or self.type is FieldType.EMAIL


_NEVER_EMPTY = frozenset(
    {"Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "OwnerId"}
)

MASTER = "MasterRecordId"
"""Of a record that a merge has deleted: the record that was kept. Only what can be merged has this field."""

_INDEXED = frozenset({"SystemModstamp", "AccountId", "ParentId", "ReportsToId"})

AUDIT_FIELDS = ("CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp")

_SYSTEM_FIELDS = (
    FieldDefinition(name="Id", label="Record ID", type=FieldType.ID, length=18, read_only=True),
    FieldDefinition(name="IsDeleted", label="Deleted", type=FieldType.BOOLEAN, read_only=True),
    FieldDefinition(name="CreatedDate", label="Created Date", type=FieldType.DATETIME, read_only=True),
    FieldDefinition(
        name="CreatedById",
        label="Created By ID",
        type=FieldType.REFERENCE,
        to="User",
        relationship="CreatedBy",
        read_only=True,
    ),
    FieldDefinition(name="LastModifiedDate", label="Last Modified Date", type=FieldType.DATETIME, read_only=True),
    FieldDefinition(
        name="LastModifiedById",
        label="Last Modified By ID",
        type=FieldType.REFERENCE,
        to="User",
        relationship="LastModifiedBy",
        read_only=True,
    ),
    FieldDefinition(name="SystemModstamp", label="System Modstamp", type=FieldType.DATETIME, read_only=True),
)


class ObjectDefinition(BaseModel):
    """One sObject. `fields` holds the system fields as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    label: str
    plural: str
    key_prefix: str = Field(pattern=r"^[0-9A-Za-z]{3}$")
    fields: tuple[FieldDefinition, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> "ObjectDefinition":
        compounds = {one.compound for one in self.fields if one.compound}
        missing = compounds - {one.name for one in self.fields}
        if missing:
            raise ValueError(f"{self.name}: no such compound field: {sorted(missing)}")
        return self

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith("__c")

    @cached_property
    def by_name(self) -> dict[str, FieldDefinition]:
        """Fields by their exact name."""
        return {one.name: one for one in self.fields}

    @property
    def mergeable(self) -> bool:
        """Whether records can be merged."""
        return MASTER in self.by_name

    @cached_property
    def columns(self) -> tuple[FieldDefinition, ...]:
        """The fields that are stored."""
        return tuple(one for one in self.fields if one.stored)

    @cached_property
    def relationships(self) -> dict[str, FieldDefinition]:
        """Reference fields by lower-case relationship name: `account` to `AccountId`."""
        return {one.relationship.lower(): one for one in self.fields if one.relationship}

    @cached_property
    def required_on_create(self) -> tuple[str, ...]:
        """Fields that a new record must be given."""
        return tuple(one.name for one in self.fields if one.required)

    @cached_property
    def unique_fields(self) -> tuple[FieldDefinition, ...]:
        """Fields whose value no two records may share, in any case."""
        return tuple(one for one in self.fields if one.unique)

    @cached_property
    def key_fields(self) -> tuple[FieldDefinition, ...]:
        """Fields by which records are matched: unique ones and external ids."""
        return tuple(one for one in self.fields if one.unique or one.external_id)

    @cached_property
    def defaults(self) -> dict[str, str | float | int | None]:
        """Every column of a new record: false or the literal default of a boolean, else null."""
        return {one.name: int(one.default == "true") if one.type is FieldType.BOOLEAN else None for one in self.columns}

    @cached_property
    def actor_fields(self) -> tuple[str, ...]:
        """Fields that a new record gets the acting user's id in."""
        return tuple(one.name for one in self.fields if one.default == "actor")

    @cached_property
    def _by_lower(self) -> dict[str, FieldDefinition]:
        return {one.name.lower(): one for one in self.fields}

    def field(self, name: str) -> FieldDefinition | None:
        """A field by its name in any case."""
        return self.by_name.get(name) or self._by_lower.get(name.lower())

    def parts(self, compound: str) -> list[tuple[str, FieldDefinition]]:
        """The parts of a compound field under their names within it: `City` of MailingCity, `LastName` of Name."""
        prefix = self.by_name[compound].prefix
        return [(one.name.removeprefix(prefix), one) for one in self.fields if one.compound == compound]


class Objects:
    """Every object of the org."""

    def __init__(self, definitions: Iterable[ObjectDefinition]) -> None:
        self._by_name = {one.name: one for one in definitions}
        self._by_lower = {name.lower(): one for name, one in self._by_name.items()}
        self._by_prefix = {one.key_prefix: one for one in self._by_name.values()}

    def __iter__(self) -> Iterator[ObjectDefinition]:
        return iter(self._by_name.values())

    def get(self, name: str) -> ObjectDefinition | None:
        """An object by its name in any case."""
        return self._by_name.get(name) or self._by_lower.get(name.lower())

    def of_id(self, record_id: str) -> ObjectDefinition | None:
        """The object whose records' ids begin as this one does."""
        return self._by_prefix.get(record_id[:3])

    def references_to(self, name: str) -> Iterator[tuple[ObjectDefinition, FieldDefinition]]:
        """The lookups by which records of any object are children of this object's."""
        for definition in self:
            for field in definition.fields:
                if field.to == name and field.name != MASTER:
                    yield definition, field

    def __getitem__(self, name: str) -> ObjectDefinition:
        return self._by_name[name]


def load_objects() -> Objects:
    """The objects described by the YAML files of this package."""
    definitions = []
    for file in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            described = yaml.safe_load(file.read_text(encoding="utf-8"))
            system = [one.model_dump() for one in _SYSTEM_FIELDS]
            definitions.append(ObjectDefinition.model_validate(described | {"fields": system + described["fields"]}))
    return Objects(definitions)
