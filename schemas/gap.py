"""What may have been missed, and how far its repair has come: a row of `tandem_gaps`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.polling import ModifiedRow


class GapReason(StrEnum):
    """How something may have been missed, and so by what means it is repaired."""

    POSITION_REFUSED = "position_refused"
    """Salesforce refused the replay position."""
    POSITION_EXPIRED = "position_expired"
    """The position was older than Salesforce keeps events when the subscriber came back."""
    POSITION_AGING = "position_aging"
    """The position neared that age, and no subscription stood by which it could be renewed."""
    OVERFLOW = "overflow"
    """An event stood for more changes than Salesforce tells one by one, and named no record."""
    WILDCARD = "wildcard"
    """An event stood for every record of an object."""
    GAP_EVENT = "gap_event"
    """An event named records, and not what was changed in them."""
    OFFSET_OUT_OF_RANGE = "offset_out_of_range"
    """Kafka had removed records that were not handled yet."""
    COMPARISON = "comparison"
    """A comparison of both sides found what no event had told of, and had it read."""


class GapState(StrEnum):
    """Where the repair of a gap is."""

    OPEN = "open"
    REPAIRING = "repairing"
    """Begun: its cursor tells how far it has come, and what was published is still to be handled."""
    CLOSED = "closed"


class Handling(StrEnum):
    """How far a consumer group has come with what was to be handled."""

    DONE = "done"
    PENDING = "pending"
    NOT_IN_LOG = "not_in_log"
    """The log ends before it, or has fewer partitions: it is another one, and what was published is not in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a repair has found: records looked at, those of them published to be read, those that were deleted, and
    those of our documents' that had been changed or deleted with nothing heard of it."""

    looked: int = 0
    published: int = 0
    deleted: int = 0
    unheard: int = 0

    def __add__(self, other: "Found") -> "Found":
        return Found(
            self.looked + other.looked,
            self.published + other.published,
            self.deleted + other.deleted,
            self.unheard + other.unheard,
        )


@dataclass(frozen=True, slots=True)
class ObjectProgress:
    """How far the repair has come with one object: after which row it goes on, or that it is through."""

    found: Found = Found()
    after: ModifiedRow | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class ObjectGap:
    """A gap that an event told of: of a whole object, or of the records it named. Times are epoch milliseconds."""

    reason: GapReason
    entity: str
    mark: str
    """Names the event, so that the same one is the same row."""
    since: int
    until: int
    record_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparisonGap:
    """What a comparison found of one kind: nothing is left to repair. Times are epoch milliseconds."""

    run: str
    kind: str
    entity: str
    found: Found
    note: str
    since: int
    """When the comparison before it began; 0 where none is known."""
    until: int


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap as it is kept. Times are epoch milliseconds; 0 where one is not known."""

    id: str
    reason: GapReason
    channel: str
    """The channel of Salesforce's, or the topic of ours."""
    state: GapState
    since: int
    until: int
    opened: int = 1
    """How often it was met: a repair that began before the last time does not close it."""
    noticed_at: int = 0
    """When it was first kept here. `until` of a gap that an event told of is when its commit was."""
    met_at: int = 0
    """When it was kept last, with anything that was not in it before."""
    entity: str = ""
    record_ids: tuple[str, ...] = ()
    refused_replay_id: int | str | None = None
    group: str = ""
    partition: int = -1
    wanted: int = -1
    first: int = -1
    end: int = -1
    progress: Mapping[str, ObjectProgress] = field(default_factory=dict)
    """By sObject."""
    published_to: Mapping[int, int] = field(default_factory=dict)
    """The end of each partition of `salesforce.changes` behind all that was published: it is closed once that is
    handled. Until then a document knows nothing of what was missed, and its record is read before it is written."""
    rung_to: Mapping[int, int] = field(default_factory=dict)
    """The same of `salesforce.writes`, behind the doorbells for records that an event named and no document has."""
    covered_by: str = ""
    """The comparison that has looked for everything that may have been missed: nothing is left but to handle it."""
    covered_note: str = ""
    error: str = ""
    """Why the last try to repair it ended."""
    tried_at: int = 0
    asked_at: int = 0
    """When a person asked that it be tried now, however long it was to wait."""
    asked_by: str = ""
    closed_at: int = 0
    closed_by: str = ""
    note: str = ""

    @property
    def found(self) -> Found:
        """Over all objects."""
        return sum((each.found for each in self.progress.values()), Found())
