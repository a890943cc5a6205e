"""The mapping: which kind goes with which sObject, field by field. A document with versions, editable as YAML.

These models hold the shape. What must hold between their parts is in `schemas.mapping_checks`, which every mapping goes
through before it is published; a version published once can always be read again, whatever later releases check.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.platform_event import EventType

SalesforceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
"""An API name: `Email`, `Tandem_Customer_Id__c`."""

PlatformPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$")]
"""A path in the platform's document: `email`, `address.city`. `salesforce` and `revision` are ours."""

KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


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
    DATE = "date"
    NUMBER = "number"


class Asserts(StrEnum):
    """What an event type says of its thing: that it exists with these values, or that it was deleted."""

    VALUES = "values"
    DELETED = "deleted"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldMapping(_Strict):
    """One platform field and its Salesforce field."""

    platform: PlatformPath
    salesforce: SalesforceName
    direction: Direction = Direction.BOTH
    policy: Policy = Policy.SALESFORCE_WINS
    first: Policy | None = None
    """Who wins where values differ on first contact; the policy where not given."""
    transform: tuple[Transform, ...] = ()
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    """For `phone_e164`: the country of numbers written without one, ISO 3166-1 (`RO`)."""


class OnDelete(_Strict):
    """What follows a deletion, by who deleted (merge rule 22)."""

    salesforce: SalesforceDeletion = SalesforceDeletion.UNLINK
    platform: PlatformDeletion = PlatformDeletion.UNLINK


class KindMapping(_Strict):
    """One kind, its collection and its sObject."""

    collection: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    sobject: SalesforceName
    external_id: SalesforceName
    token: SalesforceName
    events: dict[EventType, Asserts] = Field(default_factory=dict)
    """Platform event types of this kind and what each asserts: `customer.updated: values`."""
    on_delete: OnDelete = OnDelete()
    on_unlinked: Unlinked = Unlinked.IGNORE
    fields: tuple[FieldMapping, ...] = Field(min_length=1)


class Mapping(_Strict):
    """All kinds. `version` is given by the store when the mapping is published, from 1."""

    format: Literal[1] = 1
    version: int = Field(default=0, ge=0)
    since: dict[KindName, dict[SalesforceName, int]] = Field(default_factory=dict)
    """By kind and Salesforce field: the version that first mapped it to its path; given by the store too. A field that
    is not named has been there from the first."""
    kinds: dict[KindName, KindMapping] = Field(min_length=1)

    def kind_of_event(self, event_type: str) -> tuple[str, KindMapping, Asserts] | None:
        """The kind that this event type speaks of, or nothing."""
        for name, kind in self.kinds.items():
            if event_type in kind.events:
                return name, kind, kind.events[event_type]
        return None

    def kinds_of_sobject(self, sobject: str) -> list[tuple[str, KindMapping]]:
        """Every kind kept in this sObject; several kinds may share one."""
        return [(name, kind) for name, kind in self.kinds.items() if kind.sobject == sobject]

    def event_types(self) -> frozenset[str]:
        """Every event type that some kind names."""
        return frozenset(event_type for kind in self.kinds.values() for event_type in kind.events)
