"""One filter, two readers: what the rules say of a document, SOQL says of the record that holds the same values."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce.soql_filter import where
from consumers.catalog import Catalog
from consumers.rules.filters import matches
from schemas.mapping import Mapping
from schemas.mapping_checks import problems
from schemas.record_filter import AllOf, AnyOf, Comparison, Condition, NoneOf
from simulator.org.objects import load_objects
from simulator.org.soql.compile import compile_query
from simulator.org.soql.parse import SoqlParser
from simulator.org.store import Row, Store

OBJECTS = load_objects()
CONTACT = OBJECTS["Contact"]
PARSER = SoqlParser()
NOW = 1_735_787_045_000
BLANK: Row = dict.fromkeys((one.name for one in CONTACT.columns), None)
MAPPING = Mapping.model_validate(
    {
        "kinds": {
            "customer": {
                "collection": "customers",
                "sobject": "Contact",
                "external_id": "Tandem_Customer_Id__c",
                "token": "Tandem_Customer_Write__c",
                "fields": [
                    {"platform": "name", "salesforce": "LastName"},
                    {"platform": "title", "salesforce": "Title", "transform": ["trim"]},
                    {"platform": "tickets", "salesforce": "Total_Tickets__c", "transform": ["number"]},
                    {"platform": "born", "salesforce": "Birthdate", "transform": ["date"]},
                    {"platform": "boss", "salesforce": "ReportsToId", "lookup": "customer"},
                    {"platform": "news", "salesforce": "Newsletter__c"},
                    {
                        "platform": "tier",
                        "salesforce": "Customer_Tier__c",
                        "picklist": {"big": "Enterprise", "small": "Startup"},
                    },
                ],
            }
        }
    }
)
KIND = Catalog(MAPPING).kinds["customer"]
TYPES = {"Newsletter__c": "boolean"}

TEXTS = st.text(alphabet="abABșȘ%_'\\ ", max_size=4)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "title": TEXTS,
    "tickets": st.integers(-3, 3) | st.sampled_from([0.5, "2", "-1"]),
    "born": st.sampled_from(["1999-12-31", "2000-01-01", "2000-06-15"]),
    "boss": st.sampled_from(["003Td0000000001IAA"]),
    "news": st.booleans(),
    "tier": st.sampled_from(["big", "small", "Growth"]),
}
ORDERED = ("tickets", "born")


@st.composite
def simple(draw: st.DrawFn) -> Condition:
    """A path and one test of its value."""
    path = draw(st.sampled_from(sorted(VALUES)))
    values = VALUES[path].filter(lambda value: str(value).strip() != "")
    if path == "boss":
        return Comparison(path=path, present=draw(st.booleans()))
    test = draw(st.sampled_from(["equals", "one_of", *(["present"] if path != "news" else []), *(order_tests(path))]))
    if test == "present":
        return Comparison(path=path, present=draw(st.booleans()))
    if test == "one_of":
        return Comparison(path=path, one_of=tuple(draw(st.lists(values, min_size=1, max_size=3))))
    return Comparison(path=path, **{test: draw(values)})


def order_tests(path: str) -> list[str]:
    """Tests of order, where the values have one."""
    return ["at_least", "at_most"] if path in ORDERED else []


def some_of(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Conditions of conditions."""
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return st.builds(AllOf, all=parts) | st.builds(AnyOf, any=parts) | st.builds(NoneOf, none=parts)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(simple(), some_of, max_leaves=6)
PEOPLE = st.lists(
    st.fixed_dictionaries({path: values if path == "news" else st.none() | values for path, values in VALUES.items()}),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """One database for every example, emptied by each."""
    with closing(Store(OBJECTS)) as opened:
        yield opened


@settings(max_examples=200, deadline=None)
@given(condition=CONDITIONS, people=PEOPLE)
def test_soql_finds_the_records_of_the_documents_that_match(
    store: Store, condition: Condition, people: list[dict[str, Any]]
) -> None:
    """Whatever the condition, however nested, whatever is empty, and in whatever words the platform has it."""
    written = [{rule.name: rule.outgoing(person[rule.dotted]) for rule in KIND.fields} for person in people]
    soql = f"SELECT Id FROM Contact WHERE {where(condition, MAPPING.kinds['customer'], TYPES)}"
    query = compile_query(soql, PARSER.parse(soql), OBJECTS, now=NOW, root="", deleted=False)
    store.connection.execute("DELETE FROM Contact")
    rows = [{**BLANK, **values, "Id": str(place), "IsDeleted": 0} for place, values in enumerate(written)]
    store.insert(CONTACT, [{name: _kept(value) for name, value in row.items()} for row in rows])
    found = {record_id for (record_id,) in store.connection.execute(query.reading(), (*query.parameters, -1, 0))}
    by_documents = {
        str(place)
        for place, person in enumerate(people)
        if matches(condition, KIND, lambda rule, person=person: person[rule.dotted])  # type: ignore[misc]
    }
    by_records = {
        str(place)
        for place, values in enumerate(written)
        if matches(condition, KIND, lambda rule, values=values: values[rule.name])  # type: ignore[misc]
    }
    assert by_documents == by_records == found


def _kept(value: Any) -> Any:
    """As Salesforce keeps it: trimmed, and no empty text."""
    return value.strip() or None if isinstance(value, str) else value


@pytest.mark.parametrize("test", [{"equals": "acme"}, {"one_of": ["acme"]}])
def test_a_lookup_is_compared_with_nothing(test: dict[str, Any]) -> None:
    """The document names its parent by one id and the record by another; whether there is one, both can tell."""
    with pytest.raises(ValueError, match="boss names a customer; allowed: present"):
        where(NoneOf(none=(Comparison(path="boss", **test),)), MAPPING.kinds["customer"])
    raw = MAPPING.model_dump(mode="json")
    for place in ("push", "pull"):
        raw["kinds"]["customer"]["filters"] = {place: {"path": "boss", **test}}
        wrong = f'kinds.customer.filters.{place}: "boss" names a customer; allowed: present'
        assert wrong in problems(Mapping.model_validate(raw))
    raw["kinds"]["customer"]["filters"] = {"pull": {"path": "boss", "present": True}}
    assert not [line for line in problems(Mapping.model_validate(raw)) if "boss" in line]


@pytest.mark.parametrize("text", ["O'Neil", "x' OR Name != '", "\\", "\n", "%"])
def test_no_value_leaves_its_quotes(text: str) -> None:
    """A filter cannot say anything but what it says."""
    soql = f"SELECT Id FROM Contact WHERE {where(Comparison(path='name', equals=text), MAPPING.kinds['customer'])}"
    compile_query(soql, PARSER.parse(soql), OBJECTS, now=NOW, root="", deleted=False)
    assert soql.count("=") == text.count("=") + 1
