"""What each of Salesforce's answers means, code by code."""

import orjson
import pytest

from adapters.salesforce.errors import ApiError, CallFailed, Fault, api_error, call_fault, errors_of, row_fault
from schemas.records import Failure

NOT_RUN, UNKNOWN, REJECTED, GONE = Failure.NOT_RUN, Failure.UNKNOWN, Failure.REJECTED, Failure.GONE
DUPLICATE, CONVERTED, LOCKED = Failure.DUPLICATE, Failure.CONVERTED, Failure.LOCKED


def body(code: str) -> bytes:
    return orjson.dumps([{"errorCode": code, "message": "in words"}])


@pytest.mark.parametrize(
    ("status", "code", "failure", "org_wide"),
    [
        (400, "REQUIRED_FIELD_MISSING", REJECTED, False),
        (400, "INVALID_FIELD", REJECTED, False),
        (400, "INVALID_FIELD_FOR_INSERT_UPDATE", REJECTED, False),
        (400, "STRING_TOO_LONG", REJECTED, False),
        (400, "MALFORMED_ID", REJECTED, False),
        (400, "MALFORMED_QUERY", REJECTED, False),
        (400, "INVALID_TYPE", REJECTED, False),
        (400, "INVALID_QUERY_LOCATOR", REJECTED, False),
        (400, "JSON_PARSER_ERROR", REJECTED, False),
        (400, "QUERY_TIMEOUT", NOT_RUN, False),
        (400, "UNABLE_TO_LOCK_ROW", NOT_RUN, False),
        (400, "LIMIT_EXCEEDED", NOT_RUN, False),
        (400, "STORAGE_LIMIT_EXCEEDED", NOT_RUN, True),
        (401, "INVALID_SESSION_ID", NOT_RUN, True),
        (403, "REQUEST_LIMIT_EXCEEDED", NOT_RUN, True),
        (403, "API_DISABLED_FOR_ORG", NOT_RUN, True),
        (403, "API_CURRENTLY_DISABLED", NOT_RUN, True),
        (403, "FUNCTIONALITY_NOT_ENABLED", NOT_RUN, True),
        (403, "OPERATION_NOT_ALLOWED", NOT_RUN, True),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", NOT_RUN, True),
        (404, "NOT_FOUND", NOT_RUN, True),
        (405, "METHOD_NOT_ALLOWED", NOT_RUN, True),
        (410, "GONE", NOT_RUN, True),
        (415, "UNSUPPORTED_MEDIA_TYPE", NOT_RUN, True),
        (429, "TOO_MANY_REQUESTS", NOT_RUN, True),
        (500, "UNKNOWN_EXCEPTION", UNKNOWN, False),
        (503, "SERVER_UNAVAILABLE", NOT_RUN, True),
        (503, "SOMETHING_ELSE", UNKNOWN, True),
    ],
)
def test_a_call_refused_with_salesforces_own_body(status: int, code: str, failure: Failure, org_wide: bool) -> None:
    """NOT_RUN only where Salesforce certainly did not run it; whole-call refusals but 400 blame no row."""
    assert call_fault(status, body(code)) == Fault(failure, code, "in words", org_wide)


@pytest.mark.parametrize("status", [302, 403, 404, 420, 500, 502, 503, 504])
@pytest.mark.parametrize(
    "page", [b"", b"<html>Down</html>", b"{}", b"[]", b'"text"', b'[{"message":"no code"}]', b"[1]"]
)
def test_a_page_that_is_not_salesforces_tells_nothing(status: int, page: bytes) -> None:
    """Something in front of Salesforce answered: the request may have gone through all the same."""
    assert call_fault(status, page) == Fault(UNKNOWN, f"HTTP_{status}", org_wide=True)


def test_a_401_is_believed_whoever_says_it() -> None:
    """Without a login nothing is run."""
    assert call_fault(401, b"<html>") == Fault(NOT_RUN, "HTTP_401", org_wide=True)


@pytest.mark.parametrize(
    ("code", "failure", "org_wide"),
    [
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", NOT_RUN, False),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", REJECTED, False),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", REJECTED, False),
        ("CANNOT_UPDATE_CONVERTED_LEAD", CONVERTED, False),
        ("DELETE_FAILED", REJECTED, False),
        ("DUPLICATES_DETECTED", REJECTED, False),
        ("DUPLICATE_EXTERNAL_ID", DUPLICATE, False),
        ("DUPLICATE_VALUE", DUPLICATE, False),
        ("ENTITY_IS_DELETED", GONE, False),
        ("ENTITY_IS_LOCKED", LOCKED, False),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", REJECTED, False),
        ("FIELD_FILTER_VALIDATION_EXCEPTION", REJECTED, False),
        ("FIELD_INTEGRITY_EXCEPTION", REJECTED, False),
        ("INACTIVE_OWNER_OR_USER", REJECTED, False),
        ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", REJECTED, False),
        ("INSUFFICIENT_ACCESS_OR_READONLY", REJECTED, False),
        ("INVALID_CROSS_REFERENCE_KEY", GONE, False),
        ("INVALID_EMAIL_ADDRESS", REJECTED, False),
        ("INVALID_FIELD", REJECTED, False),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", REJECTED, False),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", REJECTED, False),
        ("LIMIT_EXCEEDED", NOT_RUN, False),
        ("MALFORMED_ID", GONE, False),
        ("NOT_FOUND", GONE, False),
        ("NUMBER_OUTSIDE_VALID_RANGE", REJECTED, False),
        ("PROCESSING_HALTED", NOT_RUN, False),
        ("REQUEST_LIMIT_EXCEEDED", NOT_RUN, True),
        ("REQUIRED_FIELD_MISSING", REJECTED, False),
        ("SELF_REFERENCE_FROM_TRIGGER", REJECTED, False),
        ("SERVER_UNAVAILABLE", NOT_RUN, True),
        ("STORAGE_LIMIT_EXCEEDED", NOT_RUN, True),
        ("STRING_TOO_LONG", REJECTED, False),
        ("TOO_MANY_ENUM_VALUE", REJECTED, False),
        ("TXN_SECURITY_METERING_ERROR", NOT_RUN, False),
        ("UNABLE_TO_LOCK_ROW", NOT_RUN, False),
        ("UNKNOWN_EXCEPTION", UNKNOWN, False),
        ("A_CODE_OF_TOMORROW", REJECTED, False),
    ],
)
def test_a_row_updated_by_id(code: str, failure: Failure, org_wide: bool) -> None:
    """Every code of the catalogue, and one nobody knows yet, where the errors name no field."""
    assert row_fault([ApiError(code, "m")], by_id=True) == Fault(failure, code, "m", org_wide)


@pytest.mark.parametrize("code", ["INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID", "ENTITY_IS_DELETED", "NOT_FOUND"])
@pytest.mark.parametrize(
    ("fields", "by_id", "failure"),
    [(("Id",), True, GONE), (("id",), True, GONE), (("AccountId",), True, REJECTED), (("AccountId",), False, REJECTED)],
)
def test_a_lookups_bad_id_does_not_make_the_record_gone(
    code: str, fields: tuple[str, ...], by_id: bool, failure: Failure
) -> None:
    """Only the row's own id speaks of the row's own record."""
    assert row_fault([ApiError(code, fields=fields)], by_id=by_id).failure is failure


def test_an_upserted_row_has_no_id_of_its_own_to_be_gone() -> None:
    """A record deleted under an upsert is made anew by a repeat; any other bad id is a lookup's."""
    assert row_fault([ApiError("ENTITY_IS_DELETED")], by_id=False).failure is NOT_RUN
    assert row_fault([ApiError("INVALID_CROSS_REFERENCE_KEY")], by_id=False).failure is REJECTED


def test_a_lock_inside_a_trigger_is_a_lock() -> None:
    """Triggers wrap what stopped them; the code stands in their message."""
    text = "Roll: execution of AfterUpdate caused by: System.DmlException: first error: UNABLE_TO_LOCK_ROW, unable to"
    fault = row_fault([ApiError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text)], by_id=True)
    assert (fault.failure, fault.code) == (NOT_RUN, "UNABLE_TO_LOCK_ROW")


def test_of_several_errors_the_most_final_counts() -> None:
    """A row with a lock and a refusal is refused: a repeat would be refused too."""
    several = [ApiError("UNABLE_TO_LOCK_ROW"), ApiError("STRING_TOO_LONG"), ApiError("UNKNOWN_EXCEPTION")]
    assert row_fault(several, by_id=True).code == "STRING_TOO_LONG"
    assert row_fault([], by_id=True) == Fault(UNKNOWN, "UNEXPECTED_REPLY")


def test_error_bodies_come_as_an_array_or_a_bare_object() -> None:
    """Whole calls say `errorCode`, rows `statusCode`; what has no code is no error of Salesforce's."""
    assert errors_of(b'{"statusCode":"A_CODE","message":"m","fields":["A"]}') == [ApiError("A_CODE", "m", ("A",))]
    assert errors_of(b'[{"errorCode":"A_CODE"},{"nothing":1}]') == [ApiError("A_CODE")]


def test_a_failed_calls_text_names_the_code_alone() -> None:
    """Salesforce's messages quote values, and exceptions reach logs."""
    assert str(CallFailed(Fault(REJECTED, "STRING_TOO_LONG", "Last Name: data value too large: Popescu"))) == (
        "Salesforce: STRING_TOO_LONG"
    )


RECORD, OTHER = "0035g00000QrStUAAV", "0035g00000QrStVAAV"


def test_a_duplicate_value_names_the_record_that_holds_it() -> None:
    """In the text alone, by 15 characters, in any language; words and broken ids are none."""
    texts = {
        f"duplicate value found: Ext__c duplicates value on record with id: {RECORD[:15]}": (RECORD,),
        f"doppelter Wert gefunden: administratives und {RECORD}, 0035g00000QrStUAAW": (RECORD,),
        "duplicate value found: <unknown> duplicates value on record with id: <unknown>": (),
    }
    for text, existing in texts.items():
        fault = row_fault([ApiError("DUPLICATE_VALUE", text, ("Ext__c",))], by_id=False)
        assert (fault.existing, fault.fields) == (existing, ("Ext__c",))
    assert row_fault([ApiError("STRING_TOO_LONG", f"Title: {RECORD}")], by_id=True).existing == ()


@pytest.mark.parametrize("key", ["duplicateResut", "duplicateResult"])
def test_a_duplicate_rule_names_what_it_has_found(key: str) -> None:
    """The key is misspelt in the REST API's own documents; new orgs may have mended it."""
    records = [{"matchConfidence": 100.0, "record": {"Id": each}} for each in (RECORD, OTHER[:15])]
    error = {
        "errorCode": "DUPLICATES_DETECTED",
        "message": "Use one?",
        key: {"matchResults": [{"matchRecords": records}]},
    }
    fault = call_fault(400, orjson.dumps([error]))
    assert (fault.failure, fault.existing) == (REJECTED, (RECORD, OTHER))
    assert errors_of(orjson.dumps([{**error, key: "in words"}]))[0].existing == ()


def test_several_choices_are_a_refusal_that_names_them() -> None:
    """300: an external id that matches several records. Nothing was written."""
    addresses = [f"/services/data/v62.0/sobjects/Contact/{each}" for each in (RECORD, OTHER)]
    expected = Fault(REJECTED, "DUPLICATE_EXTERNAL_ID", existing=(RECORD, OTHER))
    assert call_fault(300, orjson.dumps(addresses)) == expected
    assert call_fault(300, b"<html>") == Fault(REJECTED, "DUPLICATE_EXTERNAL_ID")


@pytest.mark.parametrize("key", ["errorCode", "statusCode"])
@pytest.mark.parametrize("text", ["Ada Lovelace ada@example.org", "small_letters", "A", "A CODE", "A" * 82, "A_CODE\n"])
def test_free_text_is_no_code(key: str, text: str) -> None:
    """It is kept in the message, which is stored and never logged; what the code tells goes into metrics and logs."""
    (error,) = errors_of(orjson.dumps([{key: text, "message": "in words", "fields": ["Email"]}]))
    assert error == ApiError("UNREADABLE_ERROR", f"{text}: in words", ("Email",))
    assert api_error(text, "") == ApiError("UNREADABLE_ERROR", text)
    assert row_fault([error], by_id=True).failure is REJECTED
    assert str(CallFailed(call_fault(400, orjson.dumps([{key: text}])))) == "Salesforce: UNREADABLE_ERROR"


def test_a_code_that_nobody_knows_stays_what_it_is() -> None:
    """An org's packages have codes of their own, which a person may look up."""
    assert api_error("A_CODE_OF_TOMORROW2", "why") == ApiError("A_CODE_OF_TOMORROW2", "why")
