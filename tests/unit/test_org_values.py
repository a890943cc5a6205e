"""Field values and field rules of the org."""

from typing import Any

import pytest

from simulator.org.errors import SalesforceError
from simulator.org.objects import load_objects
from simulator.org.values import (
    check_of,
    event_datetime,
    event_renderer,
    parser_of,
    read_date,
    read_datetime,
    rest_datetime,
    rest_renderer,
)

OBJECTS = load_objects()
CONTACT = OBJECTS["Contact"]


def stored(name: str, value: Any) -> Any:
    """The stored form of a value that passes its field's rules."""
    field = CONTACT.by_name[name]
    parsed = parser_of(field)(value)
    check = check_of(field, OBJECTS)
    if check is not None:
        check(parsed)
    return parsed


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LastName", "  Popescu \n", "Popescu"),
        ("LastName", "", None),
        ("LastName", "   ", None),
        ("LastName", "Ș" * 80, "Ș" * 80),
        ("Email", "Ana.Maria+x@Example.co.uk", "Ana.Maria+x@Example.co.uk"),
        ("Customer_Tier__c", "Growth", "Growth"),
        ("LeadSource", "Not in the list", "Not in the list"),
        ("Newsletter__c", True, 1),
        ("Total_Tickets__c", 5, 5.0),
        ("Total_Tickets__c", 2.5, 3.0),
        ("Total_Spent__c", 12.345, 12.35),
        ("Total_Spent__c", -0.004, 0.0),
        ("Total_Spent__c", None, None),
        ("Birthdate", "2000-02-29", "2000-02-29"),
        ("Last_Purchase_At__c", "2025-01-02T03:04:05Z", 1735787045000),
        ("Last_Purchase_At__c", "2025-01-02T05:04:05.250+02:00", 1735787045250),
        ("AccountId", "0015g00000XyZaB", "0015g00000XyZaBAAV"),
        ("AccountId", None, None),
    ],
)
def test_good_values_take_their_stored_form(name: str, value: Any, expected: Any) -> None:
    """Texts are trimmed and empty ones are null; numbers are rounded half up to the field's scale."""
    assert stored(name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("LastName", "x" * 81, "STRING_TOO_LONG"),
        ("LastName", 5, "JSON_PARSER_ERROR"),
        ("LastName", {}, "JSON_PARSER_ERROR"),
        ("Email", "not an address", "INVALID_EMAIL_ADDRESS"),
        ("Email", "a@b", "INVALID_EMAIL_ADDRESS"),
        ("Email", "x" * 70 + "@example.com", "STRING_TOO_LONG"),
        ("Customer_Tier__c", "growth", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ("Newsletter__c", "true", "JSON_PARSER_ERROR"),
        ("Newsletter__c", None, "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        ("Total_Tickets__c", "5", "JSON_PARSER_ERROR"),
        ("Total_Tickets__c", True, "JSON_PARSER_ERROR"),
        ("Total_Tickets__c", 10**18, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Total_Spent__c", 1e30, "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Birthdate", "2001-02-29", "JSON_PARSER_ERROR"),
        ("Birthdate", "2001-2-9", "JSON_PARSER_ERROR"),
        ("Birthdate", 20010209, "JSON_PARSER_ERROR"),
        ("Last_Purchase_At__c", "2025-01-02", "JSON_PARSER_ERROR"),
        ("Last_Purchase_At__c", "2025-01-02 03:04:05", "JSON_PARSER_ERROR"),
        ("AccountId", "nonsense", "MALFORMED_ID"),
        ("AccountId", "0035g00000QrStUAAV", "FIELD_INTEGRITY_EXCEPTION"),
        ("AccountId", 7, "JSON_PARSER_ERROR"),
    ],
)
def test_bad_values_are_refused_with_salesforces_code(name: str, value: Any, code: str) -> None:
    """Each rule of a field has its own status code."""
    with pytest.raises(SalesforceError) as refused:
        stored(name, value)
    assert refused.value.code == code


def test_moments_are_written_as_each_api_writes_them() -> None:
    """REST has no colon in the offset and always milliseconds; CometD has Z."""
    assert rest_datetime(1735787045000) == "2025-01-02T03:04:05.000+0000"
    assert event_datetime(1735787045250) == "2025-01-02T03:04:05.250Z"
    assert read_datetime(rest_datetime(1735787045250)) == 1735787045250


def test_impossible_moments_are_none() -> None:
    """A text of the right form that names no moment."""
    assert read_datetime("2025-13-02T03:04:05Z") is None
    assert read_date("2025-02-30") is None


def test_only_booleans_and_moments_are_rendered() -> None:
    """Everything else is stored as it is shown."""
    rendered = {one.name for one in CONTACT.columns if rest_renderer(one) is not None}
    assert rendered == {one.name for one in CONTACT.columns if event_renderer(one) is not None}
    assert {"IsDeleted", "CreatedDate", "Newsletter__c", "Last_Purchase_At__c"} <= rendered
    assert not rendered & {"LastName", "Birthdate", "Total_Spent__c", "AccountId"}
