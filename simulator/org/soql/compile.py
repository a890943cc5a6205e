"""Query to SQL: what is selected, from where, in which order; and rows back to records."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.org.errors import SalesforceError
from simulator.org.objects import IDS, FieldDefinition, ObjectDefinition, Objects
from simulator.org.rest.records import RecordView
from simulator.org.soql.conditions import ConditionCompiler
from simulator.org.soql.parse import at, malformed
from simulator.org.soql.query import Path, Query, Subselect
from simulator.org.soql.sources import Source, Sources
from simulator.org.values import Stored

MOST_OFFSET = 2000
MOST_LEVELS_DOWN = 5
"""Levels of children within children (SOQL reference, API version 58.0 and later)."""
_MOST_WITH_ALL_FIELDS = 200
_NO_LIMIT = -1


Execute = Callable[[str, Sequence[Stored]], Iterable[Sequence[Stored]]]
"""Runs SQL with its parameters."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a table's part of a row becomes a record, its parents within it."""

    view: RecordView
    id_index: int
    columns: tuple[tuple[str, int], ...]
    parents: tuple[tuple[str, "_Shape"], ...]

    def render(self, row: Sequence[Stored]) -> dict[str, Any] | None:
        if row[self.id_index] is None:
            return None
        record = self.view.render({name: row[index] for name, index in self.columns})
        for relationship, shape in self.parents:
            record[relationship] = shape.render(row)
        return record


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """SQL in parts, so that the whole result can be numbered first and read page by page."""

    sobject: str
    count: bool
    columns: str
    tables: str
    where: str
    order: str
    parameters: tuple[Stored, ...]
    limit: int
    offset: int
    shape: _Shape
    selected: tuple[tuple[tuple[str, ...], FieldDefinition], ...] = ()
    """What is selected, in order: the names that lead to a value in a record, and its field."""

    children: tuple["Children", ...] = ()

    def counting(self) -> str:
        """SQL for the number of rows, limit and offset left out."""
        return f"SELECT count(*) FROM {self.tables} WHERE {self.where}"

    def numbering(self) -> str:
        """SQL for the table numbers of all rows, in order; limit and offset are two more parameters."""
        return f'SELECT "t".number FROM {self.tables} WHERE {self.where}{self.order} LIMIT ? OFFSET ?'

    def reading(self) -> str:
        """SQL for rows in order; limit and offset are two more parameters."""
        return f"SELECT {self.columns} FROM {self.tables} WHERE {self.where}{self.order} LIMIT ? OFFSET ?"

    def rereading(self) -> str:
        """SQL for the rows of given table numbers (a JSON list), each led by its number."""
        chosen = '"t".number IN (SELECT value FROM json_each(?))'
        return f'SELECT "t".number, {self.columns} FROM {self.tables} WHERE {chosen}'

    def record(self, row: Sequence[Stored]) -> dict[str, Any]:
        """A row as a record, without children."""
        return self.shape.render(row) or {}

    def records(self, rows: Sequence[Sequence[Stored]], execute: Execute) -> list[dict[str, Any]]:
        """Rows as records, each with its children."""
        records = [self.record(row) for row in rows]
        ids = [str(row[self.shape.id_index]) for row in rows]
        for children in self.children:
            found = children.of(ids, execute)
            for record, record_id in zip(records, ids, strict=True):
                record[children.relationship] = found.get(record_id)
        return records


@dataclass(frozen=True, slots=True)
class Children:
    """A query of children within a query: run once for a page of parents."""

    relationship: str
    reference: str
    """The child's field that names its parent."""
    query: CompiledQuery

    def of(self, parent_ids: Sequence[str], execute: Execute) -> dict[str, dict[str, Any]]:
        """The block of children of each parent that has any."""
        query = self.query
        chosen = f'"t"."{self.reference}" IN (SELECT value FROM json_each(?)) AND {query.where}'
        sql = f'SELECT "t"."{self.reference}", {query.columns} FROM {query.tables} WHERE {chosen}{query.order}'
        rows = execute(sql, (orjson.dumps(list(parent_ids)).decode(), *query.parameters))
        by_parent: dict[str, list[Sequence[Stored]]] = {}
        for row in rows:
            mine = by_parent.setdefault(str(row[0]), [])
            mine.append(row[1:])
        told = {}
        for parent_id, mine in by_parent.items():
            end = None if query.limit == _NO_LIMIT else query.offset + query.limit
            records = query.records(mine[query.offset : end], execute)
            if records:
                told[parent_id] = {"totalSize": len(records), "done": True, "records": records}
        return told


def compile_query(soql: str, query: Query, objects: Objects, *, now: int, root: str, deleted: bool) -> CompiledQuery:
    """SQL for a query. `now` is epoch milliseconds, `root` leads the records' addresses, `deleted` is queryAll.

    Raises:
        SalesforceError: the query asks for what the org does not have or does not do.
    """
    definition = objects.get(query.sobject)
    if definition is None:
        message = (
            f"sObject type '{query.sobject}' is not supported. If you are attempting to use a custom object, be sure to"
            " append the '__c' after the entity name. Please reference your WSDL or the describe call for the"
            " appropriate names."
        )
        column = soql.lower().find(query.sobject.lower(), soql.lower().find("from")) + 1
        raise SalesforceError("INVALID_TYPE", at(soql, column, message))
    return _Compiler(soql, objects, now=now, root=root, deleted=deleted).compile(query, definition)


class _Compiler:
    """Compiles a query and those within it."""

    def __init__(self, soql: str, objects: Objects, *, now: int, root: str, deleted: bool) -> None:
        self._soql = soql
        self._objects = objects
        self._now = now
        self._root = root
        self._deleted = deleted

    def compile(self, query: Query, definition: ObjectDefinition, level: int = 0) -> CompiledQuery:
        """SQL for a query of this object, at this level of children.

        Raises:
            SalesforceError: as `compile_query`.
        """
        _check_limits(query)
        sources = Sources(self._soql, self._objects, definition, query.alias)
        selection = _Selection(self._soql, sources, self._root)
        for path in _paths(query, definition):
            selection.add(path)
        conditions = ConditionCompiler(self._soql, sources, self._now, self._subselect)
        where = "1" if query.where is None else conditions.compile(query.where)
        if not self._deleted:
            where = f'"t"."IsDeleted" = 0 AND {where}'
        order = _order(query, sources)
        shape = selection.shape()
        return CompiledQuery(
            sobject=definition.name,
            count=query.count,
            columns=", ".join(selection.columns),
            tables=" ".join([f'"{definition.name}" AS "t"', *sources.joins]),
            where=where,
            order=order,
            parameters=tuple(conditions.parameters),
            limit=_NO_LIMIT if query.limit is None else query.limit,
            offset=query.offset,
            shape=shape,
            selected=tuple(selection.selected),
            children=tuple(self._children(one, definition, level + 1) for one in query.children),
        )

    def _children(self, query: Query, definition: ObjectDefinition, level: int) -> Children:
        found = self._objects.children_of(definition).get(query.sobject.lower())
        if found is None or level > MOST_LEVELS_DOWN or query.count:
            message = (
                f"Didn't understand relationship '{query.sobject}' in FROM part of query call. If you are attempting to"
                " use a custom relationship, be sure to append the '__r' after the custom relationship name. Please"
                " reference your WSDL or the describe call for the appropriate names."
            )
            column = self._soql.lower().find(query.sobject.lower()) + 1
            raise SalesforceError("INVALID_TYPE", at(self._soql, column, message))
        child, reference = found
        return Children(reference.children, reference.name, self.compile(query, child, level))

    def _subselect(self, condition: Subselect, field: FieldDefinition) -> tuple[str, Sequence[Stored]]:
        """A semi-join's own query: one plain field, of the kind that it is compared with."""
        inner = condition.query
        definition = self._objects.get(inner.sobject)
        plain = len(inner.fields) == 1 and not (inner.children or inner.macros or inner.order)
        if definition is None or not plain or inner.limit is not None or inner.offset:
            raise malformed("A semi-join query selects one field of one object, without ORDER BY or LIMIT")
        query = self.compile(inner, definition)
        sources = Sources(self._soql, self._objects, definition, inner.alias)
        selected, expression = sources.filterable(inner.fields[0])
        if sources.joins or (selected.type in IDS) != (field.type in IDS):
            raise malformed("A semi-join compares an id with an id, or a field with one of its own kind")
        where = f"{query.where} AND {expression} IS NOT NULL"
        return f"SELECT {expression} FROM {query.tables} WHERE {where}", query.parameters


def _order(query: Query, sources: Sources) -> str:
    """ORDER BY; empty where none is asked for, for then Salesforce promises none."""
    if not query.order:
        return ""
    parts = []
    for one in query.order:
        direction = "DESC" if one.descending else "ASC"
        parts.append(f"{sources.sortable(one.path)} {direction} NULLS {'LAST' if one.nulls_last else 'FIRST'}")
    return f' ORDER BY {", ".join(parts)}, "t".number'


class _Selection:
    """The selected columns, and which field of which table each is."""

    def __init__(self, soql: str, sources: Sources, root: str) -> None:
        self._soql = soql
        self._sources = sources
        self._root = root
        self._chosen: dict[str, list[FieldDefinition]] = {}
        self.columns: list[str] = []
        self.selected: list[tuple[tuple[str, ...], FieldDefinition]] = []

    def add(self, path: Path) -> None:
        source, field = self._sources.resolve(path)
        chosen = self._chosen.setdefault(source.alias, [])
        if field in chosen:
            raise SalesforceError(
                "INVALID_FIELD", at(self._soql, path.column, f"duplicate field selected: {field.name}")
            )
        chosen.append(field)
        self.selected.append(((*source.path, field.name), field))

    def shape(self) -> _Shape:
        return self._shape_of(self._sources.root)

    def _shape_of(self, source: Source) -> _Shape:
        chosen = self._chosen.get(source.alias, [])
        names = {"Id": None} | {
            one.name: None
            for field in chosen
            for one in ([field] if field.stored else [part for _, part in source.definition.parts(field.name)])
        }
        first = len(self.columns)
        self.columns += [f'"{source.alias}"."{name}"' for name in names]
        columns = tuple((name, first + place) for place, name in enumerate(names))
        view = RecordView(source.definition, chosen, self._root)
        # A parent named only in WHERE is joined, not shown.
        parents = tuple((name, self._shape_of(one)) for name, one in source.parents.items() if self._shown(one))
        return _Shape(view, first, columns, parents)

    def _shown(self, source: Source) -> bool:
        return source.alias in self._chosen or any(self._shown(one) for one in source.parents.values())


def _paths(query: Query, definition: ObjectDefinition) -> list[Path]:
    paths = list(query.fields)
    for macro in query.macros:
        if macro not in {"ALL", "STANDARD", "CUSTOM"}:
            raise malformed(f"FIELDS({macro}) is not known: it takes ALL, STANDARD or CUSTOM")
        if macro != "STANDARD" and (query.limit is None or query.limit > _MOST_WITH_ALL_FIELDS):
            raise malformed(f"The SOQL FIELDS function must have a LIMIT of at most {_MOST_WITH_ALL_FIELDS}")
        paths += [
            Path((field.name,), 1)
            for field in definition.fields
            if macro == "ALL" or field.custom == (macro == "CUSTOM")
        ]
    return paths


def _check_limits(query: Query) -> None:
    if query.offset > MOST_OFFSET:
        message = f"Maximum SOQL offset allowed is {MOST_OFFSET}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", message)
    if query.offset < 0 or (query.limit is not None and query.limit < 0):
        raise malformed("LIMIT and OFFSET cannot be negative")
    if query.count and query.order:
        raise malformed("Ordered field is not allowed with COUNT()")
