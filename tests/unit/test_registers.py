"""A field's registers as text: the same field again, and two questions answered without reading it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.rules.registers import SET, dump_field, load_field, surely_agree
from consumers.rules.state import FieldState, PlatformRegister, Review, SalesforceRegister, Side, Theirs
from schemas.position import CommitPosition

MOMENTS = st.integers(0, 2**63 - 1)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    # JSON of ours, and what could be taken for it.
    | st.sampled_from(['{"now":["platform",1,1,1]}', '"s":["x",', "]", '\\"', "ș\u2028\x00"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["now", "s", "p"]), inner, max_size=2),
    max_leaves=3,
)
POSITIONS = st.builds(CommitPosition, MOMENTS, MOMENTS, MOMENTS)
PLATFORM = st.builds(PlatformRegister, VALUES, MOMENTS, MOMENTS, st.lists(st.text(), max_size=2).map(tuple))
SALESFORCE = st.builds(SalesforceRegister, VALUES, POSITIONS)


@st.composite
def fields(draw: st.DrawFn) -> FieldState:
    """With and without everything that may be missing."""
    field = FieldState(draw(st.none() | PLATFORM), draw(st.none() | SALESFORCE), overruled=draw(st.booleans()))
    field.source = draw(st.none() | st.sampled_from(Side))
    if field.source is not None:
        held = st.nothing() if field.salesforce is None else st.just(field.salesforce.value)
        field.value = draw(held | VALUES)
        field.made_at, field.shown_at, field.shown_revision = draw(MOMENTS), draw(MOMENTS), draw(MOMENTS)
        field.shown = tuple(draw(st.lists(VALUES, max_size=2)))
        field.agreed = draw(st.none() | POSITIONS)
        field.merged = draw(st.booleans())
        field.theirs = draw(st.none() | st.builds(Theirs, MOMENTS, MOMENTS, MOMENTS, VALUES))
        field.review = draw(st.none() | st.builds(Review, st.sampled_from(Side), VALUES, MOMENTS, MOMENTS))
    return field


def letters(value: Any) -> str:
    """Tells 1 from 1.0 and from true, also within lists."""
    return repr(value)


@given(fields())
def test_a_field_is_the_same_again(field: FieldState) -> None:
    """Everything that is known of it comes back, to the letter."""
    text = dump_field(field)
    again = load_field(text, field.value)
    assert letters(again) == letters(field)
    assert dump_field(again) == text


@given(fields())
def test_the_questions_are_answered_as_the_field_would(field: FieldState) -> None:
    """Whatever the values look like."""
    text = dump_field(field)
    assert text.startswith(SET) is (field.source is not None)
    held = field.salesforce
    agree = field.source is not None and held is not None and letters(held.value) == letters(field.value)
    assert surely_agree(text, field.value) is agree


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_a_number_that_no_store_takes_does_not_end_the_batch(number: int) -> None:
    """MongoDB refuses the one document for it, and its record is parked."""
    field = FieldState(PlatformRegister(number, 1, 1, ("e",)), None, Side.PLATFORM, number, 1, 1, 1)
    text = dump_field(field)
    assert text.startswith(SET)
    assert not surely_agree(text, number)
