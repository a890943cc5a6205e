"""Records as REST shows them."""

from collections.abc import Iterable, Mapping
from typing import Any

from simulator.org.errors import no_such_column
from simulator.org.objects import FieldDefinition, FieldType, ObjectDefinition
from simulator.org.values import Renderer, Stored, rest_renderer

_ADDRESS_PARTS = {
    "City": "city",
    "Country": "country",
    "GeocodeAccuracy": "geocodeAccuracy",
    "Latitude": "latitude",
    "Longitude": "longitude",
    "PostalCode": "postalCode",
    "State": "state",
    "Street": "street",
}
_WITHOUT_AN_ADDRESS = dict.fromkeys(_ADDRESS_PARTS.values())


class RecordView:
    """A choice of one object's fields, rendered again and again."""

    def __init__(self, definition: ObjectDefinition, fields: Iterable[FieldDefinition], root: str) -> None:
        self._definition = definition
        self._plain: list[tuple[str, Renderer | None]] = []
        self._addresses: list[FieldDefinition] = []
        for field in fields:
            if field.type is FieldType.ADDRESS:
                self._addresses.append(field)
            else:
                self._plain.append((field.name, rest_renderer(field)))
        self._url = f"{root}/sobjects/{definition.name}/"

    def render(self, row: Mapping[str, Stored]) -> dict[str, Any]:
        """The record with its `attributes`."""
        told: dict[str, Any] = {
            "attributes": {"type": self._definition.name, "url": f"{self._url}{row['Id']}"},
        }
        for name, render in self._plain:
            value = row[name]
            told[name] = value if value is None or render is None else render(value)
        for field in self._addresses:
            told[field.name] = address(self._definition, field, row)
        return told


def address(definition: ObjectDefinition, field: FieldDefinition, row: Mapping[str, Stored]) -> dict[str, Any] | None:
    """A compound address put together from its parts; null where all are empty."""
    parts = {_ADDRESS_PARTS[part]: row[one.name] for part, one in definition.parts(field.name)}
    if all(value is None for value in parts.values()):
        return None
    return _WITHOUT_AN_ADDRESS | parts


def fields_named(definition: ObjectDefinition, names: Iterable[str]) -> list[FieldDefinition]:
    """The fields of these names, in any case, each once.

    Raises:
        SalesforceError: there is no such field.
    """
    fields: dict[str, FieldDefinition] = {}
    for name in names:
        field = definition.field(name)
        if field is None:
            raise no_such_column(name, definition.name)
        fields[field.name] = field
    return list(fields.values())
