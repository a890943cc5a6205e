"""Queries of callers, checked against the mapping: raw SOQL, and questions as JSON. Pure; both end in the builder.

Every fault is named in one answer. What Salesforce is asked is written anew from what was understood, so a caller's
text is never passed on, and no more rows are asked for than the caller may have.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from adapters.salesforce import soql
from adapters.salesforce.query_scope import OutOfScope, QueryScope
from adapters.salesforce.soql import (
    SYSTEM_TIMES,
    URI_BYTES,
    Compare,
    Condition,
    In,
    InSelect,
    Like,
    Matches,
    Operator,
    Order,
    Select,
    Value,
    encoded_length,
)
from adapters.salesforce.soql_filter import value_of
from adapters.salesforce.soql_reading import Named, read_soql
from adapters.salesforce.soql_words import SoqlFault
from schemas.field_mapping import FieldMapping, Transform
from schemas.mapping import KindMapping
from schemas.record_query import AllHold, AnyHolds, FieldTest, NoneHolds, Plain, QueryCondition, RecordQuery

MOST_ROWS: Final = 2_000
TOO_LONG: Final = "the query is too long for one call: ask for fewer values at a time"
SEMI_JOINS: Final = 2
"""Queries within one condition that Salesforce takes."""


class QueryRefused(Exception):
    """A query that is not asked; `faults` names everything that is wrong with it, without any value."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def checked_soql(text: str, scope: QueryScope, *, most_rows: int = MOST_ROWS) -> Select:
    """One SELECT over mapped objects and fields, with its LIMIT added or lowered to `most_rows`.

    Raises:
        QueryRefused: with every fault.
    """
    if len(text) > soql.STATEMENT_CHARACTERS:
        raise QueryRefused([f"a statement holds at most {soql.STATEMENT_CHARACTERS} characters"])
    reading = read_soql(text)
    names = _Names(scope)
    for one in reading.objects:
        names.judge_object(one)
    for named in reading.names:
        names.judge_field(named)
    faults = [*reading.faults, *names.faults]
    if reading.select is not None:
        faults += _beyond(reading.select)
    if faults or reading.select is None:
        ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.place)
        raise QueryRefused([str(fault) for fault in ordered])
    return _limited(names.spelled(reading.select), most_rows)


def built_query(query: RecordQuery, scope: QueryScope, *, most_rows: int = MOST_ROWS) -> Select:
    """The SELECT that a question in JSON means.

    Raises:
        QueryRefused: with every fault.
    """
    asked = _Asked(scope, query.object)
    if asked.faults:
        raise QueryRefused(asked.faults)
    fields = tuple(asked.name(each) for each in query.fields)
    where = None if query.conditions is None else asked.condition(query.conditions)
    order = tuple(Order(asked.name(each.field), each.descending) for each in query.order)
    if order and not fields:
        asked.faults.append("order: a count has none")
    if asked.faults:
        raise QueryRefused(list(dict.fromkeys(asked.faults)))
    select = Select(tuple(dict.fromkeys(fields)), asked.sobject, where, order, query.limit, query.offset)
    return _limited(select, most_rows)


def _limited(select: Select, most_rows: int) -> Select:
    if select.fields:
        select = replace(select, limit=most_rows if select.limit is None else min(select.limit, most_rows))
    try:
        length = encoded_length(str(select))
    except ValueError as problem:
        raise QueryRefused([str(problem)]) from None
    if length > URI_BYTES:
        raise QueryRefused([TOO_LONG])
    return select


class _Names:
    """The names of one query, judged in their order."""

    def __init__(self, scope: QueryScope) -> None:
        self._scope = scope
        self.faults: list[SoqlFault] = []

    def judge_object(self, named: Named) -> None:
        try:
            self._scope.sobject(named.sobject)
        except OutOfScope as problem:
            self.faults.append(SoqlFault(str(problem), named.place))

    def judge_field(self, named: Named) -> None:
        try:
            sobject = self._scope.sobject(named.sobject)
        except OutOfScope:
            return  # told of the object
        try:
            self._scope.field(sobject, named.path)
        except OutOfScope as problem:
            self.faults.append(SoqlFault(str(problem), named.place))

    def spelled(self, select: Select) -> Select:
        """The same, with names as Salesforce spells them. Every one has been judged."""
        sobject = self._scope.sobject(select.sobject)

        def name(path: str) -> str:
            return self._scope.field(sobject, path)

        return replace(
            select,
            fields=tuple(dict.fromkeys(map(name, select.fields))),
            sobject=sobject,
            where=None if select.where is None else self._spelled(select.where, name),
            order=tuple(replace(each, field=name(each.field)) for each in select.order),
        )

    def _spelled(self, condition: Condition, name: Callable[[str], str]) -> Condition:
        match condition:
            case soql.AllOf(parts) | soql.AnyOf(parts):
                return replace(condition, parts=tuple(self._spelled(part, name) for part in parts))
            case soql.Not(part):
                return soql.Not(self._spelled(part, name))
            case InSelect():
                return replace(condition, field=name(condition.field), select=self.spelled(condition.select))
            case Compare() | Like() | Matches() | In() | soql.Includes():
                return replace(condition, field=name(condition.field))


def _beyond(select: Select) -> list[SoqlFault]:
    """What Salesforce itself would not take of what was read."""
    faults = []
    if select.offset is not None and select.offset > soql.LARGEST_OFFSET:
        faults.append(SoqlFault(f"OFFSET is at most {soql.LARGEST_OFFSET}", 1))
    if not select.fields and select.order:
        faults.append(SoqlFault("COUNT() has no ORDER BY", 1))
    joins = [] if select.where is None else list(_joins(select.where))
    if len(joins) > SEMI_JOINS:
        faults.append(SoqlFault(f"at most {SEMI_JOINS} queries within the conditions", 1))
    if any(inner.where is not None and list(_joins(inner.where)) for inner in joins):
        faults.append(SoqlFault("a query within a condition holds no other", 1))
    return faults


def _joins(condition: Condition) -> list[Select]:
    match condition:
        case soql.AllOf(parts) | soql.AnyOf(parts):
            return [join for part in parts for join in _joins(part)]
        case soql.Not(part):
            return _joins(part)
        case InSelect(_, select):
            return [select]
        case _:
            return []


class _Asked:
    """A question's names and values, in the platform's words where its object is a kind."""

    def __init__(self, scope: QueryScope, object_: str) -> None:
        self._scope = scope
        self.faults: list[str] = []
        self._kind: KindMapping | None = scope.kind(object_)
        self.sobject = ""
        try:
            self.sobject = self._kind.sobject if self._kind is not None else scope.sobject(object_)
        except OutOfScope as problem:
            self.faults.append(f"object: {problem}")

    def name(self, field: str) -> str:
        """Salesforce's name of a field; a fault, and the field as it was, where it has none."""
        mapped = self._by_path(field)
        if mapped is not None:
            return mapped.salesforce
        try:
            return self._scope.field(self.sobject, field)
        except OutOfScope as problem:
            self.faults.append(str(problem))
            return field

    def condition(self, condition: QueryCondition) -> Condition:
        """The same in SOQL."""
        match condition:
            case AllHold(all=parts):
                return soql.AllOf(tuple(map(self.condition, parts)))
            case AnyHolds(any=parts):
                return soql.AnyOf(tuple(map(self.condition, parts)))
            case NoneHolds(none=parts):
                return soql.Not(soql.AnyOf(tuple(map(self.condition, parts))))
            case FieldTest():
                return self._test(condition)

    def _test(self, test: FieldTest) -> Condition:
        column = self.name(test.field)
        several = test.value if isinstance(test.value, tuple) else ()
        match test.is_:
            case "in" | "not_in":
                return In(column, tuple(self._value(test.field, column, one) for one in several), test.is_ == "not_in")
            case "includes":
                return soql.Includes(column, tuple((str(one),) for one in several))
            case "starts_with":
                return Like(column, starts=str(test.value))
            case "ends_with":
                return Like(column, ends=str(test.value))
            case "contains":
                return Like(column, holds=str(test.value))
            case _:
                value = None if isinstance(test.value, tuple) else test.value
                return Compare(column, Operator(test.is_), self._value(test.field, column, value))

    def _value(self, field: str, column: str, value: Plain) -> Value:
        if value is None:
            return None
        mapped = self._by_path(field)
        try:
            if mapped is not None:
                return value_of(mapped, value)
            return _typed(column.rpartition(".")[2], self._scope.mapped(self.sobject, column), value)
        except ValueError:
            self.faults.append(f"{field}: a value that it cannot have")
            return None

    def _by_path(self, field: str) -> FieldMapping | None:
        """A field of the kind by the platform's path."""
        fields = () if self._kind is None else self._kind.fields
        return next((each for each in fields if each.platform == field), None)


def _typed(name: str, mapped: FieldMapping | None, value: str | int | float | bool) -> Value:
    """Salesforce's own value, of the type that SOQL compares the field by: dates are texts in JSON."""
    transforms = mapped.transform if mapped is not None else ()
    if isinstance(value, str) and (name in SYSTEM_TIMES or Transform.DATETIME in transforms):
        return datetime.fromisoformat(value)
    if isinstance(value, str) and Transform.DATE in transforms:
        return date.fromisoformat(value)
    return value
