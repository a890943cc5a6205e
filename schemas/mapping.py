"""The mapping: which kind goes with which sObject, field by field. A document with versions, editable as YAML.

These models hold the shape. What must hold between their parts is in `schemas.mapping_checks`, which every mapping goes
through before it is published; a version published once can always be read again, whatever later releases check.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.derivation import Total
from schemas.enrichment import EnrichmentMapping
from schemas.field_mapping import FieldMapping, KindName, SalesforceName
from schemas.place import LEAD, LEAD_PREFIX, Place
from schemas.platform_event import EventType
from schemas.record_filter import Condition, Filters, Plain
from schemas.strict import Strict


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


class Preference(Strict):
    """Of several records that match: those where the field holds something, or holds the latest or the earliest."""

    take: Literal["present", "latest", "earliest"]
    field: SalesforceName


class Matching(Strict):
    """How a document that no record names finds the record of the same thing, before one is made."""

    by: tuple[SalesforceName, ...] = Field(min_length=1)
    """Mapped fields, tried in turn: a record whose value is the document's is a match."""
    prefer: tuple[Preference, ...] = ()
    """Which of several matches is taken; the first that tells them apart decides, and at last the oldest record."""
    taken: Literal["park", "create"] = "park"
    """Where all that match belong to other documents: wait for a person, or make another record."""


class OnDelete(Strict):
    """What follows a deletion, by who deleted (merge rule 22)."""

    salesforce: SalesforceDeletion = SalesforceDeletion.UNLINK
    """The record was deleted in Salesforce."""
    platform: PlatformDeletion = PlatformDeletion.UNLINK
    """The platform deleted the thing."""


class LeadMapping(Strict):
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


class KindMapping(Strict):
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


class Mapping(Strict):
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
        """Collections that totals are taken of, each with the path that names the owner; and those of the members that
        people are who are looked up."""
        totals = [each.derive for kind in self.kinds.values() for each in kind.fields if isinstance(each.derive, Total)]
        people = {name for name, kind in self.kinds.items() if kind.enrichment is not None}
        members = {
            (kind.collection, field.platform)
            for kind in self.kinds.values()
            if kind.sobject == "CampaignMember"
            for field in kind.fields
            if field.salesforce == "ContactId" and people.intersection(field.lookups)
        }
        return sorted({(self.kinds[total.of].collection, total.by) for total in totals} | members)

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
