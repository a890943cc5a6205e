"""Transforms by example: what is written, what is shown, what is equal, what is refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from schemas.field_mapping import FieldMapping, Transform
from schemas.transforms import CompiledField, InvalidValue, compile_field


def compiled(*transforms: str, region: str | None = None, **details: Any) -> CompiledField:
    """A compiled field with these transforms."""
    return compile_field(
        FieldMapping(
            platform="some.field",
            salesforce="Some_Field__c",
            transform=tuple(Transform(name) for name in transforms),
            region=region,
            **details,
        )
    )


ALL = [(), *((each,) for each in Transform), ("trim", "lower")]


@pytest.mark.parametrize("transforms", ALL)
@pytest.mark.parametrize("nothing", [None, "", "  ", "\t\n", "\u00a0"])
def test_null_and_blank_text_are_nothing(transforms: tuple[str, ...], nothing: Any) -> None:
    """Salesforce stores empty text as null, so all of these are null everywhere, but for a checkbox."""
    field = compiled(*transforms)
    assert field.key(nothing) is None
    assert field.push(nothing) is (False if "boolean" in transforms else None)
    assert field.pull(nothing) is None


@pytest.mark.parametrize(
    ("transforms", "value", "pushed"),
    [
        ((), " as is ", " as is "),
        ((), True, True),
        ((), 12, 12),
        (("trim",), "  Ana Maria ", "Ana Maria"),
        (("trim",), 42, "42"),
        (("trim",), 42.0, "42"),
        (("trim",), 4.5, "4.5"),
        (("trim",), False, False),
        (("trim", "lower"), " Ana@Example.COM ", "ana@example.com"),
        (("upper",), " ro ", "RO"),
        (("number",), "1.50", 1.5),
        (("number",), " 12 ", 12),
        (("number",), Decimal("2.5"), 2.5),
        (("number",), "-3e2", -300.0),
        (("date",), "2026-11-22", "2026-11-22"),
        (("date",), "2026-11-22T23:30:00-05:00", "2026-11-22"),
        (("date",), "2026-11-22T10:00:00.000+0000", "2026-11-22"),
        (("date",), "2026-11-22T23:59:59Z", "2026-11-22"),
        (("date",), date(2026, 11, 22), "2026-11-22"),
        (("date",), datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=-5))), "2026-11-22"),
        (("date",), datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "2026-11-22"),
        ((), datetime(2026, 11, 22, 10, tzinfo=UTC), "2026-11-22T10:00:00.000+0000"),
        (("datetime",), "2026-11-22T10:00:00.000+0000", "2026-11-22T10:00:00Z"),
        (("datetime",), "2026-11-22T12:00:00.987+02:00", "2026-11-22T10:00:00Z"),
        (("datetime",), "2026-11-22 10:00", "2026-11-22T10:00:00Z"),
        (("datetime",), 1_795_341_600_000, "2026-11-22T10:00:00Z"),
        (("datetime",), datetime(2026, 11, 22, 10, 0, 0, 500, tzinfo=UTC), "2026-11-22T10:00:00Z"),
        (("multi_select",), ["sql", " python ", "sql", ""], "python;sql"),
        (("multi_select",), "sql; python", "python;sql"),
        (("multi_select",), "sql", "sql"),
        (("multi_select",), [], None),
        (("multi_select",), ";", None),
    ],
)
def test_push_writes_the_form_that_salesforce_takes(transforms: tuple[str, ...], value: Any, pushed: Any) -> None:
    """The written value and its type: a text field refuses a JSON number, a number field gets no text."""
    result = compiled(*transforms).push(value)
    assert result == pushed
    assert type(result) is type(pushed)


@pytest.mark.parametrize(
    ("raw", "region", "pushed"),
    [
        ("0712 345 678", "RO", "+40712345678"),
        ("+40 (712) 345-678", None, "+40712345678"),
        ("0040712345678", "RO", "+40712345678"),
        ("+1 555 0100", None, "+15550100"),
        ("+1 212 555 0100 ext. 5", None, "+12125550100 x5"),
        (40712345678, "RO", "+40712345678"),
        (" 0712 345 678 ", None, "0712 345 678"),
        ("office: 0712 345 678", "RO", "office: 0712 345 678"),
        ("0712345678 / 0722333444", "RO", "0712345678 / 0722333444"),
        ("1-800-FLOWERS", "US", "1-800-FLOWERS"),
        ("12", "RO", "12"),
        ("unknown", "RO", "unknown"),
    ],
)
def test_phone_numbers_become_e164_and_nothing_is_lost(raw: Any, region: str | None, pushed: str) -> None:
    """A text that is more than one possible number stays as it is, without the white space at its ends."""
    field = compiled("phone_e164", region=region)
    assert field.push(raw) == pushed
    assert field.pull(raw) == pushed
    assert field.key(raw) == pushed


@pytest.mark.parametrize(
    ("raw", "pushed"),
    [
        ("https://www.Acme.com/x", "acme.com"),
        ("www.acme.com", "acme.com"),
        (" Acme.com/ ", "acme.com"),
        ("//user:secret@acme.com:8080/a?b#c", "acme.com"),
        ("http://shop.acme.co.uk.", "shop.acme.co.uk"),
        ("HTTPS://WWW.WWW.ACME.COM?x", "acme.com"),
        ("https://müller.de", "müller.de"),
        ("www.com", "www.com"),
        ("ana@acme.com", "ana@acme.com"),
        ("http://10.0.0.1/x", "http://10.0.0.1/x"),
        ("Acme", "Acme"),
        ("acme.com or acme.org", "acme.com or acme.org"),
        ("http://", "http://"),
        (7, "7"),
    ],
)
def test_web_addresses_become_domains_and_nothing_is_lost(raw: Any, pushed: str) -> None:
    """A text that is no web address stays as it is, without the white space at its ends."""
    field = compiled("domain")
    assert field.push(raw) == pushed
    assert field.pull(raw) == pushed
    assert field.key(raw) == pushed


def test_a_domain_is_searched_for_however_its_address_is_written() -> None:
    """Salesforce searches for texts, and knows nothing of addresses."""
    assert set(compiled("domain").spellings("acme.com")) == {
        *("acme.com", "https://acme.com", "http://acme.com", "https://acme.com/", "http://acme.com/"),
        *(
            "www.acme.com",
            "https://www.acme.com",
            "http://www.acme.com",
            "https://www.acme.com/",
            "http://www.acme.com/",
        ),
    }
    assert compiled("domain").spellings("no domain") == ("no domain",)
    assert compiled("lower").spellings("acme.com") == ("acme.com",)


def test_the_same_number_written_in_two_ways_is_equal() -> None:
    """`+1 555 0100` and `+15550100` never conflict; another extension is another number."""
    key = compiled("phone_e164").key
    assert key("+1 555 0100") == key("+15550100")
    assert key("+1 212 555 0100 x5") != key("+1 212 555 0100")


@pytest.mark.parametrize(
    ("transforms", "left", "right"),
    [
        (("number",), 1, "1.00"),
        (("number",), 1.0, Decimal("1.0")),
        (("number",), 0, -0.0),
        ((), 1, 1.0),
        ((), "Ana ", "Ana"),
        (("lower",), "ANA", "ana "),
        (("date",), "2026-11-22", "2026-11-22T08:00:00+02:00"),
        (("trim",), 42, "42"),
    ],
)
def test_equal_values(transforms: tuple[str, ...], left: Any, right: Any) -> None:
    """Values that mean the same have the same key, with the same hash."""
    key = compiled(*transforms).key
    assert key(left) == key(right)
    assert hash(key(left)) == hash(key(right))


@pytest.mark.parametrize(
    ("transforms", "left", "right"),
    [
        ((), "Ana", "ana"),
        ((), True, 1),
        ((), False, 0),
        ((), False, None),
        ((), 0, None),
        ((), True, "true"),
        ((), 1, "1"),
        ((), [1], 1),
        (("number",), True, 1),
        (("number",), 1, 1.01),
        (("date",), "2026-11-22", "2026-11-23"),
        (("date",), "soon", "later"),
    ],
)
def test_different_values(transforms: tuple[str, ...], left: Any, right: Any) -> None:
    """Values that differ in meaning differ in their key, also where Python calls them equal."""
    key = compiled(*transforms).key
    assert key(left) != key(right)


@pytest.mark.parametrize(
    ("transforms", "value", "reason"),
    [
        (("date",), "22.11.2026", "must be a date"),
        (("date",), "2026-02-30", "must be a date"),
        (("date",), "20261122", "must be a date"),
        (("date",), 20261122, "must be a date"),
        (("number",), "1,5", "must be a number"),
        (("number",), "1_000", "must be a number"),
        (("number",), "nan", "must be a number"),
        (("number",), "1e999", "must be a number"),
        (("number",), float("inf"), "must be a number"),
        (("number",), True, "must be a number"),
        (("number",), 10**400, "must be a number"),
        (("trim",), ["x"], "must be a text"),
        (("phone_e164",), True, "must be a text"),
        ((), {"x": 1}, "must be a text, a number, true or false"),
        ((), [1], "must be a text, a number, true or false"),
        ((), float("nan"), "must be a text, a number, true or false"),
    ],
)
def test_a_value_that_cannot_be_written_is_refused_by_name(
    transforms: tuple[str, ...], value: Any, reason: str
) -> None:
    """The error names the platform path and the reason and never the value; shown and compared it is left as it is."""
    field = compiled(*transforms)
    with pytest.raises(InvalidValue, match=reason) as caught:
        field.push(value)
    assert str(caught.value).startswith("some.field: ")
    assert str(value) not in str(caught.value)
    assert type(value) not in field.takes or value != value or abs(value) >= 2**64  # noqa: PLR0124 - neither is JSON
    hash(field.key(value))
    assert field.pull(value) is value


def test_values_of_types_that_are_taken_can_be_written() -> None:
    """Events are let in by their values' types where that is enough, so nothing of such a type may be refused."""
    texts = ("", " ", "x", "\x00", "+", "0000-00-00", "1e999", "\u2028")
    numbers = (0, -1, 2**63, -(2**63), 2**64 - 1, 0.5, -0.0, 5e-324, 1.7976931348623157e308)
    for transform in Transform:
        field = compiled(transform)
        for value in (None, *texts, *numbers):
            if type(value) in field.takes:
                field.push(value)
    assert {transform for transform in Transform if str in compiled(transform).takes} == set(Transform) - {
        Transform.DATE,
        Transform.DATETIME,
        Transform.NUMBER,
        Transform.BOOLEAN,
    }
    assert int not in compiled("boolean").takes
    assert bool not in compiled("number").takes
    assert int not in compiled("date").takes


@pytest.mark.parametrize(("value", "written"), [(True, True), (False, False), ("true", True), (" False ", False)])
def test_a_boolean_is_one_also_by_its_word(value: Any, written: bool) -> None:
    """As CSV and forms have it; and what a side says by its word is the same as the other's box."""
    field = compiled("boolean")
    assert field.push(value) is written
    assert field.pull(value) is written
    assert field.key(value) == field.key(written)
    assert field.key(True) != field.key(False)


def test_nothing_is_false() -> None:
    """A checkbox is never null: Salesforce refuses the whole row for it."""
    field = compiled("boolean")
    assert field.push(None) is False
    assert field.key(False) is field.key("false") is field.key(None)


@pytest.mark.parametrize("value", ["yes", 1, 0, "1", [True], {"a": True}])
def test_what_is_no_boolean_is_refused(value: Any) -> None:
    """Nobody guesses whether somebody has opted out."""
    with pytest.raises(InvalidValue, match="must be true or false"):
        compiled("boolean").push(value)


def test_numbers_beyond_a_double_compare_as_json_carries_them() -> None:
    """Salesforce answers numbers as doubles, so the last digits of a long one cannot make a difference."""
    field = compiled("number")
    assert field.key(9007199254740993) == field.key(9007199254740992.0)


def test_key_takes_anything_however_deep() -> None:
    """Nested values are hashable in comparison, and depth is bounded."""
    deep: Any = "end"
    for _ in range(300):
        deep = [deep]
    hash(compiled().key(deep))


def test_several_values_are_a_list_in_the_document_and_equal_in_any_order() -> None:
    """Salesforce gives them back in the order of its picklist."""
    field = compiled("multi_select")
    assert field.pull("sql;python") == ["python", "sql"]
    assert field.key("sql;python") == field.key(["python", "sql"]) == field.key("python; sql ")
    assert field.key("sql") != field.key("sql;python")


@pytest.mark.parametrize("value", [["a;b"], [True], [["a"]], {"a": 1}, True])
def test_what_is_no_set_of_texts_is_refused(value: Any) -> None:
    """A semicolon within a value would make two of it in Salesforce."""
    with pytest.raises(InvalidValue):
        compiled("multi_select").push(value)


@pytest.mark.parametrize(
    ("transform", "value", "pushed"),
    [
        ("datetime", "2026-11-22T10:00", "2026-11-22T08:00:00Z"),
        ("datetime", "2026-07-22T10:00", "2026-07-22T07:00:00Z"),
        ("datetime", "2026-11-22", "2026-11-21T22:00:00Z"),
        ("datetime", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("date", "2026-11-22T22:30:00Z", "2026-11-23"),
        ("date", "2026-11-22T22:30:00", "2026-11-22"),
        ("date", "2026-11-22", "2026-11-22"),
    ],
)
def test_a_zone_says_whose_clock_and_calendar_counts(transform: str, value: str, pushed: str) -> None:
    """A time without an offset is of the zone, summer or winter, and an instant has the date that it has there."""
    assert compiled(transform, zone="Europe/Bucharest").push(value) == pushed


@pytest.mark.parametrize("value", ["soon", "22.11.2026 10:00", "2026-13-01T00:00:00Z", True, ["2026-11-22"], 10**18])
def test_what_is_no_moment_is_refused(value: Any) -> None:
    """And compared as it is."""
    with pytest.raises(InvalidValue, match="must be a date and time"):
        compiled("datetime").push(value)


@pytest.mark.parametrize(
    ("scale", "value", "pushed"),
    [(2, "12.345", 12.35), (2, 12.344, 12.34), (0, 12.5, 13), (0, -12.5, -13), (2, 7, 7), (2, 1e300, 1e300)],
)
def test_a_scale_rounds_half_up(scale: int, value: Any, pushed: float) -> None:
    """12.345 is 12.35, as people expect, whatever the double nearest to it."""
    field = compiled("number", scale=scale)
    assert field.push(value) == pushed
    assert field.key(value) == field.key(pushed)


def test_a_picklist_says_what_the_platforms_values_are_called_in_salesforce() -> None:
    """Both ways, and compared as the same; a value that is not named is called the same."""
    field = compiled(picklist={"gold": "Gold Tier", "silver": "Silver Tier"})
    assert [field.push(value) for value in ("gold", " silver ", "bronze")] == ["Gold Tier", "Silver Tier", "bronze"]
    assert [field.pull(value) for value in ("Gold Tier", "bronze")] == ["gold", "bronze"]
    assert field.key("gold") == field.key("Gold Tier") != field.key("silver")


def test_each_of_several_values_has_its_name_in_salesforce() -> None:
    """A multi-select picklist is mapped value by value."""
    field = compiled("multi_select", picklist={"py": "Python", "js": "JavaScript"})
    assert field.push(["py", "sql", "js"]) == "JavaScript;Python;sql"
    assert field.pull("sql;Python;JavaScript") == ["js", "py", "sql"]
    assert field.key(["py", "js"]) == field.key("Python;JavaScript")
