"""What is known of one document: its fields' registers, its link, its writes. Values that the rules read and change."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from consumers.rules.enriched import Enriched
from schemas.position import BEGINNING, CommitPosition

SHOWN_VALUES_KEPT: Final = 8
"""Rule 4: how many values a document has shown count as a stale view."""
LARGEST_NUMBER: Final = 1 << 62
"""A person may put any number into the token field; MongoDB keeps those of 64 bits, and writes are numbered on."""


class Side(StrEnum):
    """One of the two sides that are kept the same."""

    PLATFORM = "platform"
    SALESFORCE = "salesforce"

    @property
    def other(self) -> "Side":
        """The side across."""
        return Side.SALESFORCE if self is Side.PLATFORM else Side.PLATFORM


class WriteState(StrEnum):
    """What is known of a write."""

    OPEN = "open"
    """Stored, and its call is not answered."""
    ACKNOWLEDGED = "acknowledged"
    """Salesforce committed it; its event has not come."""
    DOUBTFUL = "doubtful"
    """Its event left fields out that S does not explain: `values` are those alone, and a row will tell (rule 9)."""
    LANDED = "landed"
    """Its token was seen in an event or a row."""
    NOT_RUN = "not_run"
    """Salesforce certainly did not run it."""
    REJECTED = "rejected"
    """Salesforce refused it for good."""
    UNKNOWN = "unknown"
    """No answer: it may have run, or may yet."""


@dataclass(slots=True)
class PlatformRegister:
    """P: what the platform last asserted of a field. Times are epoch milliseconds.

    `events` are the ids heard at exactly `heard`: with the order in time they tell a duplicate from a tie, however far
    back a stream is read again.
    """

    value: Any
    heard: int
    changed: int
    events: tuple[str, ...]


@dataclass(slots=True)
class SalesforceRegister:
    """S: what Salesforce last asserted of a field, and the commit that said so."""

    value: Any
    position: CommitPosition


@dataclass(slots=True)
class Review:
    """A conflict that waits for a person: the value the document does not show, and whose. Epoch milliseconds."""

    side: Side
    value: Any
    made_at: int
    since: int


class Theirs(NamedTuple):
    """What Salesforce itself said of a value that both sides made, and since when the document shows that.

    `shown_at` and `made_at` are epoch milliseconds, `shown_revision` is the revision that the update gave.
    """

    shown_at: int
    shown_revision: int
    made_at: int
    value: Any


@dataclass(slots=True)
class FieldState:
    """One field: both registers, and the current value that the document shows.

    `source` is the side the current value came from, None while the field was never set, and `made_at` when its author
    made it (epoch milliseconds, by that side's clock). `shown_at` and `shown_revision` say since when the document
    shows it; `shown` are the raw values it showed before. `agreed` is the commit since which both sides are known to
    hold the current value. `overruled` marks a pushed value that Salesforce's own automation replaced where its value
    cannot be taken over (a push-only field): held back until the value changes. `merged` marks a current value that a
    conflict made of both sides' (rule 13, `union`). `source` is the platform then, since the value is to be written;
    but an edit of the platform's replaces it outright only if its author could have seen Salesforce's part.
    """

    platform: PlatformRegister | None = None
    salesforce: SalesforceRegister | None = None
    source: Side | None = None
    value: Any = None
    made_at: int = 0
    shown_at: int = 0
    shown_revision: int = 0
    shown: tuple[Any, ...] = ()
    agreed: CommitPosition | None = None
    overruled: bool = False
    merged: bool = False
    theirs: Theirs | None = None
    """Salesforce's part of a merged value; or of the current one, which was a part before and is shown for longer."""
    review: Review | None = None
    passed: int = 0
    """How many of the last in `shown` were replaced in the very update that set them: no one has seen them. Not stored,
    since it is of one update."""

    @property
    def is_platforms(self) -> bool:
        """The current value is the platform's alone, so that its next word replaces it whatever its author saw."""
        return self.source is Side.PLATFORM and not self.merged

    @property
    def part_of_theirs(self) -> Theirs:
        """What Salesforce has in the current value, which is not the platform's alone."""
        return self.theirs or Theirs(self.shown_at, self.shown_revision, self.made_at, self.value)

    def show(
        self,
        value: Any,
        source: Side,
        *,
        made_at: int,
        at: int,
        revision: int,
        merged: bool = False,
        theirs: Theirs | None = None,
    ) -> None:
        """Make `value` the current value, put in the document at `at` by the update that gives `revision`."""
        if self.source is not None:
            self.passed = self.passed + 1 if self.shown_revision == revision else 0
            self.shown = (*self.shown, self.value)
            if len(self.shown) > SHOWN_VALUES_KEPT:
                # After an outage one update passes many values: they must not push out those that people have seen.
                oldest = len(self.shown) - self.passed if self.passed else 0
                self.shown = self.shown[:oldest] + self.shown[oldest + 1 :]
                self.passed = max(0, self.passed - 1)
        self.value = value
        self.source = source
        self.made_at = made_at
        self.shown_at = at
        self.shown_revision = revision
        self.agreed = None
        self.overruled = False
        self.merged = merged
        self.theirs = theirs


class Fields(dict[str, FieldState]):
    """Fields by Salesforce name.

    `consumers.rules.stored` has one that takes stored fields apart when they are asked for; what is asked here of all
    fields of every document, it answers without that.
    """

    __slots__ = ()

    def set_ones(self) -> set[str]:
        """The names of the fields that have a current value."""
        return {name for name, field in dict.items(self) if field.source is not None}

    def in_hand(self) -> list[str]:
        """The names of those that need not be taken apart to look into them."""
        return list(self)

    def stored(self, _name: str) -> Any:
        """What the document shows at the field's path as it was read; nothing of a new one."""
        return None

    def counted(self) -> bool:
        """Whether the document counted for totals as it was read: it was there, and not deleted."""
        return False

    def surely_agree(self, name: str) -> bool:
        """True where the current value is what Salesforce last said, to the letter. False says nothing."""
        field = self.get(name)
        if field is None or field.source is None or field.salesforce is None:
            return False
        value, held = field.value, field.salesforce.value
        return value.__class__ is held.__class__ and bool(value == held)


@dataclass(slots=True)
class Write:
    """Numbered per document: what Salesforce should take over, stored before the call.

    `revision` is the document's when the write was taken; `values` are in Salesforce's form, by Salesforce field.
    """

    number: int
    values: dict[str, Any]
    revision: int
    taken_at: int
    state: WriteState = WriteState.OPEN
    answered_at: int = 0
    first: bool = False
    """An upsert by external id, made before there was a link."""
    heard: bool = False
    """Its event has come. Events come in the order of commits, so one that comes before it was committed before it."""
    covered: int = 0
    """For a write that a row showed: the row mark before, up to which nothing can have been buried unseen (rule 25)."""
    job: str = ""
    """The Bulk job that carries it: it alone knows the answer, however long that takes."""
    ask_at: int = 0
    """When to ask after the job."""
    claims: bool = False
    """It gives the record our external id, which it had not got."""

    @property
    def pending(self) -> bool:
        """True while the call is open, or committed and Salesforce has still to tell what became of it."""
        return self.state in (WriteState.OPEN, WriteState.ACKNOWLEDGED, WriteState.DOUBTFUL)


@dataclass(slots=True)
class Link:
    """The Salesforce record of this document. Never removed, only marked gone (rule 21)."""

    record_id: str
    linked_at: int
    read: bool = False
    """A whole read begun after the link was stored has been taken in (rule 19)."""
    gone: bool = False
    searched: bool = False
    """It is gone, and no other record has taken its place (rule 23)."""
    deleted_for: int = 0
    """The platform's deletion for which we deleted it: when that was heard to have happened (rule 22)."""
    deleting: int = 0
    """When we last asked for its deletion, until that is answered: epoch milliseconds (rule 22)."""
    claimed: bool = True
    """The record holds our external id. One that we met by its change may not (rule 22, `on_unlinked`)."""
    anew: bool = False
    """A new record in the place of one that was deleted: what it does not hold, nobody has cleared (rule 22)."""
    from_lead: bool = False
    """The contact of a Lead that was converted: a conversion carries custom fields along only where an admin has said
    so, and one that it has not carried nobody has cleared (rule 23)."""
    former: tuple[str, ...] = ()
    """The ids the record had before (rule 23)."""
    positions: dict[str, CommitPosition] = field(default_factory=dict)
    """The last event of each of those: what one record tells is in order, what two tell is not (rule 1)."""
    first_row: int = 0
    """Where there are such, the row mark of the first whole read: by then they had ended in this one (rule 23)."""
    converted: bool = False
    """It is gone since it was a Lead that was converted: if nothing is left of that, the thing is no Lead again."""
    converted_at: int = 0
    """When we have learned that the Lead which it was is converted, epoch milliseconds; 0 where it was none."""
    account: str = ""
    """Of a Lead that was converted: the account that it was converted to."""
    opportunity: str = ""
    """Of a Lead that was converted: the opportunity that was made of it."""
    merged_into: str = ""
    """The document that has the record which took the place of this one (rule 23, `on_merge`)."""
    handed_over: bool = False
    """That document has the very record, which is still there: what it tells is nothing of this one's any more."""
    touched: frozenset[str] = frozenset()
    """Fields that somebody else has set while the record was not read yet: what a row shows there may be his, though it
    is what we wrote (rule 26)."""
    left: frozenset[str] = frozenset()
    """Custom fields that the contact of a Lead did not show: what the Lead has still to tell of them counts
    (rule 23)."""
    edits: dict[str, SalesforceRegister] = field(default_factory=dict)
    """What was set in them last: it counts where the record is gone before it was read (rule 23)."""


@dataclass(slots=True)
class Existence:
    """Whether the platform last said that the thing exists, and when (rule 22)."""

    exists: bool
    heard: int
    events: tuple[str, ...]
    first: int = 0
    """When the earliest event that told of it occurred: epoch milliseconds, 0 where that is not known."""

    @property
    def made_by(self) -> int:
        """The thing was made then or before, epoch milliseconds."""
        return self.first or self.heard


@dataclass(slots=True)
class Refusal:
    """A write that was given up: the same values are not sent again until one of them changes or a person redrives."""

    values: dict[str, Any]
    code: str
    message: str
    at: int
    deletion: bool = False
    """What was refused is to delete the record."""
    fields: tuple[str, ...] = ()
    """The fields that Salesforce named as the cause."""


@dataclass(slots=True)
class Retry:
    """Failures of the write that is due now: how many, and when to try next (epoch milliseconds)."""

    tries: int
    at: int
    code: str
    locked: bool = False
    """A person holds the record, as an approval does."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The parent that a lookup names, which has no record yet: since when it is missed, and when to look again (epoch
    milliseconds)."""

    parent: str
    at: int
    since: int
    keeper: str = ""
    """Where it is no record that is missed: whose filter keeps the parent back, and with it this document, as
    `<kind>/<id>`."""


@dataclass(slots=True)
class DocumentState:
    """Everything the rules know of one document. `revision` is None while we have never written it."""

    kind: str
    id: str
    revision: int | None = None
    mapping: int = 0
    """The version of the mapping by which it was last decided (rule 29)."""
    fields: Fields = field(default_factory=Fields)
    """By Salesforce field name."""
    existence: Existence | None = None
    link: Link | None = None
    position: CommitPosition = BEGINNING
    """The record's last event; of the ids it had before, `link.positions` has theirs."""
    heard_at: int = 0
    """When a change or a row of the record was last taken in, by our clock."""
    row_mark: int = 0
    """The last millisecond of the second that the last whole read covers (rule 25)."""
    writes: list[Write] = field(default_factory=list)
    last_number: int = 0
    read_reason: str = ""
    """Why the record must be read whole; empty when it need not be."""
    refusal: Refusal | None = None
    retry: Retry | None = None
    awaited: dict[str, Awaited] = field(default_factory=dict)
    """By lookup field: it is not written before its parent has a record."""
    audit: list[dict[str, Any]] = field(default_factory=list)
    """Rows that name a loser, not yet drained to the log."""
    told: list[dict[str, Any]] = field(default_factory=list)
    """What the platform is to be told of this and earlier updates, not yet in its topic."""
    decisions: tuple[str, ...] = ()
    """The last updates of the document, newest first: tells a lost race from one that was won and then built upon."""
    stored_due_at: int | None = None
    """`_sync.due_at` as it was read."""
    enriched: Enriched | None = None
    """Of a person who was looked up in Salesforce, or is to be."""
    underived: bool = False
    """Its derived fields are to be taken anew (rule 28); due until they are."""
    uncounted: bool = False
    """What others count of it has changed, and their totals have not been taken since; due until they are."""
    keeps: bool = False
    """The mapping's filter has kept it back, and what hangs on it has not been let go since; due once it may be."""

    @property
    def next_revision(self) -> int:
        """The revision that the update being decided will give."""
        return (self.revision or 0) + 1

    @property
    def record(self) -> Link | None:
        """The link, unless it is gone: the record that can be written to."""
        return None if self.link is None or self.link.gone else self.link

    @property
    def deleted(self) -> bool:
        """The platform last said that the thing does not exist."""
        return self.existence is not None and not self.existence.exists

    def field(self, name: str) -> FieldState:
        """The field's state, made when it is first spoken of."""
        state = self.fields.get(name)
        if state is None:
            state = self.fields[name] = FieldState()
        return state

    def write(self, number: int) -> Write | None:
        """The stored write with this number."""
        return next((write for write in self.writes if write.number == number), None)

    def named(self, number: int | None) -> Write | None:
        """The stored write that a token names, if any; its number is not taken again (rule 15).

        After a restore of an older backup Salesforce knows numbers that the document does not.
        """
        if number is None:
            return None
        if number <= LARGEST_NUMBER:
            self.last_number = max(self.last_number, number)
        return self.write(number)

    def open_write(self) -> Write | None:
        """The one request whose answer is outstanding (rule 15)."""
        return next((write for write in self.writes if write.state is WriteState.OPEN), None)

    def acknowledged(self) -> Iterator[Write]:
        """Writes that Salesforce committed without having told yet what became of them, oldest first."""
        return (write for write in self.writes if write.state in (WriteState.ACKNOWLEDGED, WriteState.DOUBTFUL))
