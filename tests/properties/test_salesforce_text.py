"""Whatever a text holds, SOQL and ids carry it safely."""

import re
from urllib.parse import quote_plus

from hypothesis import given
from hypothesis import strategies as st

from adapters.salesforce import soql
from schemas.record_id import is_id, to_18

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
UNESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "\\": "\\", "'": "'"}


def unquote(literal: str) -> str:
    """Reads a literal by the table of escapes in the SOQL guide."""
    inner = LITERAL.fullmatch(literal)
    assert inner is not None, literal
    return re.sub(
        r"\\(u([0-9a-fA-F]{4})|.)",
        lambda found: chr(int(found[2], 16)) if found[2] else UNESCAPED[found[1]],
        inner[1],
        flags=re.DOTALL,
    )


@given(TEXT)
def test_a_quoted_text_is_one_literal_with_the_same_text(text: str) -> None:
    """No text ends its literal early, and reading it gives the text back."""
    assert unquote(soql.quote(text)) == text
    assert soql.quote(text).isprintable() or not text.isprintable()


@given(st.lists(TEXT.map(lambda text: text[:60]), max_size=300), st.integers(min_value=1_500, max_value=12_000))
def test_long_lists_are_cut_into_addresses_short_enough(values: list[str], uri_bytes: int) -> None:
    """Each query's address stays within the limit, and together they ask for each value once, in order."""
    queries = list(soql.select_where_in(["Id", "Ext__c"], "Contact", "Ext__c", values, uri_bytes=uri_bytes))
    asked: list[str] = []
    for query in map(str, queries):
        assert len(quote_plus(query)) <= uri_bytes
        head, _, listed = query.partition(" IN (")
        assert head == "SELECT Id, Ext__c FROM Contact WHERE Ext__c"
        asked += [unquote(found[0]) for found in LITERAL.finditer(listed)]
    assert asked == values
    assert bool(queries) == bool(values)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=15, max_size=15))
def test_the_checksum_tells_ids_apart_without_case(record_id: str) -> None:
    """What the three characters are for: ids that differ in case alone differ in any case-blind system."""
    swapped = record_id.swapcase()
    assert is_id(to_18(record_id))
    assert (to_18(record_id).casefold() == to_18(swapped).casefold()) == (record_id == swapped)
