"""FROM: the object of a query and the parents its paths lead to, as SQL tables."""

from dataclasses import dataclass, field

from simulator.org.errors import SalesforceError
from simulator.org.objects import FieldDefinition, FieldType, ObjectDefinition, Objects
from simulator.org.soql.parse import at
from simulator.org.soql.query import Path
from simulator.org.store import folded_column

MOST_LEVELS = 5


@dataclass(slots=True)
class Source:
    """One table of the query."""

    definition: ObjectDefinition
    alias: str
    relationship: str = ""
    """Its name as seen from the child: `Account`."""
    parents: dict[str, "Source"] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    """Relationship names that lead here from the query's own object."""


class Sources:
    """Resolves paths. Parents are joined as they are first named; a missing parent makes its fields null."""

    def __init__(self, soql: str, objects: Objects, definition: ObjectDefinition, alias: str) -> None:
        self._soql = soql
        self._objects = objects
        self._alias = alias.lower()
        self.root = Source(definition, "t")
        self.joins: list[str] = []

    def resolve(self, path: Path) -> tuple[Source, FieldDefinition]:
        """The table and the field that a path means.

        Raises:
            SalesforceError: INVALID_FIELD.
        """
        names = path.names
        if len(names) > 1 and names[0].lower() in {self._alias, self.root.definition.name.lower()}:
            names = names[1:]
        source = self.root
        for name in names[:-1]:
            source = self._parent(source, name, path)
        found = source.definition.field(names[-1])
        if found is None:
            raise SalesforceError(
                "INVALID_FIELD",
                at(
                    self._soql,
                    path.column,
                    f"No such column '{names[-1]}' on entity '{source.definition.name}'. If you are attempting to use a"
                    " custom field, be sure to append the '__c' after the custom field name. Please reference your"
                    " WSDL or the describe call for the appropriate names.",
                ),
            )
        return source, found

    def filterable(self, path: Path) -> tuple[FieldDefinition, str]:
        """The field of a path and the SQL it is compared by.

        Raises:
            SalesforceError: INVALID_FIELD, also for a long text or a compound address.
        """
        source, found = self.resolve(path)
        if found.long_text or not found.stored:
            message = at(self._soql, path.column, f"field '{found.name}' can not be filtered in a query call")
            raise SalesforceError("INVALID_FIELD", message)
        return found, folded_column(found, source.alias)

    def sortable(self, path: Path) -> str:
        """The SQL a path is sorted by.

        Raises:
            SalesforceError: INVALID_FIELD, also for a long text or a compound address.
        """
        source, found = self.resolve(path)
        if found.long_text or not found.stored or found.type is FieldType.MULTIPICKLIST:
            message = at(self._soql, path.column, f"field '{found.name}' can not be sorted in a query call")
            raise SalesforceError("INVALID_FIELD", message)
        return folded_column(found, source.alias)

    def _parent(self, source: Source, name: str, path: Path) -> Source:
        reference = source.definition.relationships.get(name.lower())
        if reference is None or len(path.names) > MOST_LEVELS + 1:
            message = (
                f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom"
                " relationship, be sure to append the '__r' after the custom relationship name. Please reference your"
                " WSDL or the describe call for the appropriate names."
            )
            raise SalesforceError("INVALID_FIELD", at(self._soql, path.column, message))
        if reference.relationship not in source.parents:
            alias = f"p{len(self.joins)}"
            definition = self._objects[reference.to]
            self.joins.append(
                f'LEFT JOIN "{definition.name}" AS "{alias}" ON "{alias}"."Id" = "{source.alias}"."{reference.name}"'
            )
            source.parents[reference.relationship] = Source(
                definition, alias, reference.relationship, path=(*source.path, reference.relationship)
            )
        return source.parents[reference.relationship]
