"""By what means a gap is repaired, and when the next try is. Pure: the shell reads, publishes and closes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from consumers.rules.state import DocumentState
from schemas import topics
from schemas.gap import GapReason, GapRow
from schemas.polling import ModifiedRow

ALL_CHANNELS: Final = "/data/ChangeEvents"
_EVENT_CHANNEL: Final = "ChangeEvent"
_CUSTOM_EVENT_CHANNEL: Final = "__ChangeEvent"


@dataclass(frozen=True, slots=True)
class MappedObjects:
    """The sObjects of the mapping."""

    all: tuple[str, ...]
    taken_in: tuple[str, ...] = ()
    """Those of them whose records become documents, or look for theirs, when they are made in Salesforce."""


@dataclass(frozen=True, slots=True)
class Window:
    """Compare these objects from `since` on (epoch milliseconds): each record that was changed since is to be read.

    There is no later end. A record that was changed again after the gap shows the later time alone, and the event of
    that change names only what it changed: what was missed before would be missed for good.
    """

    sobjects: tuple[str, ...]
    since: int
    every_record: bool = False
    """Whatever its `SystemModstamp` says: what happened leaves that alone."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Nothing but to wait until these records have been read: their event has told the ordinary path to."""

    entity: str
    record_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """Nothing: what was missed is told again by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class ByHand:
    """No program can repair it."""

    why: str


Means = Window | Reading | Swept | ByHand

COMPARED: Final = "the comparison had each record read that it found"
HANDLED_SECONDS: Final = 1.0
"""How often it is asked whether what was published is handled."""
SWEPT: Final = "the sweep rings for every document that is due"


def means_for(gap: GapRow, objects: MappedObjects, *, overlap: int) -> Means:
    """How this gap is repaired; `overlap` in milliseconds.

    The window begins the overlap earlier than the gap: a `SystemModstamp` is older than its commit by as long as the
    transaction took.
    """
    mapped = objects.all
    since = max(0, gap.since - overlap)
    match gap.reason:
        case GapReason.POSITION_REFUSED | GapReason.POSITION_EXPIRED | GapReason.POSITION_AGING:
            return Window(_told_by(gap.channel, mapped), since)
        case GapReason.OVERFLOW:
            return Window(_one(gap.entity, mapped), since)
        case GapReason.WILDCARD:
            return Window(_one(gap.entity, mapped), 0, every_record=True)
        case GapReason.GAP_EVENT:
            return Reading(gap.entity, gap.record_ids)
        case GapReason.OFFSET_OUT_OF_RANGE:
            return _of_topic(gap, objects)
        case GapReason.COMPARISON:
            return Swept(COMPARED)
        case _:
            assert_never(gap.reason)


def hidden_since(gaps: Iterable[GapRow], objects: MappedObjects, *, overlap: int) -> dict[str, int]:
    """By object, from when on these gaps may hide changes of its records: epoch milliseconds, 0 for all of them.

    That is what their repair looks at. `gaps` are those that are not closed.
    """
    hidden: dict[str, int] = {}
    for gap in gaps:
        means = means_for(gap, objects, overlap=overlap)
        if isinstance(means, Window):
            for sobject in means.sobjects:
                hidden[sobject] = min(means.since, hidden.get(sobject, means.since))
    return hidden


def has_been_read(state: DocumentState) -> bool:
    """True where a gap event has nothing more to wait for: its record has been read whole since, or is gone."""
    record = state.record
    return record is None or (record.read and not state.read_reason)


def is_unheard(states: Iterable[DocumentState], seen: ModifiedRow) -> bool:
    """Whether a record was changed, or deleted, later than anything that one of its documents has heard or read."""
    return any(
        state.link is not None
        and not state.link.gone
        and (seen.deleted or seen.modified > max(state.position.timestamp, state.row_mark))
        for state in states
    )


def next_look(left: Iterable[GapRow], seconds: float) -> float:
    """Seconds until the gaps are looked at again: sooner where one waits only for the reconcilers."""
    return min(seconds, HANDLED_SECONDS) if any(gap.published_to for gap in left) else seconds


def next_try(failures: int, *, first: float, longest: float) -> float:
    """Seconds until a repair that failed so often in a row is tried again."""
    return float(min(longest, first * 2 ** min(failures, 20)))


def _told_by(channel: str, mapped: tuple[str, ...]) -> tuple[str, ...]:
    """The mapped objects whose changes come over a channel; of a channel of the org's own making any may."""
    name = channel.rsplit("/", 1)[-1]
    if channel == ALL_CHANNELS or not name.endswith(_EVENT_CHANNEL):
        return mapped
    if name.endswith(_CUSTOM_EVENT_CHANNEL):
        return _one(f"{name.removesuffix(_CUSTOM_EVENT_CHANNEL)}__c", mapped)
    return _one(name.removesuffix(_EVENT_CHANNEL), mapped)


def _one(entity: str, mapped: tuple[str, ...]) -> tuple[str, ...]:
    """None where no kind is kept in the object (any more): then there is nothing to repair."""
    return (entity,) if entity in mapped else ()


def _of_topic(gap: GapRow, objects: MappedObjects) -> Means:
    match gap.channel:
        case topics.SALESFORCE_CHANGES:
            # When the first of them was committed nobody knows any more.
            return Window(objects.all, 0)
        case topics.SALESFORCE_WRITES if objects.taken_in:
            # A doorbell also rings for a record that has no document yet, and of those no sweep knows.
            return Window(objects.taken_in, 0)
        case topics.SALESFORCE_WRITES | topics.ENRICHMENT_REQUESTS:
            return Swept(SWEPT)
        case topics.PLATFORM_EVENTS:
            return ByHand(
                "Kafka had removed platform events that were not handled: ask the platform to post again what changed "
                "there, as whole records, then close this gap by hand"
            )
        case topics.COMMANDS:
            return ByHand(
                "Kafka had removed requests for runs that were not handled: ask for them again, then close this"
            )
        case topics.PLATFORM_CHANGES:
            return ByHand(
                "Kafka had removed changes before the platform was told of them: have it read what it keeps of ours "
                "anew, then close this gap by hand"
            )
        case _:
            return ByHand("a topic that is none of ours")
