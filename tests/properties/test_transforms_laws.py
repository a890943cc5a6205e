"""Transforms by law: whatever the value, both sides are compared alike."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.field_mapping import FieldMapping, Transform
from schemas.transforms import CompiledField, InvalidValue, compile_field

FIELDS = {
    name: compile_field(FieldMapping(platform="x", salesforce="X", transform=tuple(transforms), region=region))
    for name, transforms, region in (
        ("datetime", [Transform.DATETIME], None),
        ("multi-select", [Transform.MULTI_SELECT], None),
        ("none", [], None),
        ("trim", [Transform.TRIM], None),
        ("lower", [Transform.TRIM, Transform.LOWER], None),
        ("upper", [Transform.UPPER], None),
        ("domain", [Transform.TRIM, Transform.DOMAIN], None),
        ("phone", [Transform.PHONE_E164], None),
        ("phone RO", [Transform.PHONE_E164], "RO"),
        ("phone US", [Transform.TRIM, Transform.PHONE_E164], "US"),
        ("date", [Transform.DATE], None),
        ("number", [Transform.NUMBER], None),
    )
}

FIELDS["date there"] = compile_field(
    FieldMapping(platform="x", salesforce="X", transform=(Transform.DATE,), zone="Pacific/Kiritimati")
)
FIELDS["datetime there"] = compile_field(
    FieldMapping(platform="x", salesforce="X", transform=(Transform.DATETIME,), zone="America/Caracas")
)
FIELDS["scale"] = compile_field(FieldMapping(platform="x", salesforce="X", transform=(Transform.NUMBER,), scale=2))
FIELDS["picklist"] = compile_field(FieldMapping(platform="x", salesforce="X", picklist={"a": "A A", "0": "B"}))
FIELDS["picklist, several"] = compile_field(
    FieldMapping(platform="x", salesforce="X", transform=(Transform.MULTI_SELECT,), picklist={"a": "A A", "0": "B"})
)

PHONES = st.text(alphabet="0123456789+-() ./x#", min_size=1, max_size=20)
NUMBERS = st.one_of(
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
)
INSTANTS = st.datetimes(timezones=st.just(UTC))
DATES = st.one_of(
    st.dates().map(str),
    INSTANTS.map(lambda moment: moment.isoformat()),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
)
# Surrogates are in neither JSON nor BSON.
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
# What travels: webhooks and Salesforce's answers are JSON, documents are BSON.
JSON_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    PHONES,
    DATES,
    NUMBERS.map(str),
)
JSON_VALUES = st.recursive(
    JSON_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
ANYTHING = st.one_of(
    JSON_VALUES, NUMBERS, INSTANTS, st.datetimes(), st.dates(), st.floats(), st.binary(), st.integers(), st.decimals()
)

each_field = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())


def pushed(field: CompiledField, value: Any) -> Any:
    """What is written; the value itself where it is refused."""
    try:
        return field.push(value)
    except InvalidValue:
        return value


@each_field
@given(value=ANYTHING)
def test_key_never_raises_and_is_hashable(field: CompiledField, value: Any) -> None:
    """The merge compares whatever either side may have said."""
    hash(field.key(value))


@each_field
@given(value=ANYTHING)
def test_what_is_written_equals_what_was_said(field: CompiledField, value: Any) -> None:
    """`key(push(v)) == key(v)`: a value that lands unchanged is confirmed, not taken for another (rule 9)."""
    written = pushed(field, value)
    assert field.key(written) == field.key(value)


@each_field
@given(value=ANYTHING)
def test_what_is_shown_equals_what_salesforce_holds(field: CompiledField, value: Any) -> None:
    """`key(pull(s)) == key(s)`: showing a Salesforce value makes nothing due."""
    assert field.key(field.pull(value)) == field.key(value)


@each_field
@given(value=ANYTHING)
def test_both_sides_make_the_same_of_a_value(field: CompiledField, value: Any) -> None:
    """What is pushed and pulled back is what was pushed."""
    written = pushed(field, value)
    assert field.key(field.pull(written)) == field.key(written)


@each_field
@given(value=JSON_VALUES)
def test_json_makes_no_difference(field: CompiledField, value: Any) -> None:
    """A value compares the same after a webhook, a Kafka record or Salesforce's answer carried it."""
    assert field.key(orjson.loads(orjson.dumps(value))) == field.key(value)


@each_field
@given(value=JSON_VALUES)
def test_bson_makes_no_difference(field: CompiledField, value: Any) -> None:
    """A value compares the same after a document kept it."""
    try:
        raw = bson.encode({"value": value})
    except bson.errors.InvalidDocument:
        return  # a name with a NUL, which no document can hold
    assert field.key(bson.decode(raw)["value"]) == field.key(value)


@given(moment=st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(4000, 1, 1)))  # noqa: DTZ001 - BSON's own
def test_a_date_is_the_same_as_instant_text_and_bson(moment: datetime) -> None:
    """A BSON date comes back in UTC, with or without its zone, and names the same day as the text."""
    key = FIELDS["date"].key
    raw = bson.encode({"value": moment.replace(tzinfo=UTC)})
    naive = bson.decode(raw)["value"]
    aware = bson.decode(raw, bson.CodecOptions(tz_aware=True))["value"]
    assert key(naive) == key(aware) == key(moment.date()) == key(moment.date().isoformat())


@given(moment=st.datetimes(), hours=st.integers(min_value=-12, max_value=14))
def test_an_instant_with_an_offset_counts_at_its_own_date(moment: datetime, hours: int) -> None:
    """Somebody born on the 22nd stays so, wherever the server is."""
    sign, ahead = ("-", -hours) if hours < 0 else ("+", hours)
    text = f"{moment.isoformat(timespec='seconds')}{sign}{ahead:02d}:00"
    assert FIELDS["date"].push(text) == moment.date().isoformat()


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_a_number_is_the_same_in_every_spelling(number: Decimal) -> None:
    """1 == 1.0 == "1.00": as text, as a double, as Decimal128."""
    key = FIELDS["number"].key
    kept = bson.decode(bson.encode({"value": bson.Decimal128(number)}))["value"]
    assert key(number) == key(str(number)) == key(float(number)) == key(kept)
    assert key(f"  {number}00 ") == key(number)


@each_field
@given(blank=st.text(alphabet=" \t\r\n\u00a0\u3000", max_size=5))
def test_blank_text_is_nothing(field: CompiledField, blank: str) -> None:
    """Null, missing and blank are one (rule 27)."""
    assert field.key(blank) is None
    assert field.push(blank) is None
    assert field.pull(blank) is None


@each_field
@given(text=TEXTS)
def test_white_space_at_the_ends_makes_no_difference(field: CompiledField, text: str) -> None:
    """Salesforce trims text, so a value that comes back trimmed is the one that was sent."""
    assert field.key(f"  {text}\n") == field.key(text)
