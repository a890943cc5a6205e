"""A Salesforce change event, normalised: one per record, field names as in REST."""

import re
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.position import CommitPosition

OVERFLOW_RECORD_ID = "000000000000000AAA"
"""The record id of a GAP_OVERFLOW event, which names no record."""
_USER_ID: Final = re.compile(r"005[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?")


class ChangeType(StrEnum):
    """`ChangeEventHeader.changeType`."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    UNDELETE = "UNDELETE"
    GAP_CREATE = "GAP_CREATE"
    GAP_UPDATE = "GAP_UPDATE"
    GAP_DELETE = "GAP_DELETE"
    GAP_UNDELETE = "GAP_UNDELETE"
    GAP_OVERFLOW = "GAP_OVERFLOW"


class Told(StrEnum):
    """How we know of a change."""

    EVENT = "event"
    """By an event of Salesforce's, which has a place in the order of the record's commits."""
    STAMP = "stamp"
    """By a look: a query showed the record's `SystemModstamp`, which says that it was changed until then."""
    ROW = "row"
    """By a look: a query showed a value that is not the one we know, or the record was in no list of all."""


class Change(BaseModel):
    """One record's part of one committed transaction.

    `fields` holds the values the event names, under REST names (`FirstName`, not `Name.FirstName`): null where the
    field was cleared, absent where it was left alone. `differences` names long texts that came as a difference and
    must be read from the record. `client` is the `client=` mark of `changeOrigin`, empty without one: a hint only.

    One that is told by a look (`schemas.gap_change`) is a gap change whose `position` holds the `SystemModstamp` that
    was seen. It says that the record must be read, and takes no place among the record's events.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    entity: str
    record_id: str
    type: ChangeType
    position: CommitPosition
    transaction_key: str
    fields: dict[str, Any] = Field(default_factory=dict)
    differences: tuple[str, ...] = ()
    client: str = ""
    commit_user: str = ""
    replay_id: int | str | None = None
    told: Told = Told.EVENT

    @property
    def names_no_record(self) -> bool:
        """True for an overflow and for a wildcard such as `001*`: a whole object must be repaired."""
        return self.record_id == OVERFLOW_RECORD_ID or self.record_id.endswith("*")

    @property
    def user_id(self) -> str:
        """The Salesforce user who committed it, where that is said and is a user's id; else ""."""
        return self.commit_user if _USER_ID.fullmatch(self.commit_user) else ""

    @property
    def event_id(self) -> str:
        """The same for every delivery of this change: transaction, sequence and record."""
        return f"{self.transaction_key}:{self.position.sequence}:{self.record_id}"
