"""Every error code of Salesforce's that we know: what it means, and what we do. Behaviour and `docs/errors.md` are both
made from this one table.

The codes are those of the REST API guide ("Status Codes and Error Responses") and of the SOAP API guide ("StatusCode").
Codes alone decide, never texts. A code that is not here has a behaviour too: `remedy_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Remedy(StrEnum):
    """What is done about a code, where a row or a whole call brings it; WHAT_WE_DO tells it whole."""

    LOG_IN = "log in"
    WAIT_FOR_ORG = "wait for the org"
    WAIT_FOR_ADMIN = "wait for the admin"
    WAIT_FOR_LOCK = "wait for the lock"
    WAIT_FOR_APPROVAL = "wait for the approval"
    TRY_AGAIN = "try again"
    LOOK_AGAIN = "look again"
    SHRINK = "shrink"
    UPDATE_INSTEAD = "update instead of create"
    FOLLOW_MERGE = "follow the merge"
    FOLLOW_CONVERSION = "follow the conversion"
    LOOK_INSIDE = "look for the cause"
    PARK = "park"


WHAT_WE_DO: Final[Mapping[Remedy, str]] = {
    Remedy.LOG_IN: (
        "The token is not good any more: one new login, and the very same request once more. If that is "
        "refused too, everybody waits, as for `wait for the org`."
    ),
    Remedy.WAIT_FOR_ORG: (
        "The org is down, full, over its limits or does not let us in. Nothing was run and no row is to "
        "blame: it waits half a minute, again and again, and no try is used up."
    ),
    Remedy.WAIT_FOR_ADMIN: (
        "Our rights or the API are not as they must be. Of a whole call no row is to blame: everybody waits "
        "as for `wait for the org`, until a person has put that right. Of a row alone: parked."
    ),
    Remedy.WAIT_FOR_LOCK: (
        "Somebody else writes the same record or its parent at this moment. The locked rows alone are sent "
        "again at once, up to three times, in twice as many calls each time; then they wait as for `try "
        "again`, and go in calls of fifty. Our own calls keep out of each other's way."
    ),
    Remedy.WAIT_FOR_APPROVAL: (
        "A person has to let the record go. Tried again as soon as the record is heard to have changed, and "
        "otherwise after an hour, then after twice as long each time, up to a day; parked after the "
        "twentieth try."
    ),
    Remedy.TRY_AGAIN: (
        "Not run. Tried again at once, then after growing waits up to a day; parked after the twentieth try."
    ),
    Remedy.LOOK_AGAIN: (
        "Salesforce does not say what became of it. It is tried again under a new number, a first write only "
        "after the record was looked for by external id; the token tells if the earlier one landed after all."
    ),
    Remedy.SHRINK: (
        "The call was too much for Salesforce, or one row spoils it for the others: it is cut in halves until "
        "it goes through or the row is found. A single row is parked."
    ),
    Remedy.UPDATE_INSTEAD: (
        "A record with this value is there already. It is looked for by external id, then by the id that "
        "Salesforce names, and a campaign member by its campaign and person: if it is nobody else's it is "
        "linked, read and updated. If another document of the "
        "kind has it, or another thing's external id, the write is parked and both are named. The update of a "
        "linked record is parked with the other record named."
    ),
    Remedy.FOLLOW_MERGE: (
        "The record is read by Id. If it is gone, the record that it was merged into is looked for and takes "
        "its place; without one the link is marked gone. If it is there after all, or the error names a "
        "field, a lookup is to blame: the write is parked. An upsert whose record was deleted meanwhile is "
        "tried again."
    ),
    Remedy.FOLLOW_CONVERSION: (
        "The lead is a contact now and cannot be written any more. It is asked which one. The document of a "
        "kind that is kept in Lead and Contact goes with it: the contact is read whole, given our external id and "
        "written to from then on. Of a kind that is kept in Lead alone the write is parked with that contact named."
    ),
    Remedy.LOOK_INSIDE: (
        "A trigger or a flow failed, and wraps the code of what stopped it. A locked row in it: as `wait for "
        "the lock`. Anything else is for the org's developers: parked."
    ),
    Remedy.PARK: (
        "Refused for good, and a person must put it right. Parked with the code, the fields that Salesforce "
        "names and its own words; the same values are not sent again until one of them changes. A whole call "
        "that is refused with 400 is cut in halves until the row is found; one that is refused with another "
        "status waits as for `wait for the admin`."
    ),
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """One code: what it says, and what we do. `status` is the HTTP status that usually brings it."""

    status: int
    says: str
    remedy: Remedy


CODES: Final[Mapping[str, Meaning]] = {
    # The session, the org, its limits
    "INVALID_SESSION_ID": Meaning(401, "the token has expired or was revoked", Remedy.LOG_IN),
    "REQUEST_LIMIT_EXCEEDED": Meaning(
        403, "the day's API calls are used up, or too many long calls run at once", Remedy.WAIT_FOR_ORG
    ),
    "SERVER_UNAVAILABLE": Meaning(503, "Salesforce is too busy, or under maintenance", Remedy.WAIT_FOR_ORG),
    "API_CURRENTLY_DISABLED": Meaning(403, "the org's API is switched off for now", Remedy.WAIT_FOR_ORG),
    "API_DISABLED_FOR_ORG": Meaning(403, "the org's edition or this user has no API", Remedy.WAIT_FOR_ORG),
    "FUNCTIONALITY_NOT_ENABLED": Meaning(403, "what was called is not switched on in the org", Remedy.WAIT_FOR_ADMIN),
    "OPERATION_NOT_ALLOWED": Meaning(403, "this user may not do what was called", Remedy.WAIT_FOR_ADMIN),
    "STORAGE_LIMIT_EXCEEDED": Meaning(400, "the org's data storage is full", Remedy.WAIT_FOR_ORG),
    "METHOD_NOT_ALLOWED": Meaning(405, "the resource does not take this HTTP method", Remedy.WAIT_FOR_ADMIN),
    "UNSUPPORTED_MEDIA_TYPE": Meaning(415, "the body's type is not taken", Remedy.WAIT_FOR_ADMIN),
    "UNKNOWN_EXCEPTION": Meaning(
        500, "an error inside Salesforce; its message has an id for support", Remedy.LOOK_AGAIN
    ),
    # Not run, and no row to blame
    "UNABLE_TO_LOCK_ROW": Meaning(
        400, "the record or its parent is being written by somebody else", Remedy.WAIT_FOR_LOCK
    ),
    "LIMIT_EXCEEDED": Meaning(400, "a limit of the org or of the transaction is reached", Remedy.TRY_AGAIN),
    "TXN_SECURITY_METERING_ERROR": Meaning(400, "the org's transaction security could not judge it", Remedy.TRY_AGAIN),
    "QUERY_TIMEOUT": Meaning(400, "a query ran for more than two minutes", Remedy.TRY_AGAIN),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": Meaning(
        400, "rolled back since another row of the call failed", Remedy.TRY_AGAIN
    ),
    "PROCESSING_HALTED": Meaning(400, "not run since an earlier part of the call failed", Remedy.TRY_AGAIN),
    "BATCH_PROCESSING_HALTED": Meaning(412, "not run since an earlier part of the batch failed", Remedy.TRY_AGAIN),
    "OPERATION_TOO_LARGE": Meaning(400, "the call touches more than Salesforce takes at once", Remedy.SHRINK),
    "EXCEEDED_ID_LIMIT": Meaning(400, "the call names more records than Salesforce takes at once", Remedy.SHRINK),
    "QUERY_TOO_COMPLICATED": Meaning(400, "the query is too long or too deep", Remedy.SHRINK),
    # The record is another, or none
    "DUPLICATE_VALUE": Meaning(400, "another record holds this value of a unique field", Remedy.UPDATE_INSTEAD),
    "DUPLICATE_EXTERNAL_ID": Meaning(300, "several records hold this external id", Remedy.UPDATE_INSTEAD),
    "ENTITY_IS_DELETED": Meaning(404, "the record is in the recycle bin, perhaps by a merge", Remedy.FOLLOW_MERGE),
    "NOT_FOUND": Meaning(404, "there is no such record; of a whole call: no such resource", Remedy.FOLLOW_MERGE),
    "INVALID_CROSS_REFERENCE_KEY": Meaning(
        400, "an id, the record's own or a lookup's, names nothing", Remedy.FOLLOW_MERGE
    ),
    "MALFORMED_ID": Meaning(400, "an id, the record's own or a lookup's, has not the form of one", Remedy.FOLLOW_MERGE),
    "CANNOT_UPDATE_CONVERTED_LEAD": Meaning(400, "the lead was converted and is read-only", Remedy.FOLLOW_CONVERSION),
    "ENTITY_IS_LOCKED": Meaning(400, "an approval holds the record", Remedy.WAIT_FOR_APPROVAL),
    # A value, a rule or a right refuses the row
    "REQUIRED_FIELD_MISSING": Meaning(400, "a field that must have a value has none", Remedy.PARK),
    "FIELD_INTEGRITY_EXCEPTION": Meaning(
        400, "a value does not fit the field or its siblings, as a country and its state", Remedy.PARK
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Meaning(400, "a validation rule of the org refuses it", Remedy.PARK),
    "FIELD_FILTER_VALIDATION_EXCEPTION": Meaning(
        400, "a lookup's filter refuses the record that is named", Remedy.PARK
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Meaning(400, "the value is not among the picklist's", Remedy.PARK),
    "TOO_MANY_ENUM_VALUE": Meaning(400, "a picklist holds too many values", Remedy.PARK),
    "STRING_TOO_LONG": Meaning(400, "a text is longer than its field", Remedy.PARK),
    "NUMBER_OUTSIDE_VALID_RANGE": Meaning(400, "a number is larger or smaller than its field takes", Remedy.PARK),
    "INVALID_EMAIL_ADDRESS": Meaning(400, "not an e-mail address by Salesforce's rules", Remedy.PARK),
    "INVALID_FIELD": Meaning(400, "the object has no such field, or the user may not see it", Remedy.PARK),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Meaning(400, "the user may not write this field, or nobody may", Remedy.PARK),
    "INVALID_TYPE": Meaning(400, "the org has no such object, or the user may not see it", Remedy.PARK),
    "INSUFFICIENT_ACCESS_OR_READONLY": Meaning(403, "the user may not write this record", Remedy.PARK),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": Meaning(
        400, "the user may not use the record that a lookup names", Remedy.PARK
    ),
    "INACTIVE_OWNER_OR_USER": Meaning(400, "the record's owner, or a user that it names, is inactive", Remedy.PARK),
    "DUPLICATES_DETECTED": Meaning(400, "a duplicate rule of the org takes it for a record that is there", Remedy.PARK),
    "SELF_REFERENCE_FROM_TRIGGER": Meaning(400, "a trigger writes the record that it runs for", Remedy.PARK),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": Meaning(400, "a trigger failed", Remedy.LOOK_INSIDE),
    "CANNOT_EXECUTE_FLOW_TRIGGER": Meaning(400, "a flow failed", Remedy.LOOK_INSIDE),
    "DELETE_FAILED": Meaning(400, "the record cannot be deleted while others hang on it", Remedy.PARK),
    # The request itself is wrong: our fault or the mapping's
    "JSON_PARSER_ERROR": Meaning(400, "the body, or a value's type in it, cannot be read", Remedy.PARK),
    "MALFORMED_QUERY": Meaning(400, "the query cannot be read", Remedy.PARK),
    "INVALID_QUERY_FILTER_OPERATOR": Meaning(400, "the query compares a field as it cannot be compared", Remedy.PARK),
    "INVALID_QUERY_LOCATOR": Meaning(400, "a query's next page has expired", Remedy.PARK),
}


UNKNOWN_CODE: Final = Meaning(400, "a code that is not in this table", Remedy.PARK)
"""What it says of a row is final, so it is not sent again and again; nothing is lost, since it is parked."""


def remedy_of(code: str) -> Remedy:
    """What is done about a code; about one that nobody knows, as UNKNOWN_CODE says."""
    return CODES.get(code, UNKNOWN_CODE).remedy
