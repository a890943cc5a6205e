"""The mapping: which kind goes with which sObject, field by field. A document with versions, editable as YAML.

These models hold the shape. What must hold between their parts is in `schemas.mapping_checks`, which every mapping goes
through before it is published; a version published once can always be read again, whatever later releases check.
"""

from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from schemas.derivation import Derivation, Total
from schemas.enrichment import EnrichmentMapping
from schemas.place import LEAD, LEAD_PREFIX, Place
from schemas.platform_event import EventType
from schemas.record_filter import Condition, Filters, Plain

SalesforceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
"""An API name: `Email`, `Tandem_Customer_Id__c`."""

PlatformPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$")]
"""A path in the platform's document: `email`, `address.city`. `salesforce` and `revision` are ours."""


def _as_written(value: object) -> object:
    """A word that YAML takes for a truth value."""
    return str(value).lower() if isinstance(value, bool) else value


PicklistValue = Annotated[
    str,
    BeforeValidator(_as_written),
    StringConstraints(pattern=r"^[^;\s]([^;]*[^;\s])?$", max_length=255),
]

KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

Lookup = Annotated[
    Annotated[KindName, Tag("<kind>")] | Annotated[tuple[KindName, ...], Field(min_length=1), Tag("<kinds>")],
    Discriminator(lambda raw: "<kind>" if isinstance(raw, str) else "<kinds>"),
]
"""The kind, or the kinds, whose documents values name."""


class Direction(StrEnum):
    """Which way a field's values travel: `push` to Salesforce, `pull` from it."""

    PUSH = "push"
    PULL = "pull"
    BOTH = "both"


class Policy(StrEnum):
    """Who wins a conflict on a field."""

    SALESFORCE_WINS = "salesforce_wins"
    PLATFORM_WINS = "platform_wins"
    LATEST_WINS = "latest_wins"
    REVIEW = "review"
    """Nobody, until a person chooses; meanwhile the document shows what it showed and nothing is pushed."""
    FILL_ONLY = "fill_only"
    """Salesforce, where it holds a value; and such a value is never overwritten, conflict or not."""
    UNION = "union"
    """Both: of two sets, the values that either has."""
    MAX = "max"
    """The greater number or the later date; nothing never wins."""
    MIN = "min"
    """The lesser number or the earlier date; nothing never wins."""


class SalesforceDeletion(StrEnum):
    """What follows when the record was deleted in Salesforce."""

    UNLINK = "unlink"
    """The document stays, and is not written any more."""
    RECREATE = "recreate"
    """A new record is made of what the document shows."""
    DELETE = "delete"
    """The thing counts as deleted."""


class PlatformDeletion(StrEnum):
    """What follows when the platform deleted the thing."""

    UNLINK = "unlink"
    """The record stays, and is not written any more."""
    DELETE = "delete"
    """The record is deleted too: it goes to Salesforce's recycle bin."""


class Unlinked(StrEnum):
    """What a change of a record without a document leads to."""

    IGNORE = "ignore"
    MATCH = "match"
    """It is linked to the document whose id its external id field holds, if there is one."""
    CREATE = "create"
    """The same, and where there is none a document is made of it."""


class Transform(StrEnum):
    """How a platform value becomes the form in which Salesforce stores it, and in which both sides are compared."""

    TRIM = "trim"
    LOWER = "lower"
    UPPER = "upper"
    PHONE_E164 = "phone_e164"
    DOMAIN = "domain"
    DATE = "date"
    DATETIME = "datetime"
    NUMBER = "number"
    MULTI_SELECT = "multi_select"
    BOOLEAN = "boolean"


class Asserts(StrEnum):
    """What an event type says of its thing: that it exists with these values, was deleted, or has to be forgotten."""

    VALUES = "values"
    DELETED = "deleted"
    ERASED = "erased"
    """The person is to be forgotten, everywhere and for good."""


class Creation(StrEnum):
    """What is made for a document that no record matches."""

    SOBJECT = "sobject"
    """A record of the kind's object."""
    LEAD = "lead"
    """A Lead."""
    NONE = "none"
    """Nothing: only records that are there are linked."""


class Privacy(StrEnum):
    """How much of a field's values may be seen and kept beside the document."""

    PERSONAL = "personal"
    """Masked where it is shown, unless a person asks for the values."""
    SENSITIVE = "sensitive"
    """The same, and the audit keeps no value of it: only that there was one."""


class OnMerge(StrEnum):
    """What follows where one record has taken the place of the records of two documents."""

    PARK = "park"
    """A person says which of the two stays."""
    KEEP_MASTER = "keep_master"
    """The document that has the record stays; the other is marked as merged into it, and is not written any more."""


class WholeRecords(StrEnum):
    """What an event that does not name its change is a copy of."""

    PAGES = "pages"
    """Of what somebody looked at: a value that was shown before may be old, and changes nothing (merge rule 4)."""
    SNAPSHOTS = "snapshots"
    """Of what the platform's own database held at the event's time: the latest counts, in fields that are only pushed.

    In two-way fields the copy may be older than Salesforce's value, so they are pages all the same.
    """


def _known_zone(name: str) -> str:
    """The name of a time zone, if it is known here; else raises `ValueError`."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError("it must be a time zone by its IANA name such as Europe/Bucharest") from None
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class FieldMapping(_Strict):
    """One platform field and its Salesforce field."""

    platform: PlatformPath
    """The path in the document: `email`, `address.city`."""
    salesforce: SalesforceName
    """The API name of the field."""
    direction: Direction = Direction.BOTH
    """Which way values travel."""
    policy: Policy = Policy.SALESFORCE_WINS
    """Who wins a conflict."""
    first: Policy | None = None
    """Who wins where values differ on first contact; the policy where not given."""
    transform: tuple[Transform, ...] = ()
    """The form that is written and shown, and in which both sides are compared."""
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    """For `phone_e164`: the country of numbers written without one, ISO 3166-1 (`RO`)."""
    zone: Annotated[str, AfterValidator(_known_zone)] | None = None
    """By its IANA name, `Europe/Bucharest`. For `date`: where a moment has its date, instead of at its own offset. For
    `datetime`: whose a time without an offset is, instead of UTC's."""
    scale: int | None = Field(default=None, ge=0, le=18)
    """For `number`: decimals, to which a value is rounded half up."""
    picklist: dict[PicklistValue, PicklistValue] = Field(default_factory=dict)
    """The platform's values and what each is called in Salesforce; a value that is not named is called the same."""
    lookup: Lookup | None = None
    """The kind whose documents the platform's values name, by id; Salesforce's field names their records. Of several
    kinds, `[customer, company]`, a value names its kind too: `company/acme`."""
    lead: SalesforceName | None = None
    """For a lookup of a kind that may be kept in a Lead: the field that names it while it is one, `LeadId`. Without it
    the lookup waits for the Contact."""
    required: bool = False
    """For a lookup that a record cannot be made without: the first write waits until the parent has a record."""
    create_only: bool = False
    """Written when the record is made and never after, since nobody can change it then. A later difference is held."""
    privacy: Privacy | None = None
    """`personal` or `sensitive`: values are masked where they are shown; of sensitive ones the audit keeps none."""
    consent: Condition | None = None
    """A purpose that the person has to allow: the field is only written while this holds of the document, and is held
    back otherwise. What Salesforce holds by then stays, and what is changed there still comes in."""
    derive: Derivation | None = None
    """What the value follows from. Such a field is pushed only, and what events say of it does not count."""

    @property
    def lookups(self) -> tuple[str, ...]:
        """The kinds whose documents the values name; none where the field is no lookup."""
        return (self.lookup,) if isinstance(self.lookup, str) else self.lookup or ()


class Preference(_Strict):
    """Of several records that match: those where the field holds something, or holds the latest or the earliest."""

    take: Literal["present", "latest", "earliest"]
    field: SalesforceName


class Matching(_Strict):
    """How a document that no record names finds the record of the same thing, before one is made."""

    by: tuple[SalesforceName, ...] = Field(min_length=1)
    """Mapped fields, tried in turn: a record whose value is the document's is a match."""
    prefer: tuple[Preference, ...] = ()
    """Which of several matches is taken; the first that tells them apart decides, and at last the oldest record."""
    taken: Literal["park", "create"] = "park"
    """Where all that match belong to other documents: wait for a person, or make another record."""


class OnDelete(_Strict):
    """What follows a deletion, by who deleted (merge rule 22)."""

    salesforce: SalesforceDeletion = SalesforceDeletion.UNLINK
    """The record was deleted in Salesforce."""
    platform: PlatformDeletion = PlatformDeletion.UNLINK
    """The platform deleted the thing."""


class LeadMapping(_Strict):
    """The Lead in which a person of the kind may be kept, until it is converted to a Contact."""

    external_id: SalesforceName
    """The field of Lead that holds the platform's id: text, unique, external id."""
    token: SalesforceName
    """The field of Lead that names our last write: text, 255 characters."""
    fields: dict[SalesforceName, SalesforceName] = Field(min_length=1)
    """What mapped fields are called in Lead, `MailingCity: City`. A field that is not named is not kept there."""
    only: tuple[SalesforceName, ...] = ()
    """Mapped fields that Lead has and Contact has not, such as `Company`."""
    placeholders: dict[SalesforceName, str] = Field(default_factory=dict)
    """By field of Lead: what stands there for no value, since the field is required. It never comes to the platform."""
    defaults: dict[SalesforceName, Plain] = Field(default_factory=dict)
    """What a Lead is made with besides, by its fields."""
    prefer: tuple[Preference, ...] = ()
    """Which of several Leads that match is taken, by fields of Lead; at last the oldest."""


class KindMapping(_Strict):
    """One kind, its collection and its sObject."""

    collection: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    """The MongoDB collection of its documents."""
    sobject: SalesforceName
    """The Salesforce object that it is kept in."""
    external_id: SalesforceName
    """The field that holds the platform's id: text, unique, external id."""
    token: SalesforceName
    """The field that names our last write: text, 255 characters."""
    events: dict[EventType, Asserts] = Field(default_factory=dict)
    """Platform event types of this kind and what each asserts: `customer.updated: values`."""
    on_delete: OnDelete = OnDelete()
    """What follows a deletion, by who deleted."""
    on_unlinked: Unlinked = Unlinked.IGNORE
    """What a change of a record without a document leads to."""
    match: Matching | None = None
    """How a document without a record finds the one of the same thing; without it a record is made."""
    lead: LeadMapping | None = None
    """For a kind that is kept in Contact: that it may be kept in a Lead before, and how."""
    create: Creation = Creation.SOBJECT
    """What is made for a document that no record matches."""
    consent: Condition | None = None
    """A record is only made for documents of which this holds; what is linked is written all the same."""
    defaults: dict[SalesforceName, Plain] = Field(default_factory=dict)
    """What a record is made with besides, by Salesforce field: `RecordTypeId: 012…`. Never written later."""
    on_merge: OnMerge = OnMerge.PARK
    """What follows where the records of two documents became one."""
    filters: Filters = Filters()
    """Which documents go to Salesforce, and which records become documents."""
    whole_records: WholeRecords = WholeRecords.PAGES
    """What an event that does not name its change is a copy of."""
    enrichment: EnrichmentMapping | None = None
    """For people: how they are looked up by e-mail while they register, and what is taken over."""
    fields: tuple[FieldMapping, ...] = Field(min_length=1)
    """Field by field: what goes with what."""

    def places(self) -> tuple[Place, ...]:
        """The objects that its records are kept in, its own first."""
        lead_only = () if self.lead is None else self.lead.only
        own = Place(
            sobject=self.sobject,
            external_id=self.external_id,
            token=self.token,
            names={each.salesforce: each.salesforce for each in self.fields if each.salesforce not in lead_only},
            elsewhere=frozenset(lead_only),
            read_beside=tuple(each.lead for each in self.fields if each.lead is not None),
            defaults=self.defaults,
        )
        if self.lead is None:
            return (own,)
        mapped = [each.salesforce for each in self.fields]
        called = {**self.lead.fields, **{name: name for name in self.lead.only}}
        names = {name: called[name] for name in mapped if name in called}
        known = {here: name for name, here in names.items()}
        lead = Place(
            sobject=LEAD,
            external_id=self.lead.external_id,
            token=self.lead.token,
            names=names,
            kinds_names={**known, self.lead.external_id: self.external_id, self.lead.token: self.token},
            placeholders={known[here]: text for here, text in self.lead.placeholders.items() if here in known},
            defaults=self.lead.defaults,
            is_lead=True,
        )
        return (own, lead)

    def looked_up(self) -> tuple[str, ...]:
        """What is read of its object, or of a parent (`Account.Name`), of people who are looked up while they register.

        Of `as_lead` it is what is read of a Lead.
        """
        fields = () if self.enrichment is None else self.enrichment.fields
        paths = (each.lead if self.sobject == LEAD else each.contact for each in fields)
        return tuple(dict.fromkeys(path for path in paths if path is not None))

    def place_of(self, record_id: str) -> Place:
        """The object of a record of the kind."""
        own, *others = self.places()
        return others[0] if others and record_id.startswith(LEAD_PREFIX) else own

    def as_lead(self) -> "KindMapping | None":
        """The same kind as if Lead were its own object: what has to be there and may be done is asked of both alike."""
        if self.lead is None:
            return None
        names = self.places()[-1].names
        fields = [
            each.model_copy(update={"salesforce": names[each.salesforce]})
            for each in self.fields
            if each.salesforce in names
        ]
        by = () if self.match is None else tuple(names[name] for name in self.match.by if name in names)
        return self.model_copy(
            update={
                "sobject": LEAD,
                "external_id": self.lead.external_id,
                "token": self.lead.token,
                "fields": tuple(fields),
                "match": Matching(by=by, prefer=self.lead.prefer) if by else None,
                "defaults": self.lead.defaults,
                "lead": None,
            }
        )

    def by_object(self) -> "list[tuple[str, KindMapping]]":
        """The kind for each object that it is kept in, with where in the kind that is said: `` or `.lead`."""
        lead = self.as_lead()
        own = self.model_copy(
            update={"fields": tuple(each for each in self.fields if each.salesforce in self.places()[0].names)}
        )
        return [("", own)] if lead is None else [("", own), (".lead", lead)]


class Mapping(_Strict):
    """All kinds. `version` is given by the store when the mapping is published, from 1."""

    format: Literal[1] = 1
    """Of this file."""
    version: int = Field(default=0, ge=0)
    since: dict[KindName, dict[SalesforceName, int]] = Field(default_factory=dict)
    """By kind and Salesforce field: the version that first mapped it to its path; given by the store too. A field that
    is not named has been there from the first."""
    kinds: dict[KindName, KindMapping] = Field(min_length=1)
    """By name: what the platform has, and where in Salesforce it is kept."""

    def kind_of_event(self, event_type: str) -> tuple[str, KindMapping, Asserts] | None:
        """The kind that this event type speaks of, or nothing."""
        for name, kind in self.kinds.items():
            if event_type in kind.events:
                return name, kind, kind.events[event_type]
        return None

    def kinds_of_sobject(self, sobject: str) -> list[tuple[str, KindMapping]]:
        """Every kind kept in this sObject; several kinds may share one."""
        return [
            (name, kind)
            for name, kind in self.kinds.items()
            if any(place.sobject == sobject for place in kind.places())
        ]

    def objects(self) -> list[str]:
        """Every object that some kind is kept in."""
        return list(dict.fromkeys(place.sobject for kind in self.kinds.values() for place in kind.places()))

    def collections(self) -> list[str]:
        """Every kind's collection."""
        return [kind.collection for kind in self.kinds.values()]

    def counted(self) -> list[tuple[str, str]]:
        """Collections that totals are taken of, each with the path that names the owner."""
        totals = [each.derive for kind in self.kinds.values() for each in kind.fields if isinstance(each.derive, Total)]
        return sorted({(self.kinds[total.of].collection, total.by) for total in totals})

    def matched(self) -> list[tuple[str, str]]:
        """Collections whose documents are looked for by what a record holds, each with the path that is looked at."""
        found = {
            (kind.collection, field.platform)
            for kind in self.kinds.values()
            if kind.match is not None and kind.on_unlinked is not Unlinked.IGNORE
            for field in kind.fields
            if field.salesforce in kind.match.by
        }
        found |= {(kind.collection, kind.enrichment.by) for kind in self.kinds.values() if kind.enrichment is not None}
        return sorted(found)

    def event_types(self) -> frozenset[str]:
        """Every event type that some kind names."""
        return frozenset(event_type for kind in self.kinds.values() for event_type in kind.events)
