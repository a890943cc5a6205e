"""WHERE, compiled to SQL, finds what a plain evaluation in Python finds."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.org.objects import load_objects
from simulator.org.soql.compile import compile_query
from simulator.org.soql.parse import SoqlParser
from simulator.org.store import Row, Store

OBJECTS = load_objects()
CONTACT = OBJECTS["Contact"]
PARSER = SoqlParser()
NOW = 1_735_787_045_000

TEXTS = st.text(alphabet="abABșȘ%_'\\ ", max_size=4)
NUMBERS = st.integers(-3, 3)
DATES = st.sampled_from(["1999-12-31", "2000-01-01", "2000-06-15"])

# A field, how its values are made and how they are written in SOQL.
FIELDS = {
    "LastName": "text",
    "Title": "text",
    "Total_Tickets__c": "number",
    "Birthdate": "date",
    "Newsletter__c": "boolean",
}
VALUES = {"text": TEXTS, "number": NUMBERS, "date": DATES, "boolean": st.booleans()}

Term = tuple[Any, ...]


def quoted(text: str) -> str:
    """A SOQL string. In a LIKE pattern the wildcards keep their meaning."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def written(kind: str, value: Any) -> str:
    """A literal."""
    if value is None:
        return "null"
    if kind == "text":
        return quoted(value)
    return str(value).lower() if kind == "boolean" else str(value)


@st.composite
def simple_terms(draw: st.DrawFn) -> Term:
    """A comparison, a LIKE or a membership."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    kind = FIELDS[name]
    values = VALUES[kind] if kind == "boolean" else st.none() | VALUES[kind]
    form = draw(st.sampled_from(["compare", "in", "not in", *(["like"] if kind == "text" else [])]))
    if form in {"in", "not in"}:
        return (form, name, draw(st.lists(values, min_size=1, max_size=3)))
    if form == "like":
        return ("like", name, draw(TEXTS))
    operator = draw(st.sampled_from(["=", "!="] if kind == "boolean" else ["=", "!=", "<", "<=", ">", ">="]))
    value = draw(values if operator in {"=", "!="} else VALUES[kind].filter(lambda one: one != ""))
    return ("compare", name, operator, value)


TERMS: st.SearchStrategy[Term] = st.recursive(
    simple_terms(),
    lambda inner: (
        st.tuples(st.just("not"), inner)
        | st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)

PEOPLE = st.lists(
    st.fixed_dictionaries(
        {name: VALUES[kind] if kind == "boolean" else st.none() | VALUES[kind] for name, kind in FIELDS.items()}
    ),
    min_size=1,
    max_size=8,
)


def to_soql(term: Term) -> str:
    """The term as text, in parentheses wherever it is not simple."""
    match term:
        case ("not", inner):
            return f"(NOT {to_soql(inner)})"
        case ("and" | "or", inner):
            return "(" + f" {term[0].upper()} ".join(to_soql(one) for one in inner) + ")"
        case ("like", name, pattern):
            return f"{name} LIKE {quoted(pattern)}"
        case ("in" | "not in", name, values):
            return f"{name} {term[0].upper()} ({', '.join(written(FIELDS[name], one) for one in values)})"
        case (_, name, operator, value):
            return f"{name} {operator} {written(FIELDS[name], value)}"
    raise AssertionError(term)


def like(text: str, pattern: str) -> bool:
    """Whether the whole text is like the pattern: `%` any text, `_` any character, no escapes in these patterns."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[start:], pattern[1:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] in {"_", text[0]} and like(text[1:], pattern[1:])


def known(value: Any) -> Any:
    """A value as it is compared: no case, and no empty text."""
    return (value.lower() or None) if isinstance(value, str) else value


def equal(held: Any, value: Any, kind: str) -> bool:
    """`=`; a boolean's null is false."""
    return known(held) == (bool(value) if kind == "boolean" else known(value))


def holds(term: Term, person: dict[str, Any]) -> bool:
    """Whether the term is true of a person."""
    match term:
        case ("not", inner):
            return not holds(inner, person)
        case ("and", inner):
            return all(holds(one, person) for one in inner)
        case ("or", inner):
            return any(holds(one, person) for one in inner)
        case ("like", name, pattern):
            return person[name] is not None and like(person[name].lower(), pattern.lower())
        case ("in", name, values):
            return any(equal(person[name], one, FIELDS[name]) for one in values)
        case ("not in", name, values):
            return not any(equal(person[name], one, FIELDS[name]) for one in values)
        case (_, name, "=", value):
            return equal(person[name], value, FIELDS[name])
        case (_, name, "!=", value):
            return not equal(person[name], value, FIELDS[name])
        case (_, name, operator, value):
            held, value = known(person[name]), known(value)
            order = {"<": lambda: held < value, "<=": lambda: held <= value, ">": lambda: held > value}
            return held is not None and order.get(operator, lambda: held >= value)()
    raise AssertionError(term)


BLANK: Row = dict.fromkeys((one.name for one in CONTACT.columns), None)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """One database for every example, emptied by each."""
    with closing(Store(OBJECTS)) as opened:
        yield opened


@settings(max_examples=150, deadline=None)
@given(term=TERMS, people=PEOPLE)
def test_sql_and_python_agree(store: Store, term: Term, people: list[dict[str, Any]]) -> None:
    """Whatever the condition, however nested, and whatever is empty.

    Records are stored as the org stores them: without empty texts.
    """
    people = [{name: None if value == "" else value for name, value in person.items()} for person in people]
    soql = f"SELECT Id FROM Contact WHERE {to_soql(term)}"
    query = compile_query(soql, PARSER.parse(soql), OBJECTS, now=NOW, root="", deleted=False)
    store.connection.execute("DELETE FROM Contact")
    rows = [{**BLANK, **person, "Id": str(place), "IsDeleted": 0} for place, person in enumerate(people)]
    store.insert(CONTACT, rows)
    found = store.connection.execute(query.reading(), (*query.parameters, -1, 0)).fetchall()
    expected = {str(place) for place, person in enumerate(people) if holds(term, person)}
    assert {record_id for (record_id,) in found} == expected
