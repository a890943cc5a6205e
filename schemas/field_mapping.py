"""One field of the mapping: its names on both sides, which way its values travel, and who wins a conflict."""

from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag

from schemas.derivation import Derivation
from schemas.record_filter import Condition
from schemas.strict import Strict

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


NOT_MAPPED: Final = "is not mapped"
DERIVED: Final = "Tandem works it out from other documents, and pushes what comes out"
PULLED: Final = "it comes from Salesforce alone"
"""Why what the platform says under a name has no effect."""


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


class Privacy(StrEnum):
    """How much of a field's values may be seen and kept beside the document."""

    PERSONAL = "personal"
    """Masked where it is shown, unless a person asks for the values."""
    SENSITIVE = "sensitive"
    """The same, and the audit keeps no value of it: only that there was one."""


def _known_zone(name: str) -> str:
    """The name of a time zone, if it is known here; else raises `ValueError`."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        raise ValueError("it must be a time zone by its IANA name such as Europe/Bucharest") from None
    return name


class FieldMapping(Strict):
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
