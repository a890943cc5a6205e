"""Why a document and its record are not the same: the reasons, and what each comes to."""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Any, Final, assert_never


class Why(StrEnum):
    """Why the two sides are not the same, in the words of the report."""

    DIFFERENT = "Salesforce holds a value that was never heard of"
    MISSING = "the record is gone, and nothing told of it"
    ANOTHERS = "the record has another external id"
    BY_HAND = "the document was changed past Tandem"
    UNDERIVED = "a total does not follow from its documents"
    STUCK = "due, and nobody would ever be told"
    NO_DOCUMENT = "the record should have a document, and has none"
    IN_FLIGHT = "in flight"
    NOT_HANDLED = "not handled yet: a change of the record waits in Kafka"
    IN_GAP = "in a gap that is not closed"
    TO_BE_READ = "the record is to be read whole"
    DUE = "due"
    DEFERRED = "deferred"
    AWAITS_PARENT = "waits for a parent's record"
    REVIEW = "held: waits for a person"
    FILL_ONLY = "held: fill_only"
    CREATE_ONLY = "held: create_only"
    NO_CONSENT = "held: no consent"
    OVERRULED = "overruled by Salesforce"
    PARKED = "parked"
    FILTERED = "left out by a filter"
    SWITCHED_OFF = "the object is switched off"
    PULLED_ONLY = "only pulled"
    PUSHED_ONLY = "only pushed"
    GONE = "the record is gone"
    UNLINKED = "no record"
    DELETED = "deleted on the platform"
    OLDER_MAPPING = "not decided by this version of the mapping yet"


class Standing(Enum):
    """What a reason comes to."""

    EXPLAINED = auto()
    UNHEARD = auto()
    """No rule accounts for it: something in Salesforce that nobody has told of, or not yet."""
    WRONG = auto()
    """No rule accounts for it, whatever is still told: the document itself is not as Tandem left it."""


def standing(why: Why) -> Standing:
    """Of every reason."""
    match why:
        case Why.DIFFERENT | Why.MISSING | Why.ANOTHERS | Why.NO_DOCUMENT:
            return Standing.UNHEARD
        case Why.BY_HAND | Why.UNDERIVED | Why.STUCK:
            return Standing.WRONG
        case Why.IN_FLIGHT | Why.NOT_HANDLED | Why.IN_GAP | Why.TO_BE_READ | Why.DUE | Why.DEFERRED | Why.PARKED:
            return Standing.EXPLAINED
        case Why.AWAITS_PARENT | Why.REVIEW | Why.FILL_ONLY | Why.CREATE_ONLY | Why.NO_CONSENT | Why.OVERRULED:
            return Standing.EXPLAINED
        case Why.FILTERED | Why.SWITCHED_OFF | Why.PULLED_ONLY | Why.PUSHED_ONLY | Why.OLDER_MAPPING:
            return Standing.EXPLAINED
        case Why.GONE | Why.UNLINKED | Why.DELETED:
            return Standing.EXPLAINED
        case _:
            assert_never(why)


TRULY_DIFFERENT: Final = frozenset(why for why in Why if standing(why) is not Standing.EXPLAINED)
"""What no rule accounts for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the sides differ; of the whole document where `path` is empty."""

    why: Why
    path: str = ""
    platform: Any = None
    salesforce: Any = None
    until: int = 0
    """When somebody looks again, epoch milliseconds; 0 where that is now, or not known."""
    code: str = ""
    """Salesforce's, of what is parked or deferred."""


def explained_by_what_is_untold(
    difference: Difference, modified: int, *, waits: bool, hidden_since: int | None
) -> Difference:
    """The same, or explained where what Salesforce did may only not have been told yet.

    `modified` is the record's `SystemModstamp`, `waits` says that a change of it was not handled when the document was
    read, and `hidden_since` from when on a gap may hide its changes: epoch milliseconds; None where no gap does. When a
    record was deleted nobody can read any more.
    """
    if standing(difference.why) is not Standing.UNHEARD:
        return difference
    if waits:
        return replace(difference, why=Why.NOT_HANDLED)
    if hidden_since is not None and (difference.why is Why.MISSING or modified >= hidden_since):
        return replace(difference, why=Why.IN_GAP)
    return difference
