"""What is looked up of a person in Salesforce, by e-mail: which fields, and where they stand in the document."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.platform_event import DocumentId, EventType
from schemas.record_filter import Condition
from schemas.strict import Strict

NAMES = r"^[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}$"
FieldPath = Annotated[str, StringConstraints(pattern=NAMES)]
"""A field, or one of a parent's: `Title`, `Account.Name`."""

ShownName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
"""What a value is called in the document: `accountName`."""

OURS = frozenset(
    {
        "contactId",
        "leadId",
        "opportunityId",
        "campaignMemberId",
        "recordId",
        "mergedInto",
        "syncStatus",
        "syncError",
        "lastSyncedAt",
        "held",
    }
)
"""What Tandem itself says of a document under `salesforce`."""
TOP = frozenset({"_id", "_sync", "salesforce", "revision", "isExistingCustomer"})
"""What Tandem itself puts beside `salesforce`, or leaves alone."""


class EnrichedField(Strict):
    """One value that is taken over from the Contact, or from the Lead where there is no Contact."""

    name: ShownName
    """What it is called in the document: `accountName`."""
    contact: FieldPath | None = None
    """The field of Contact, or of one of its parents: `Account.Name`. Without it a Contact has no such value."""
    lead: FieldPath | None = None
    """The field of Lead."""
    beside: bool = False
    """It stands beside `salesforce` in the document, not within."""
    picklist: dict[str, str] = Field(default_factory=dict)
    """The platform's values and what each is called in Salesforce; a value that is not named is called the same."""

    @model_validator(mode="after")
    def _from_somewhere(self) -> "EnrichedField":
        if self.contact is None and self.lead is None:
            raise ValueError("contact or lead must say where the value comes from")
        return self


class EnrichmentMapping(Strict):
    """How people of the kind are looked up in Salesforce while they register."""

    by: FieldPath = "email"
    """The mapped path that holds the e-mail address."""
    registered: EventType
    """The event as which a registration by the API is told: `participant.registered`."""
    verified: tuple[EventType, ...] = ()
    """Events that say that the e-mail address is that person's own."""
    consent: Condition | None = None
    """Nobody is looked up, and nothing shown of what was found, but for documents of which this holds."""
    fields: tuple[EnrichedField, ...] = ()
    """What is taken over."""


class EnrichmentRequest(BaseModel):
    """A record of `enrichment.requests`: look this document's person up. It holds no more than a doorbell does."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    id: DocumentId
    format: int = Field(default=1, ge=1)
    """Of this very record (`schemas.versions`)."""
