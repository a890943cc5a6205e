"""One document synced because a person asks for it: its record is read whole, and what differs is written."""

from collections.abc import Callable
from dataclasses import replace

from consumers.catalog import Catalog
from consumers.ports import Documents, SyncLog
from consumers.rules.kinds import Kind
from consumers.rules.redrive import send_again
from consumers.rules.retry import RetryPolicy
from consumers.rules.state import DocumentState
from consumers.rules.sync_verdict import Verdict, push_verdict
from consumers.rules.timing import Timing
from consumers.writer.desk import Desk
from consumers.writer.visit import Visit

ASKED_FOR = "a person asked for it"
_TOLD = {
    Verdict.CREATE: "it is looked up in Salesforce, and made there if no record matches",
    Verdict.LOOK_UP: "it is looked up in Salesforce, and linked if a record is there: none may be made",
    Verdict.LINK: "it is linked to the record that holds its id",
    Verdict.UPDATE: "its record is updated",
    Verdict.READ: "its record is read whole, and what differs then is written or taken over",
    Verdict.DELETE: "its record is deleted, as the platform's own was",
    Verdict.IN_FLIGHT: "a write is under way already; the answer is waited for",
    Verdict.WAITING: "its record is read whole as soon as it has been quiet for a moment, or its parent is there",
    Verdict.UP_TO_DATE: "nothing is to be done",
    Verdict.HELD: "nothing is to be done: a person is to choose, or `fill_only` keeps the value back",
    Verdict.REFUSED: "Salesforce has refused the very same values",
    Verdict.UNMADE: "no record matches it, and none may be made: by `create`, or without consent",
    Verdict.FILTERED: "the mapping's filter leaves it out",
    Verdict.GONE: "its record is gone: nothing is written through it",
    Verdict.DELETED: "the platform has deleted it",
}
"""Of a single document; the others are of lists of records."""


class CannotSync(Exception):
    """Why not, in one line."""


class SyncNow:
    """Makes one document due. `now` gives epoch milliseconds."""

    def __init__(
        self, documents: Documents, log: SyncLog, catalog: Callable[[], Catalog], timing: Timing, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        # Nobody rings here: what is due at once is due in the document at once, and the sweep's next round rings.
        self._timing = replace(timing, ring_again=0)
        self._desk = Desk(
            documents=documents,
            log=log,
            now=now,
            timing=self._timing,
            retry=RetryPolicy(),
            on_conflict=lambda _row: None,
            kinds=lambda: catalog().kinds,
        )

    async def foretell(self, kind_name: str, document_id: str) -> str:
        """What would come of it now, in words; nothing is changed.

        Raises:
            CannotSync: there is no such kind or document.
            Unavailable: MongoDB does not answer.
        """
        kind = self._kind(kind_name)
        document = (await self._desk.read(kind, [document_id])).get(document_id)
        if document is None:
            raise _no_document(kind, document_id)
        state = self._desk.decided(kind, document_id, document)
        wake(state)
        return self._told(state, kind, self._desk.now())

    async def sync(self, kind_name: str, document_id: str) -> str:
        """Make it due at once; what comes of it, in words. Raises as `foretell`."""
        kind = self._kind(kind_name)
        told: list[str] = []

        def decide(visit: Visit, now: int) -> None:
            wake(visit.state)
            told[:] = [self._told(visit.state, kind, now)]

        visit = Visit(kind, document_id)
        await self._desk.settle([visit], decide)
        if visit.found is None:
            raise _no_document(kind, document_id)
        if visit.refused:
            raise CannotSync(f"MongoDB will not store the document: {visit.refused}; nothing was changed")
        return told[0]

    def _told(self, state: DocumentState, kind: Kind, now: int) -> str:
        return _TOLD[push_verdict(state, kind, self._timing, now=now)]

    def _kind(self, name: str) -> Kind:
        kinds = self._catalog().kinds
        if name not in kinds:
            raise CannotSync(f'"{name}" is no kind of the mapping; there are: {", ".join(kinds)}')
        return kinds[name]


def wake(state: DocumentState) -> None:
    """Have the record read whole, and nothing waited for but what is under way: a refused write is tried again."""
    send_again(state)
    state.retry = None
    if state.record is not None:
        state.read_reason = ASKED_FOR


def _no_document(kind: Kind, document_id: str) -> CannotSync:
    return CannotSync(f"there is no {kind.name} {document_id} in {kind.collection}")
