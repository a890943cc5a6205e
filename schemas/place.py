"""An object in which records of a kind are kept, and what the kind's fields are called there.

A kind's fields are named by its own object. Of a person who is kept in a Lead until that is converted, they have other
names there, and some are missing: rows, changes and values to be written are translated where they come in and go out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.record_filter import Plain

LEAD: Final = "Lead"
LEAD_PREFIX: Final = "00Q"
"""What the id of a Lead begins with, in every org ("Object Prefix", Object Reference)."""
IS_CONVERTED: Final = "IsConverted"
CONVERTED_TO: Final = "ConvertedContactId"
_EVERYWHERE: Final = frozenset({"Id", "SystemModstamp", "CreatedDate", "LastModifiedDate", IS_CONVERTED})
"""Called the same in all objects."""


@dataclass(frozen=True, slots=True)
class Place:
    """One object of a kind's."""

    sobject: str
    external_id: str
    token: str
    names: Mapping[str, str]
    """Its fields that the kind maps, by the kind's names for them."""
    kinds_names: Mapping[str, str] = field(default_factory=dict)
    """The inverse, and the kind's names for the external id and the token; empty where all are called the same."""
    elsewhere: frozenset[str] = frozenset()
    """Of the kind's own object: fields that only its Leads have."""
    read_beside: tuple[str, ...] = ()
    """Fields that name Leads where lookups name nothing: they are read with the others."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """By the kind's name of a field: what stands here for no value."""
    defaults: Mapping[str, Plain] = field(default_factory=dict)
    """By the object's name of a field: what a record is made with besides."""
    is_lead: bool = False
    """Its records may be converted: another object's record takes their place."""

    def asked(self, fields: Iterable[str]) -> list[str]:
        """These fields of the kind's as they are called here, without those that are not kept here.

        Of a Lead it is asked besides whether it was converted.
        """
        if not self.kinds_names:
            return [name for name in fields if name not in self.elsewhere]
        here = {known: name for name, known in self.kinds_names.items()}
        found = [here.get(name, name) for name in fields if name in here or name in _EVERYWHERE]
        return [*found, IS_CONVERTED] if self.is_lead else found

    def read_fields(self) -> list[str]:
        """What is read of a record whole, as it is called here."""
        found = ["Id", "SystemModstamp", self.external_id, self.token, *self.names.values(), *self.read_beside]
        return [*found, IS_CONVERTED] if self.is_lead else found

    def incoming(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a record of this object says, by the kind's names. What the kind does not keep here is left out."""
        if not self.kinds_names:
            return values
        told: dict[str, Any] = {}
        for name, value in values.items():
            if name in _EVERYWHERE:
                told[name] = value
            elif known := self.kinds_names.get(name):
                told[known] = None if value is not None and value == self.placeholders.get(known) else value
        return told

    def outgoing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the kind's names as they are written here; those that are not kept here are left out."""
        if not self.kinds_names:
            return dict(values)
        return {
            self.names[name]: self.placeholders.get(name) if value in (None, "") else value
            for name, value in values.items()
            if name in self.names
        }

    def made_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What a record is made of here: these values, a placeholder where one is missing, and the defaults."""
        written = self.outgoing({**dict.fromkeys(self.placeholders), **values})
        return {**self.defaults, **written}
