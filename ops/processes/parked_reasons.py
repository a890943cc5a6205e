"""The reason of a parked record as a metric tells it: one of a closed set, whatever Salesforce has said."""

import re
from typing import Final

from adapters.salesforce.error_codes import CODES
from adapters.salesforce.errors import UNEXPECTED_REPLY, UNREADABLE_ERROR
from adapters.salesforce.records import SPLIT_LATER
from consumers.rules.answers import GONE_SAYS_SALESFORCE
from consumers.rules.enrichment import GIVEN_UP
from consumers.rules.existence import MERGED_INTO_ANOTHERS
from consumers.rules.making import NO_CONSENT, NOTHING_MATCHES
from consumers.writer.find import ANOTHERS_RECORD
from consumers.writer.job import NEVER_SENT, NOT_FOR_BULK
from consumers.writer.match import MATCHED_RECORD_TAKEN
from schemas.bulk import UNPROCESSED
from schemas.records import INVALID_ROW

OTHER: Final = "other"
"""A code of Salesforce's that is not in `docs/errors.md`, or the name of a network error."""

_WORD: Final = re.compile(r"[a-z][a-z_]{2,40}")
_OURS: Final = frozenset(
    {
        ANOTHERS_RECORD,
        GIVEN_UP,
        GONE_SAYS_SALESFORCE,
        INVALID_ROW,
        MATCHED_RECORD_TAKEN,
        MERGED_INTO_ANOTHERS,
        NO_CONSENT,
        NEVER_SENT,
        NOTHING_MATCHES,
        NOT_FOR_BULK,
        SPLIT_LATER,
        UNEXPECTED_REPLY,
        UNPROCESSED,
        UNREADABLE_ERROR,
    }
)


def label_of(reason: str) -> str:
    """The reason where it is ours or a code that we know, else OTHER.

    An org's own packages can make codes up, each of which would be a new series.
    """
    if reason in CODES or reason in _OURS or _WORD.fullmatch(reason):
        return reason
    return OTHER
