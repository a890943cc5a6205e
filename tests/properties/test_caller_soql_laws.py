"""Whatever a caller writes, what is asked is one SELECT that the simulated org reads alike, or there are faults."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce.caller_soql import QueryRefused, built_query, checked_soql
from adapters.salesforce.query_scope import QueryScope
from adapters.salesforce.soql import AllOf, AnyOf, Compare, Condition, In, Matches, Not, Operator, Order, Select
from adapters.salesforce.soql_reading import read_soql
from schemas.presets import preset
from schemas.record_query import RecordQuery
from simulator.org.soql.parse import SoqlParser

SCOPE = QueryScope(preset("ticketing"))
PARSER = SoqlParser()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FIELDS = st.sampled_from(["Id", "Email", "LastName", "Account.Name", "CreatedDate"])
VALUES: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | TEXT | st.dates()
PATTERNS = st.lists(st.sampled_from(["%", "_", "\\%", "\\_", "\\\\", "a", "'", "\n", "ș"]), max_size=6).map("".join)
TESTS: st.SearchStrategy[Condition] = (
    st.builds(Compare, FIELDS, st.sampled_from(Operator), VALUES)
    | st.builds(Matches, FIELDS, PATTERNS)
    | st.builds(In, FIELDS, st.lists(VALUES, min_size=1, max_size=3).map(tuple), st.booleans())
)
PARTS = st.lists(TESTS, min_size=2, max_size=3).map(tuple)
CONDITIONS = TESTS | st.builds(AllOf, PARTS) | st.builds(AnyOf, PARTS) | st.builds(Not, st.builds(AnyOf, PARTS))
WORDS = (
    "SELECT Id , FROM Contact WHERE ( ) = 'a' AND OR NOT IN LIKE ORDER BY LIMIT 5 COUNT FIELDS TYPEOF END GROUP FOR "
    "UPDATE ; null 1. 2026-01-01 '"
)
PIECES = st.sampled_from(WORDS.split())


def asked(text: str) -> Select | None:
    """What is asked of Salesforce; nothing where there are faults."""
    try:
        return checked_soql(text, SCOPE)
    except QueryRefused as refused:
        return None if refused.faults else pytest.fail("refused without a fault")


@given(where=CONDITIONS, order=st.lists(st.builds(Order, FIELDS, st.booleans(), st.booleans()), max_size=2).map(tuple))
def test_what_the_builder_writes_is_read_back(where: Condition, order: tuple[Order, ...]) -> None:
    """To the letter: nothing is lost between reading a query and writing it anew."""
    select = Select(("Id", "Account.Name"), "Contact", where, order, 7, 3)
    reading = read_soql(str(select))
    assert reading.faults == []
    assert reading.select == select
    assert checked_soql(str(select), SCOPE) == select


@given(st.lists(PIECES, max_size=25).map(" ".join) | TEXT)
def test_no_text_breaks_the_reader(text: str) -> None:
    """It ends in faults, or in one SELECT of a mapped object that Salesforce's grammar takes, and that reads alike."""
    select = asked(f"SELECT Id FROM Contact {text}")
    if select is None:
        return
    written = PARSER.parse(str(select))
    assert written.sobject == "Contact"
    assert written.limit is not None
    assert written.limit <= 2_000
    assert checked_soql(str(select), SCOPE) == select


@given(st.lists(PIECES, max_size=25).map(" ".join) | TEXT)
def test_no_beginning_breaks_the_reader(text: str) -> None:
    """Whatever stands first."""
    select = asked(text)
    assert select is None or PARSER.parse(str(select)).sobject == "Contact"


@given(value=TEXT, test=st.sampled_from(["=", "!=", "starts_with", "contains", "ends_with"]))
def test_no_value_of_a_question_says_more_than_a_value(value: str, test: str) -> None:
    """A text stays one, however it is compared."""
    raw = {"object": "Contact", "fields": ["Id"], "conditions": {"field": "LastName", "is": test, "value": value}}
    select = built_query(RecordQuery.model_validate(raw), SCOPE)
    found = read_soql(str(select)).select
    assert found is not None
    assert type(found.where) in (Compare, Matches)
    assert replace(found, where=None) == replace(select, where=None)


@pytest.mark.parametrize("most", [1, 500, 2_000])
def test_no_more_rows_are_asked_for_than_the_caller_may_have(most: int) -> None:
    """With a LIMIT, without one, and with too great a one."""
    for limit in ("", " LIMIT 1", " LIMIT 999999999999999"):
        asked = checked_soql(f"SELECT Id FROM Contact{limit}", SCOPE, most_rows=most).limit
        assert asked is not None
        assert asked <= most
