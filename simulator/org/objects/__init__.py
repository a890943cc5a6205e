"""The org's objects and their fields, read from the YAML files beside this module."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from importlib import resources
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.org.objects.listing import Brought, Listing


class FieldType(StrEnum):
    """`type` of a describe's field."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
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
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
        FieldType.EMAIL,
        FieldType.PHONE,
        FieldType.URL,
    }
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
    create_only: bool = False
    """May be given to a new record, and never changed."""
    unique: bool = False
    external_id: bool = False
    restricted: bool = False
    values: tuple[str, ...] = ()
    to: str = ""
    """The object that a reference points to."""
    also: tuple[str, ...] = ()
    """Other objects that a reference may point to."""
    relationship: str = ""
    children: str = ""
    """Of a reference: the relationship's name as seen from the parent, `Contacts`, `Orders__r`; empty: it has none."""
    formula: str = ""
    """What it is computed from, in Salesforce's formula language as far as `formula.py` speaks it. Never stored."""
    mirrors: str = ""
    """Of a person's Account: the field of its Contact that holds the same."""
    implies: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """By value: what other fields become when this one becomes it, unless the same save sets them. JSON values."""
    listing: Listing | None = None
    compound: str = ""
    """The compound field this one is a part of."""
    prefix: str = ""
    """For an address: what its parts' names begin with."""
    full_name: bool = False
    """Made of FirstName and LastName, as Salesforce makes a person's Name."""
    default: str = ""
    """`actor`: the acting user's id; else a literal: a text, or `true` or `false`."""

    @model_validator(mode="after")
    def _is_consistent(self) -> "FieldDefinition":
        if self.formula and not self.read_only:
            raise ValueError(f"{self.name}: a formula field is read only")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The objects that a reference may point to."""
        return (self.to, *self.also) if self.to else ()

    @property
    def custom(self) -> bool:
        """Whether an administrator made it."""
        return self.name.endswith(("__c", "__pc"))

    @property
    def stored(self) -> bool:
        """Whether it has a column: a compound address is put together from its parts."""
        return self.type is not FieldType.ADDRESS

    @property
    def written(self) -> bool:
        """Whether a value is put into its column: a formula's is computed there."""
        return self.stored and not self.formula

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

_INDEXED = frozenset({"SystemModstamp", "AccountId", "CampaignId", "ContactId", "LeadId", "ParentId", "ReportsToId"})

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

    unique_together: tuple[tuple[str, ...], ...] = ()
    """Fields whose values, where all are there, no two records may share."""
    one_of: tuple[str, ...] = ()
    """Fields of which a new record must be given one."""
    closed_by: str = ""
    """A boolean field: a record where it is true is changed no more."""
    brings: tuple[Brought, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> "ObjectDefinition":
        compounds = {one.compound for one in self.fields if one.compound}
        missing = compounds - {one.name for one in self.fields}
        if missing:
            raise ValueError(f"{self.name}: no such compound field: {sorted(missing)}")
        known = {one.name for one in self.fields}
        if len(known) < len(self.fields):
            raise ValueError(f"{self.name}: a field is described twice")
        named = {self.closed_by, *self.one_of, *(name for names in self.unique_together for name in names)} - {""}
        named |= {name for one in self.fields for made in one.implies.values() for name in made}
        if named - known:
            raise ValueError(f"{self.name}: no such field: {sorted(named - known)}")
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
    def written(self) -> tuple[FieldDefinition, ...]:
        """The fields whose values are put into a column."""
        return tuple(one for one in self.fields if one.written)

    @cached_property
    def implying(self) -> tuple[FieldDefinition, ...]:
        """Fields whose value says what others become."""
        return tuple(one for one in self.fields if one.implies)

    @cached_property
    def listed(self) -> tuple[tuple[FieldDefinition, Listing], ...]:
        """Fields whose values other records list."""
        return tuple((one, one.listing) for one in self.fields if one.listing is not None)

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
        """Every column of a new record: its literal default, false for a boolean without one, else null."""
        return {one.name: _default(one) for one in self.columns}

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


def _default(field: FieldDefinition) -> str | int | None:
    if field.type is FieldType.BOOLEAN:
        return int(field.default == "true")
    return field.default if field.default and field.default != "actor" else None


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

    def children_of(self, definition: ObjectDefinition) -> dict[str, tuple[ObjectDefinition, FieldDefinition]]:
        """Child relationships by lower-case name: `contacts` to Contact and its AccountId."""
        return {
            field.children.lower(): (child, field)
            for child in self
            for field in child.fields
            if field.to == definition.name and field.children
        }

    def references_to(self, name: str) -> Iterator[tuple[ObjectDefinition, FieldDefinition]]:
        """The lookups by which records of any object are children of this object's."""
        for definition in self:
            for field in definition.fields:
                if name in field.targets and field.name != MASTER:
                    yield definition, field

    def __getitem__(self, name: str) -> ObjectDefinition:
        return self._by_name[name]


def load_objects(added: Iterable[Mapping[str, Any]] = (), *, person_accounts: bool = False) -> Objects:
    """The objects described by the YAML files of this package, and by what is added to them.

    What is added is described as those files describe it: a new object, or fields for one that is there.

    Raises:
        ValueError: it is described wrongly (pydantic's `ValidationError`), twice, or points to what is not there.
    """
    described: dict[str, dict[str, Any]] = {}
    for file in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".yaml"):
            one = yaml.safe_load(file.read_text(encoding="utf-8"))
            described[one["name"]] = one
    for one in added:
        _add(described, one)
    if person_accounts:
        for one in _person_accounts(described["Contact"]["fields"]):
            _add(described, one)
    definitions = [
        ObjectDefinition.model_validate(one | {"fields": [*_SYSTEM, *one.get("fields", ())]})
        for one in described.values()
    ]
    _check_references(definitions)
    return Objects(definitions)


def _add(described: dict[str, dict[str, Any]], one: Mapping[str, Any]) -> None:
    name = str(one.get("name", ""))
    there = described.get(name, {"fields": []})
    described[name] = there | dict(one) | {"fields": [*there["fields"], *one.get("fields", ())]}


def _person_accounts(contact_fields: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What Person Accounts add; each custom field of Contact is one of Account's too, `X__pc` for `X__c`."""
    file = resources.files(__package__).joinpath("extensions/person_accounts.yaml")
    added: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for field in contact_fields:
        name = str(field["name"])
        if name.endswith("__c") and field["type"] != "reference" and not field.get("formula"):
            mirror = {"name": name.removesuffix("c") + "pc", "mirrors": name, "unique": False, "external_id": False}
            added[0]["fields"].append(dict(field) | mirror)
    return added


_SYSTEM = [one.model_dump() for one in _SYSTEM_FIELDS]


def _check_references(definitions: Iterable[ObjectDefinition]) -> None:
    names, prefixes = {one.name for one in definitions}, set[str]()
    for definition in definitions:
        if definition.key_prefix in prefixes:
            raise ValueError(f"{definition.name}: its key prefix is another object's: {definition.key_prefix}")
        prefixes.add(definition.key_prefix)
        for field in definition.fields:
            if (field.type is FieldType.REFERENCE) != bool(field.to) or not names.issuperset(field.targets):
                raise ValueError(f"{definition.name}.{field.name}: a reference, and nothing else, names an object")
