"""`on_unlinked` of rule 22: a record that changed and belongs to no document, looked at and, by the mapping, linked."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from consumers.ports import Document, Records, Unavailable
from consumers.rules.existence import follows, moved
from consumers.rules.kinds import Kind
from consumers.writer.visit import Desk, Visit
from schemas.mapping import Unlinked
from schemas.outcome import Outcome, Result
from schemas.platform_event import DocumentId

ROWS_A_READ = 2_000
TRIES = 5

_DOCUMENT_ID: TypeAdapter[str] = TypeAdapter(DocumentId)


class Adopter:
    """Looks at records that a change has named and no document knew."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records

    async def adopt(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, Result]:
        """One end for each record. A document that is linked now is due: the record is read whole next (rule 19).

        Raises:
            Unavailable: Salesforce or MongoDB did not answer, or others write the same documents without end. No
                document is there yet that could say when to try again.
        """
        results: dict[str, Result] = {}
        waiting = list(record_ids)
        for _try in range(TRIES):
            for start in range(0, len(waiting), ROWS_A_READ):
                results |= await self._adopt(kind, waiting[start : start + ROWS_A_READ])
            waiting = [record_id for record_id in waiting if record_id not in results]
            if not waiting:
                return results
        raise Unavailable("the same documents are being written by others without end")

    async def _adopt(self, kind: Kind, record_ids: Sequence[str]) -> dict[str, Result]:
        """The ends of those whose document nobody else took meanwhile."""
        linked = await self._desk.linked_states(kind, record_ids)
        taken = {
            record_id
            for record_id, states in linked.items()
            if any(state.record is not None and state.record.record_id == record_id for state in states)
        }
        read = await self._records.read(kind.sobject, record_ids, ("Id", kind.external_id))
        wanted = {str(row[kind.external_id]) for row in read.rows.values() if row.get(kind.external_id)}
        known = await self._desk.read(kind, sorted(wanted | read.rows.keys()))
        nameless = [record_id for record_id, row in read.rows.items() if not row.get(kind.external_id)]
        awaited = await self._awaited(kind, nameless) if kind.on_unlinked is Unlinked.CREATE else set()
        results: dict[str, Result] = {}
        visits: dict[str, Visit] = {}
        for record_id in record_ids:
            if record_id in taken:
                results[record_id] = Result(Outcome.IGNORED, "on_unlinked: the record is linked meanwhile")
                continue
            if record_id in awaited:
                results[record_id] = Result(Outcome.IGNORED, "rule 23: a document's record was merged into it")
                continue
            found = self._decide(kind, record_id, read.rows.get(record_id), known)
            if isinstance(found, Result):
                results[record_id] = found
            else:
                visits.setdefault(found.id, found)
        lost = await self._desk.save(list(visits.values()))
        return results | {
            visit.record_id: visit.result for visit in visits.values() if visit.refused or visit.id not in lost
        }

    async def _awaited(self, kind: Kind, record_ids: Sequence[str]) -> set[str]:
        """Those that have taken the place of a document's record: it will follow, and two documents would be of one.

        Its doorbell may come later than the one that named the record here, by another partition or after a crash.
        """
        merged = await self._records.merged(kind.sobject, record_ids) if record_ids else {}
        losers = sorted({loser for found in merged.values() for loser in found})
        linked = await self._desk.linked_states(kind, losers) if losers else {}
        return {
            record_id
            for record_id, found in merged.items()
            if any(follows(state, loser, record_id) for loser in found for state in linked.get(loser, ()))
        }

    def _decide(
        self, kind: Kind, record_id: str, row: Mapping[str, Any] | None, known: Mapping[str, Document]
    ) -> Visit | Result:
        """The document that the record is linked to, or why it is linked to none."""
        if row is None:
            return Result(Outcome.IGNORED, "on_unlinked: there is no such record any more")
        external_id = row.get(kind.external_id)
        if not external_id and kind.on_unlinked is not Unlinked.CREATE:
            return Result(Outcome.IGNORED, "on_unlinked: the record names no document")
        document_id = str(external_id or record_id)
        document = known.get(document_id)
        if document is None and kind.on_unlinked is not Unlinked.CREATE:
            return Result(Outcome.IGNORED, "on_unlinked: the record names no document")
        if not _is_document_id(document_id):
            return Result(Outcome.IGNORED, "on_unlinked: the record's external id can be no document's")
        state = self._desk.decided(kind, document_id, document)
        if state.record is not None:
            return Result(Outcome.IGNORED, "on_unlinked: the document it names has another record")
        if state.deleted:
            return Result(Outcome.IGNORED, "on_unlinked: the platform has deleted what it names")
        moved(state, record_id, now=self._desk.now(), claimed=bool(external_id))
        made = "on_unlinked: a document was made of the record" if document is None else "on_unlinked: matched"
        return Visit(kind, document_id, found=state, result=Result(Outcome.APPLIED, made))


def _is_document_id(text: str) -> bool:
    try:
        _DOCUMENT_ID.validate_python(text)
    except ValidationError:
        return False
    return True
