"""What Salesforce did and Tandem has not handled: changes that wait in Kafka, and gaps that are not closed.

It is marked before the documents are read, and looked up once they have been compared: what was handled before the mark
is in the documents, and what was not is in the log behind it. Neither is asked while nothing is truly different.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from consumers.catalog import Catalog
from consumers.rules.kinds import Kind
from consumers.rules.repair import hidden_since
from consumers.rules.verify_reasons import Standing, explained_by_what_is_untold, standing
from ops.verify_findings import Looked
from schemas.change import OVERFLOW_RECORD_ID
from schemas.gap import GapRow
from schemas.topics import SALESFORCE_WRITES, record_key
from schemas.unavailable import Unavailable


class Waiting(Protocol):
    """The records of a topic that a group has not handled. Each method raises Unavailable where Kafka is away."""

    @property
    def cut_off(self) -> str:
        """Why not all of them were looked at; else ""."""

    async def mark(self) -> None:
        """Take down how far the group has come."""

    async def among(self, keys: Collection[bytes]) -> set[bytes]:
        """Those of the keys that a record has which was not handled at the mark, or came after it."""


@dataclass(frozen=True, slots=True)
class InKafka:
    """What waits there for the reconciler, and for the writer."""

    changes: Waiting
    doorbells: Waiting


class Gaps(Protocol):
    """`tandem_gaps`."""

    async def unrepaired(self) -> list[GapRow]:
        """Those that are not closed. Raises Unavailable where the store does not answer."""


class Untold:
    """Explains what is truly different only because it was not handled, or not told, yet."""

    def __init__(
        self, *, catalog: Catalog, gaps: Gaps, overlap: int, open_kafka: Callable[[], Awaitable[InKafka]]
    ) -> None:
        """`overlap` is how much earlier than a gap its repair begins, milliseconds.

        `open_kafka` raises `Unavailable` where Kafka cannot be asked: all goes on without it, and `unseen` says so.
        """
        self._objects = catalog.mapped_objects()
        self._gaps = gaps
        self._overlap = overlap
        self._open_kafka = open_kafka
        self._kafka: InKafka | None = None
        self._hidden: Mapping[str, int] = {}
        self._unmade: Mapping[str, int] = {}
        self._away = ""

    @property
    def unseen(self) -> str:
        """Why what waits in Kafka could not be looked at, or not to its end; else ""."""
        if self._away or self._kafka is None:
            return self._away
        return self._kafka.changes.cut_off or self._kafka.doorbells.cut_off

    async def mark(self) -> None:
        """Take down what is not handled, before documents are read.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        gaps = await self._gaps.unrepaired()
        # A doorbell that is lost hides nothing but a document that was to be made: for all others the sweep rings.
        heard = [gap for gap in gaps if gap.channel != SALESFORCE_WRITES]
        self._hidden = hidden_since(heard, self._objects, overlap=self._overlap)
        self._unmade = hidden_since(gaps, self._objects, overlap=self._overlap)
        if self._away:
            return
        try:
            if self._kafka is None:
                self._kafka = await self._open_kafka()
            # In this order: a change that is handled in between was not handled at its own mark.
            await self._kafka.changes.mark()
            await self._kafka.doorbells.mark()
        except Unavailable as away:
            self._away = str(away)

    async def explain(self, kind: Kind, looked: Sequence[Looked]) -> list[Looked]:
        """The same, with what is not handled yet, or in a gap, explained. The documents were read after the mark."""
        unheard = [one for one in looked if one.record_id and _is_unheard(one)]
        waiting = await self._waiting(unheard) if unheard else set[str]()
        return [self._explained(kind, one, waiting) if one.record_id else one for one in looked]

    async def _waiting(self, unheard: Sequence[Looked]) -> set[str]:
        """The records of which a change waits; or, without a document, a doorbell that would have one made."""
        if self._away or self._kafka is None:
            return set()
        told = {one.record_id: _keys_of_changes(one.record_id) for one in unheard}
        rung = {one.record_id: {record_key(one.record_id)} for one in unheard if not one.document_id}
        try:
            changes = await self._kafka.changes.among(set().union(*told.values()))
            doorbells = await self._kafka.doorbells.among(set().union(*rung.values())) if rung else set[bytes]()
        except Unavailable as away:
            self._away = str(away)
            return set()
        waiting = {record_id for record_id, keys in told.items() if keys & changes}
        return waiting | {record_id for record_id, keys in rung.items() if keys & doorbells}

    def _explained(self, kind: Kind, one: Looked, waiting: Collection[str]) -> Looked:
        hidden = self._hidden if one.document_id else self._unmade
        since = hidden.get(kind.place_of(one.record_id).sobject)
        waits = one.record_id in waiting
        found = [
            explained_by_what_is_untold(difference, one.modified, waits=waits, hidden_since=since)
            for difference in one.found
        ]
        return replace(one, found=found)


def _is_unheard(one: Looked) -> bool:
    return any(standing(difference.why) is Standing.UNHEARD for difference in one.found)


def _keys_of_changes(record_id: str) -> set[bytes]:
    """Of the record's own changes, and of those that stand for any record of its object."""
    return {record_key(name) for name in (record_id, f"{record_id[:3]}*", OVERFLOW_RECORD_ID)}
