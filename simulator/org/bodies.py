"""Request bodies read as rows: field names in any case, values in their stored form."""

from collections.abc import Mapping
from typing import Any

from simulator.org.errors import SalesforceError, no_such_column
from simulator.org.objects import ObjectDefinition, Objects
from simulator.org.values import Check, Parser, Stored, check_of, parser_of

Values = dict[str, Stored]
"""What a caller sets: field name to stored value, None where it is cleared."""


class Reader:
    """Parsers and checks of one object, made once."""

    def __init__(self, definition: ObjectDefinition, objects: Objects) -> None:
        self.definition = definition
        self._parsers: dict[str, Parser] = {one.name: parser_of(one) for one in definition.columns}
        checks = ((one.name, check_of(one, objects)) for one in definition.columns)
        self.checks: dict[str, Check] = {name: check for name, check in checks if check is not None}

    def read(self, body: Mapping[str, Any], leave_out: frozenset[str] = frozenset()) -> Values:
        """The values of a JSON object; `attributes` and the members to leave out (lower case) are passed over.

        Raises:
            Unreadable: an unknown field, or a value of the wrong JSON type.
            SalesforceError: a field that may not be written, or a malformed id.
        """
        values: Values = {}
        read_only: list[str] = []
        for name, value in body.items():
            parser = self._parsers.get(name)
            if parser is None or (leave_out and name.lower() in leave_out):
                if name == "attributes" or name.lower() in leave_out:
                    continue
                name = self._exact(name)  # noqa: PLW2901
                parser = self._parsers.get(name)
            field = self.definition.by_name[name]
            if field.name == "Id":
                raise SalesforceError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
            if field.read_only or parser is None:
                read_only.append(field.name)
            else:
                values[field.name] = parser(value)
        if read_only:
            raise not_writable(read_only)
        return values

    def parse(self, name: str, value: Any) -> Stored:
        """One value of a field that exists."""
        return self._parsers[name](value)

    def _exact(self, name: str) -> str:
        field = self.definition.field(name)
        if field is None:
            raise no_such_column(name, self.definition.name)
        return field.name


def not_writable(names: list[str]) -> SalesforceError:
    """INVALID_FIELD_FOR_INSERT_UPDATE for these fields."""
    return SalesforceError(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and"
        " verify that it is read/write for your profile or permission set.",
        names,
    )
