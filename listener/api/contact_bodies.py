"""What is said of a contact over HTTP, and how one is shown."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from listener.api import contact_form
from schemas.api_key import Scope
from schemas.mapping import KindMapping
from schemas.platform_event import DocumentId

Document = Mapping[str, Any]


class ContactPath(BaseModel):
    """Whose."""

    id: str = Field(
        min_length=1,
        max_length=320,
        description="A Salesforce id (15 or 18 characters), the platform's id, or an e-mail address.",
    )


class OfKind(BaseModel):
    """Which sort of person."""

    model_config = ConfigDict(extra="forbid")

    kind: str | None = Field(
        default=None, max_length=80, description="The kind of the mapping, where several are kept in Contact."
    )


class ContactSaid(BaseModel):
    """What the platform knows of a person: fields by its own names beside those that are named here."""

    model_config = ConfigDict(
        extra="allow",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {
                    "email": "customer@example.com",
                    "first_name": "Ion",
                    "last_name": "Popescu",
                    "phone": "+40721234567",
                    "custom_fields": {"Total_Tickets__c": 5, "Last_Event__c": "Summer Festival 2025"},
                }
            ]
        },
    )
    __pydantic_extra__: dict[str, JsonValue] = Field(init=False)

    id: DocumentId | None = None
    """The platform's id. Without it whoever has this e-mail address is meant, and a new person where nobody has it."""
    custom_fields: dict[str, JsonValue] = Field(default_factory=dict, max_length=500)
    """Fields by Salesforce's names, with values as Salesforce has them."""
    changed: tuple[str, ...] | None = Field(default=None, max_length=500)
    """The paths that the author has changed. Without it this is a whole record, in which a value that was shown before
    counts as old."""
    seen: int | None = Field(default=None, ge=0)
    """The revision of the contact that the author was looking at."""
    occurred_at: AwareDatetime | None = None
    """When it was said, by the platform's clock; now, where not given."""


class SyncShown(BaseModel):
    """How far both sides are the same."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    status: str
    """`synced`, `pending`, `error`, `filtered`, `no_consent`, `not_found`, `gone`, `merged` or `deleted`."""
    last_synced_at: AwareDatetime | None
    """When the document was last decided."""
    error: str | None
    """The code with which Salesforce has refused it."""
    held: tuple[str, ...]
    """Paths whose value is held back: a person is to choose, or Salesforce's value is not overwritten."""


class ContactShown(BaseModel):
    """A contact."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """The platform's id."""
    kind: str
    """The kind of the mapping."""
    salesforce_id: str | None
    """The record's id, 18 characters. Where the kind is looked up while people register, null without `enrich`."""
    object: str | None
    """The record's object: `Contact`, or `Lead` before it is converted. Null as `salesforce_id`."""
    revision: int
    """The number that `seen` refers to."""
    fields: dict[str, JsonValue]
    """Fields by the platform's names."""
    custom_fields: dict[str, JsonValue]
    """Custom fields by Salesforce's names."""
    sync: SyncShown | None
    """Null where `salesforce_id` needs the scope `enrich` and the key has it not; then fields whose value came from
    Salesforce are left out too."""


class Ignored(BaseModel):
    """A field that was said, and that the platform has no say in."""

    field: str
    reason: str


class ContactResult(BaseModel):
    """What became of what was said."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    """The platform's id; a new one where none was given and nobody has the e-mail address."""
    kind: str
    event_id: str
    """The event in `platform.events`."""
    outcome: str | None
    """How it ended: `applied`, `duplicate`, `stale` …; null while that is not known."""
    reason: str
    """The rule, where it was not applied."""
    ignored: tuple[Ignored, ...]
    """Fields that were said and have no effect."""
    contact: ContactShown | None
    """As it is now, for keys with the scope `read`; null while there is none."""


def may_know_of(kind: KindMapping, scopes: Collection[Scope]) -> bool:
    """Whether a key with these scopes may know what Salesforce knows of things of this kind, and that it does."""
    return kind.enrichment is None or Scope.ENRICH in scopes


def shown_contact(name: str, kind: KindMapping, document: Document, scopes: Collection[Scope]) -> ContactShown:
    """A document as a contact, as far as a key with these scopes may know it.

    Of a kind that is looked up while people register, what Salesforce knows is for the scope `enrich` alone: whether
    there is a record, of which object, how it goes with it, and every value that came from there.
    """
    may_know = may_know_of(kind, scopes)
    told = document.get("salesforce", {}) if may_know else {}
    record_id = told.get("recordId")
    at = told.get("lastSyncedAt")
    return ContactShown(
        id=str(document["_id"]),
        kind=name,
        salesforce_id=record_id,
        object=None if record_id is None else kind.place_of(record_id).sobject,
        revision=int(document.get("revision") or 0),
        fields=contact_form.shown_fields(kind, document, theirs=may_know),
        custom_fields=contact_form.shown_custom(kind, document, theirs=may_know),
        sync=None
        if not may_know
        else SyncShown(
            status=str(told.get("syncStatus", "pending")),
            last_synced_at=None if at is None else datetime.fromtimestamp(at / 1000, UTC),
            error=told.get("syncError"),
            held=tuple(told.get("held", ())),
        ),
    )
