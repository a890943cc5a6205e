"""A document of the merge's, changed under its guard by somebody who is not the reconciler or the writer.

What is decided is decided again where another took the document meanwhile, as the reconciler does.
"""

from collections.abc import Callable
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Documents, DocumentsRefused, Unavailable
from consumers.reconciler.batch import Batch
from consumers.reconciler.incoming import PlatformFact
from consumers.reconciler.reconciler import decisions
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.stored import updated
from consumers.rules.timing import Timing
from schemas.outcome import Outcome
from schemas.registration import CannotStore

ROUNDS = 50

Change = Callable[[DocumentState], bool]
"""Changes the state; whether there is something to store."""


class GuardedDocuments:
    """Of one process. Satisfies nothing: it is what enrichment stores by."""

    def __init__(self, documents: Documents, *, now: Callable[[], int], timing: Timing | None = None) -> None:
        """`now` gives epoch milliseconds."""
        self._documents = documents
        self._now = now
        self._timing = timing or Timing()

    async def change(
        self, catalog: Catalog, kind: Kind, document_id: str, change: Change, *, fact: PlatformFact | None = None
    ) -> tuple[dict[str, Any], DocumentState] | None:
        """Take the fact in, if one is given, and then change the state, in one guarded update.

        The document as it is stored now, and its state; None where there is no such document and no fact to make it of.

        Raises:
            CannotStore: the document can never be written so.
            Unavailable: the store does not answer, or others write the document without end.
        """
        for _round in range(ROUNDS):
            found = await self._documents.read(kind.collection, [document_id])
            stored = found.get(document_id)
            if stored is None and fact is None:
                return None
            batch = Batch(catalog, self._timing, self._now(), decisions())
            batch.add(kind, found)
            news = False
            if fact is not None:
                batch.decide([(0, fact)])
                news = batch.results[0].outcome in (Outcome.APPLIED, Outcome.ECHO)
            touched = batch.documents[kind.name, document_id]
            touched.changed = change(touched.state) or news
            if not touched.changed:
                return stored or {"_id": document_id}, touched.state
            ((collection, writes),) = batch.writes().items()
            try:
                lost = await self._documents.write(collection, writes)
            except DocumentsRefused as refused:
                raise CannotStore(", ".join(sorted(set(refused.refused.values())))) from refused
            if not lost:
                return updated(stored or {"_id": document_id}, writes[0].set, writes[0].unset), touched.state
        raise Unavailable("the same document is being written by others without end")
