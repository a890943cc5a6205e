"""What the repair of gaps needs of the outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from schemas.gap import GapRow, Handling, ObjectProgress
from schemas.gap_change import GapRecord
from schemas.polling import ModifiedRow


class GapRows(Protocol):
    """`tandem_gaps`. Each method raises Unavailable where the store does not answer."""

    async def unrepaired(self) -> list[GapRow]:
        """The gaps that are not closed, the one that was noticed first first."""

    async def keep_progress(self, gap: GapRow, sobject: str, progress: ObjectProgress) -> bool:
        """Keep how far the repair of one object has come; false where the gap was met again, or closed, meanwhile."""

    async def keep_published(self, gap: GapRow, published_to: Mapping[int, int]) -> bool:
        """Keep up to where the log has to be handled; false where the gap was met again, or closed, meanwhile."""

    async def keep_rung(self, gap: GapRow, rung_to: Mapping[int, int]) -> bool:
        """The same of the doorbells."""

    async def start_anew(self, gap: GapRow, why: str, at: int) -> bool:
        """Forget what its repair has done, and keep why; false where it was met again, closed, or waits for something
        else, meanwhile."""

    async def close(self, gap: GapRow, *, by: str, note: str, at: int) -> bool:
        """Close it; false where it was met again, or closed, meanwhile."""

    async def failed(self, gap: GapRow, why: str, at: int) -> None:
        """Keep why a try ended."""


class Looks(Protocol):
    """Salesforce, asked which records have changed."""

    def changed(self, sobject: str, since: int, after: ModifiedRow | None) -> AsyncIterator[Sequence[ModifiedRow]]:
        """Every record changed at `since` (epoch milliseconds) or later, deleted ones too, page by page.

        In the order of `SystemModstamp` and id, behind the row `after` if one is given.

        Raises:
            Unavailable: a page could not be had; those before it stand.
        """


class Changes(Protocol):
    """`salesforce.changes`."""

    async def append(self, records: Sequence[GapRecord]) -> None:
        """Return once every record is in the log for good.

        Raises:
            Unavailable: not all were acknowledged in time.
        """


class Backlog(Protocol):
    """How far a topic's group has come."""

    async def ends(self, topic: str) -> Mapping[int, int]:
        """The offset behind the last record of each partition.

        Raises:
            Unavailable: Kafka does not answer.
        """

    async def handling(self, topic: str, ends: Mapping[int, int]) -> Handling:
        """Whether the group has come so far in each of these partitions.

        Raises:
            Unavailable: Kafka does not answer.
        """


class LinkedDocuments(Protocol):
    """Documents by their records."""

    async def read_linked(self, collection: str, record_ids: Sequence[str]) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The documents linked to these Salesforce records, by record id, in one query.

        Raises:
            Unavailable: MongoDB does not answer.
        """
