"""Each thing that the project's reference of Salesforce's protocols holds for doubtful: who asks it, or why nobody."""

from dataclasses import dataclass
from typing import Final

from support import org_facts_more
from support.org_facts import FACTS

__all__ = ["DOUBTS", "FACTS", "SECTIONS", "Doubt", "org_facts_more"]

SECTIONS: Final = (*(f"9.{letter}" for letter in "ABC"), *(f"9.{number}" for number in range(1, 15)))


@dataclass(frozen=True, slots=True)
class Doubt:
    """One item: the facts that are asked of it, or why it is not asked."""

    section: str
    what: str
    facts: tuple[str, ...] = ()
    why_not: str = ""


def _asked(section: str, what: str, *facts: str) -> Doubt:
    return Doubt(section, what, facts)


def _not(section: str, what: str, why: str) -> Doubt:
    return Doubt(section, what, why_not=why)


_REFUSED = "status and words of "
_PEOPLE = "only a person in Setup can bring it about, and only by making the login useless meanwhile"
_ANOTHER_LOGIN = "it needs a login with fewer rights, or a record that ours may see and not change"
_A_KEY = "it needs the private key of an app that takes JWT bearer, which the settings need not name"
_HOURS = "it takes hours, or as much load as a guest does not put on an org"
_NOT_USED = "nothing of ours uses it"

DOUBTS: Final = (
    _asked(
        "9.A",
        "texts of OAuth errors",
        "unknown consumer key",
        "unknown grant type",
        "revoking a token that never was",
        "a JWT that is none",
    ),
    _not("9.A", "texts for a user or an org that is inactive or locked, a refused consent, a login rate", _PEOPLE),
    _not("9.A", "texts for a wrong audience", _A_KEY),
    _asked(
        "9.B",
        "statuses and texts of REST errors",
        "a body that is no JSON",
        "a value of a wrong JSON type",
        "a method that is not allowed",
        "a record in the recycle bin",
        *(
            _REFUSED + code
            for code in (
                "INVALID_FIELD of a query",
                "MALFORMED_QUERY",
                "INVALID_TYPE",
                "NUMBER_OUTSIDE_VALID_RANGE",
                "INVALID_FIELD of a row",
                "STRING_TOO_LONG",
                "FIELD_INTEGRITY_EXCEPTION",
                "MALFORMED_ID",
                "INVALID_QUERY_LOCATOR",
            )
        ),
    ),
    _asked("9.B", "INVALIDJOBSTATE", "second upload to a Bulk job"),
    _not("9.B", "status of UNABLE_TO_LOCK_ROW", "two writers have to meet in a record at one moment"),
    _not(
        "9.C",
        "patterns of host names, names of releases",
        "addresses are taken as the org tells them, and a release has no name for us",
    ),
    _not("9.C", "`nonce` of the authorize address", _NOT_USED),
    _asked("9.C", "revoking by GET and by JSONP", "revoking by GET", "revoking by JSONP"),
    _asked("9.C", "members of userinfo", "members of userinfo"),
    _not("9.C", "how many tokens an app may hold", _HOURS),
    _asked("9.C", "status of a SOAP fault", "HTTP status of a SOAP fault"),
    _asked(
        "9.C",
        "members and types of a describe",
        "members of a described field beyond the documented",
        "types of the fields of Contact",
    ),
    _asked("9.C", "what is null", "relationship that is null", "a subquery without rows"),
    _asked(
        "9.C",
        "SOQL",
        "AND and OR without parentheses",
        "FIELDS(ALL)",
        "WITH USER_MODE",
        "fractions of a second in SOQL",
    ),
    _asked(
        "9.C",
        "CometD's cookies, the first connect, `ext` of a subscription that is taken",
        "CometD: cookies, the first connect, a channel that is not there",
    ),
    _asked("9.C", "the origin of a Bulk job's change", "changeOrigin of a row of a Bulk job"),
    _asked(
        "9.C",
        "a Bulk query's CSV",
        "a Bulk query's CSV: quotes, headers",
        "a Bulk query's later page: its first row",
    ),
    _asked("9.C", "one upload for each job", "second upload to a Bulk job"),
    _asked("9.1", "how long a token lives", "how long a token lives"),
    _not("9.1", "how long an OAuth code lives", "a person has to agree in a browser, and then wait"),
    _not("9.1", "JWT: My Domain as `aud`, how far ahead `exp` may lie", _A_KEY),
    _not("9.1", "since when the password flow is blocked", "that is over for every org of today"),
    _asked(
        "9.2",
        "statuses and texts of a login that is refused",
        "wrong secret: 400 or 401",
        "wrong secret by Basic: 400 or 401",
        "client credentials at the shared login host",
        "header WWW-Authenticate on a 401",
        "identity address with a bad token",
    ),
    _asked("9.2", "UNSUPPORTED_MEDIA_TYPE, JSON_PARSER_ERROR", "a body of another type", "a body that is no JSON"),
    _not("9.2", "text of a 503", "the org has to be down"),
    _not("9.2", "status of INSUFFICIENT_ACCESS_OR_READONLY", _ANOTHER_LOGIN),
    _not("9.3", "body of a 300", "it needs an external id that is not unique"),
    _asked("9.4", "an id that never was", "an id that never was, by REST", "an id that never was, by Collections"),
    _asked("9.5", "changedFields, and a date", "an update's event over CometD: header, a date, LastModifiedDate"),
    _not("9.6", "formula fields in change events", "the fields of the preset have none, and the suite makes no field"),
    _not("9.7", "Pub/Sub's idle windows, statuses and replay ids", _NOT_USED),
    _asked(
        "9.8",
        "the client mark in changeOrigin",
        "the client mark in changeOrigin: single row, Collections, composite",
    ),
    _not("9.8", "changeOrigin of what a trigger writes", "the suite makes no trigger"),
    _asked("9.9", "headers of a row", "headers Last-Modified and ETag of a row"),
    _asked("9.9", "`isTransactionEnd`", "an update's event over CometD: header, a date, LastModifiedDate"),
    _asked(
        "9.10",
        "rows of a call, one by one",
        "one row with an unknown field: does it fail the call",
        "one record twice in an update",
        "one external id twice in an upsert",
    ),
    _asked(
        "9.10",
        "how DUPLICATES_DETECTED is told",
        "DUPLICATES_DETECTED: how its key is spelt, and what a match holds",
    ),
    _asked("9.11", "the address of a next page", "locator of a next page"),
    _asked("9.12", "key prefixes", "key prefixes"),
    _asked("9.13", "advice and cookies", "CometD: cookies, the first connect, a channel that is not there"),
    _not("9.13", "an `interval` under load", _HOURS),
    _not("9.14", "figures of other editions", "an org has one edition"),
)
