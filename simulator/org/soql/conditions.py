"""WHERE: a condition on fields to SQL and its parameters.

Two-valued, as SOQL is: a comparison with an empty field is false, its negation true, and `!=` and NOT IN hold for an
empty field. An empty text and null are the same.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from simulator.org import ids
from simulator.org.errors import SalesforceError
from simulator.org.objects import IDS, NUMBERS, TEXTS, FieldDefinition, FieldType
from simulator.org.soql import dates, strings
from simulator.org.soql.parse import at, malformed
from simulator.org.soql.query import (
    Chain,
    Choice,
    Comparison,
    Condition,
    Kind,
    Literal,
    Membership,
    Negation,
    Subselect,
)
from simulator.org.soql.sources import Sources
from simulator.org.store import fold
from simulator.org.values import Stored, read_date, read_datetime

_DAY_MS = 86_400_000
_TYPE_NAMES = {FieldType.DATETIME: "dateTime", FieldType.REFERENCE: "string", FieldType.ID: "string"}


Subselects = Callable[[Subselect, FieldDefinition], tuple[str, Sequence[Stored]]]
"""The SQL of the query within a semi-join on this field, and its parameters."""


class ConditionCompiler:
    """Compiles the conditions of one query. `now` is epoch milliseconds; days are UTC's."""

    def __init__(self, soql: str, sources: Sources, now: int, subselect: Subselects) -> None:
        self._soql = soql
        self._sources = sources
        self._subselect = subselect
        self._today = datetime.fromtimestamp(now / 1000, UTC).date()
        self.parameters: list[Stored] = []

    def compile(self, condition: Condition) -> str:
        """SQL that is true, false or null; its parameters are appended to `parameters` in order.

        Raises:
            SalesforceError: a field that is not there or cannot be filtered by, or a value of the wrong type.
        """
        if isinstance(condition, Chain):
            joined = (" AND " if condition.all_of else " OR ").join(self.compile(term) for term in condition.terms)
            return f"({joined})"
        if isinstance(condition, Negation):
            return f"(NOT COALESCE({self.compile(condition.term)}, 0))"
        if isinstance(condition, Membership):
            return self._membership(condition)
        if isinstance(condition, Subselect):
            return self._joined(condition)
        if isinstance(condition, Choice):
            return self._choice(condition)
        return self._comparison(condition)

    def _joined(self, condition: Subselect) -> str:
        field, expression = self._sources.filterable(condition.path)
        selected, parameters = self._subselect(condition, field)
        self.parameters += parameters
        if condition.excluded:
            return f"({expression} IS NULL OR {expression} NOT IN ({selected}))"
        return f"({expression} IN ({selected}))"

    def _choice(self, condition: Choice) -> str:
        field, expression = self._sources.filterable(condition.path)
        if field.type is not FieldType.MULTIPICKLIST:
            message = "includes or excludes operator only valid on multipicklist field"
            raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", at(self._soql, condition.path.column, message))
        choices = []
        for literal in condition.values:
            self._expect(field, literal, Kind.STRING)
            text = strings.decode(literal.text)
            if text is None:
                raise self._bad_escape(literal)
            every = [part.strip() for part in text.split(";") if part.strip()]
            self.parameters += [fold(f";{part};") for part in every]
            held = [f"instr(';' || COALESCE({expression}, '') || ';', ?) > 0" for _ in every]
            choices.append(f"({' AND '.join(held) or '0'})")
        found = f"({' OR '.join(choices)})"
        return f"(NOT {found})" if condition.excluded else found

    def _membership(self, condition: Membership) -> str:
        parts = [self._comparison(Comparison(condition.path, "=", value)) for value in condition.values]
        _, expression = self._sources.filterable(condition.path)
        simple = f"{expression} = ?"
        if all(part == simple for part in parts):
            places = ", ".join("?" * len(parts))
            if condition.excluded:
                return f"({expression} IS NULL OR {expression} NOT IN ({places}))"
            return f"({expression} IN ({places}))"
        joined = f"({' OR '.join(parts)})"
        return f"(NOT COALESCE({joined}, 0))" if condition.excluded else joined

    def _comparison(self, condition: Comparison) -> str:
        field, expression = self._sources.filterable(condition.path)
        if condition.operator == "LIKE":
            return self._like(field, expression, condition.value)
        if condition.value.kind is Kind.DATE_LITERAL:
            return self._within(field, expression, condition.operator, condition.value)
        value = self._value(field, condition.value)
        if value is None:
            return self._emptiness(field, expression, condition)
        self.parameters.append(value)
        if condition.operator == "!=":
            return f"({expression} IS NULL OR {expression} <> ?)"
        return f"{expression} {condition.operator} ?"

    def _emptiness(self, field: FieldDefinition, expression: str, condition: Comparison) -> str:
        if condition.operator == "=":
            return f"{expression} IS NULL"
        if condition.operator == "!=":
            return f"{expression} IS NOT NULL"
        message = f"value of filter criterion for field '{field.name}' cannot be null with {condition.operator}"
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", at(self._soql, condition.value.column, message))

    def _like(self, field: FieldDefinition, expression: str, literal: Literal) -> str:
        if field.type not in TEXTS:
            told = "invalid operator on id field" if field.type in IDS else f"invalid operator on {field.type} field"
            raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", at(self._soql, literal.column, told))
        self._expect(field, literal, Kind.STRING)
        pattern = strings.like_pattern(literal.text)
        if pattern is None:
            raise self._bad_escape(literal)
        self.parameters.append(fold(pattern))
        return f"{expression} LIKE ? ESCAPE '\\'"

    def _within(self, field: FieldDefinition, expression: str, operator: str, literal: Literal) -> str:
        span = dates.span(literal.text, self._today)
        if span is None:
            raise malformed(at(self._soql, literal.column, f"unexpected token: '{literal.text}'"))
        if field.type not in {FieldType.DATE, FieldType.DATETIME}:
            raise self._wrong_type(field, literal)
        begin, end = (_moment(day) if field.type is FieldType.DATETIME else day.isoformat() for day in span)
        bounds = {">": (">=", end), ">=": (">=", begin), "<": ("<", begin), "<=": ("<", end)}
        if operator in bounds:
            sign, bound = bounds[operator]
            self.parameters.append(bound)
            return f"{expression} {sign} ?"
        self.parameters += [begin, end]
        inside = f"({expression} >= ? AND {expression} < ?)"
        return inside if operator == "=" else f"(NOT COALESCE({inside}, 0))"

    def _value(self, field: FieldDefinition, literal: Literal) -> Stored:
        if field.type is FieldType.BOOLEAN:
            if literal.kind is not Kind.NULL:
                self._expect(field, literal, Kind.BOOLEAN)
            return int(literal.text.lower() == "true")
        if literal.kind is Kind.NULL:
            return None
        if field.type in NUMBERS:
            self._expect(field, literal, Kind.NUMBER)
            return float(literal.text)
        if field.type is FieldType.DATE:
            self._expect(field, literal, Kind.DATE)
            return self._readable(literal, read_date(literal.text))
        if field.type is FieldType.DATETIME:
            self._expect(field, literal, Kind.DATETIME)
            return self._readable(literal, read_datetime(literal.text.upper()))
        self._expect(field, literal, Kind.STRING)
        text = strings.decode(literal.text)
        if text is None:
            raise self._bad_escape(literal)
        if field.type not in IDS:
            return fold(text) or None
        record_id = ids.normalise(text)
        if record_id is None:
            message = at(self._soql, literal.column, f"invalid ID field: {text}")
            raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", message)
        return record_id

    def _readable(self, literal: Literal, value: Stored) -> Stored:
        if value is None:
            raise malformed(at(self._soql, literal.column, f"Invalid date: {literal.text}"))
        return value

    def _expect(self, field: FieldDefinition, literal: Literal, kind: Kind) -> None:
        if literal.kind is not kind:
            raise self._wrong_type(field, literal)

    def _wrong_type(self, field: FieldDefinition, literal: Literal) -> SalesforceError:
        quoted = field.type in TEXTS or field.type in IDS
        wanted = _TYPE_NAMES.get(field.type, "string" if quoted else str(field.type))
        message = (
            f"value of filter criterion for field '{field.name}' must be of type {wanted}"
            f" and should {'' if quoted else 'not '}be enclosed in quotes"
        )
        return SalesforceError("INVALID_FIELD", at(self._soql, literal.column, message))

    def _bad_escape(self, literal: Literal) -> SalesforceError:
        return malformed(at(self._soql, literal.column, "Illegal string literal: a backslash escapes nothing here"))


def _moment(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_MS
