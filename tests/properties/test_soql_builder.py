"""Whatever a value is, the statement says that and nothing else: the simulated org's own parser reads it."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce import soql
from adapters.salesforce.soql import AllOf, AnyOf, Compare, Condition, In, Like, Not, Operator, Order, Select
from simulator.org.soql import query as parsed
from simulator.org.soql.parse import SoqlParser
from simulator.org.soql.strings import decode, like_pattern

PARSER = SoqlParser()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 2), datetime(9998, 1, 1), timezones=ZONES)  # noqa: DTZ001 - zones are drawn
VALUES: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
    | st.dates(date(1900, 1, 1), date(9998, 1, 1))
    | MOMENTS
    | TEXT
)
FIELDS = st.sampled_from(["Email", "Account.Name", "Custom__c", "Parent__r.Owner.Name"])
TESTS = st.builds(Compare, FIELDS, st.sampled_from(Operator), VALUES) | st.builds(
    In, FIELDS, st.lists(VALUES, min_size=1, max_size=4).map(tuple), st.booleans()
)


def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Conditions of conditions. A parser may take a chain of one for its only part."""
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(AllOf, several) | st.builds(AnyOf, several) | st.builds(Not, parts)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(TESTS, joined, max_leaves=6)


def read(literal: parsed.Literal) -> Any:
    """What a literal means, by its kind."""
    match literal.kind:
        case parsed.Kind.NULL:
            return None
        case parsed.Kind.BOOLEAN:
            return literal.text.casefold() == "true"
        case parsed.Kind.NUMBER:
            return float(literal.text)
        case parsed.Kind.DATE:
            return date.fromisoformat(literal.text)
        case parsed.Kind.DATETIME:
            return datetime.fromisoformat(literal.text)
        case _:
            return decode(literal.text)


def meant(value: Any) -> Any:
    """What is to be read: a number as one, a moment in UTC without what is finer than milliseconds."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return value if value is None or isinstance(value, bool | str | date) else float(value)


def same(built: Condition, found: parsed.Condition) -> bool:
    """Whether the parser has read the condition that was built."""
    match built, found:
        case Compare(field, operator, value), parsed.Comparison(path, told, literal):
            return ".".join(path.names) == field and told == operator and read(literal) == meant(value)
        case In(field, values, negated), parsed.Membership(path, literals, excluded):
            listed = [read(literal) for literal in literals]
            return ".".join(path.names) == field and excluded == negated and listed == [meant(one) for one in values]
        case ((AllOf(parts) | AnyOf(parts)), parsed.Chain(terms, all_of)):
            chained = all_of == isinstance(built, AllOf) and len(terms) == len(parts)
            return chained and all(same(part, term) for part, term in zip(parts, terms, strict=True))
        case Not(part), parsed.Negation(term):
            return same(part, term)
        case _:
            return False


@given(
    where=CONDITIONS,
    order=st.lists(st.builds(Order, FIELDS, st.booleans(), st.booleans()), max_size=2).map(tuple),
    limit=st.none() | st.integers(0, 50_000),
    offset=st.none() | st.integers(0, 2_000),
)
def test_what_is_built_is_what_is_read(
    where: Condition, order: tuple[Order, ...], limit: int | None, offset: int | None
) -> None:
    """Values by their types, conditions by their nesting, order, limit and offset."""
    found = PARSER.parse(str(Select(("Id", "Account.Name"), "Contact", where, order, limit, offset)))
    assert [path.names for path in found.fields] == [("Id",), ("Account", "Name")]
    assert found.where is not None
    assert same(where, found.where)
    told = [(".".join(one.path.names), one.descending, one.nulls_last) for one in found.order]
    assert told == [(one.field, one.descending, one.nulls_last) for one in order]
    assert (found.limit, found.offset) == (limit, offset or 0)


@given(starts=TEXT, holds=TEXT, ends=TEXT)
def test_a_pattern_holds_plain_text(starts: str, holds: str, ends: str) -> None:
    """`%` and `_` of a text are no wildcards; those between the parts are."""
    found = PARSER.parse(str(Select(("Id",), "Contact", Like("Name", starts, holds, ends)))).where
    assert isinstance(found, parsed.Comparison)
    assert found.operator == "LIKE"
    pattern = like_pattern(found.value.text)
    assert pattern is not None

    def kept(text: str) -> str:
        return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

    assert pattern == f"{kept(starts)}{f'%{kept(holds)}' if holds else ''}%{kept(ends)}"


@pytest.mark.parametrize(
    "wrong",
    [
        Select(("Id, Name",), "Contact"),
        Select(("Id",), "Contact WHERE"),
        Select(("Id",), "Contact", Compare("Name = 'x' OR Name", Operator.EQUAL, "y")),
        Select(("Id",), "Contact", In("Id", ())),
        Select(("Id",), "Contact", Compare("Amount", Operator.EQUAL, float("nan"))),
        Select(("Id",), "Contact", Compare("CreatedDate", Operator.EQUAL, datetime(2026, 1, 1))),  # noqa: DTZ001
        Select(("Id",), "Contact", In("Id", tuple("x" * 4_000 for _ in range(30)))),
        Select(("Id",), "Contact", limit=-1),
        Select(("Id",), "Contact", offset=2_001),
        Select(("Id",), "Contact", soql.Includes("Skills__c", (("a;b",),))),
    ],
)
def test_what_has_no_place_in_a_statement_is_refused(wrong: Select) -> None:
    """No name brings more than a name, and no statement is sent that Salesforce would refuse for its form."""
    with pytest.raises(ValueError):
        str(wrong)


@pytest.mark.parametrize(("word", "number"), [("LAST_N_DAYS:1 OR Name", None), ("LAST_N_DAYS", -1), ("TODAY", 3)])
def test_date_literals_are_those_that_there_are(word: str, number: int | None) -> None:
    """A literal is no way into the statement."""
    with pytest.raises(ValueError, match="not a date literal"):
        soql.DateLiteral(word, number)
    assert str(soql.DateLiteral("LAST_N_DAYS", 30)) == "LAST_N_DAYS:30"
