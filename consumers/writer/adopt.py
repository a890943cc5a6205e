"""`on_unlinked` of rule 22: a record that changed and belongs to no document, looked at and, by the mapping, linked."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from consumers.ports import Document, Records, Unavailable
from consumers.rules.existence import follows, moved
from consumers.rules.filters import matches
from consumers.rules.kinds import Kind
from consumers.rules.matching import is_another, is_of, may_be_made, shown_text
from consumers.rules.state import DocumentState
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords
from consumers.writer.visit import Visit
from schemas.mapping import Unlinked
from schemas.outcome import Outcome, Result
from schemas.place import IS_CONVERTED
from schemas.platform_event import DocumentId
from schemas.record_filter import Comparison, comparisons

ROWS_A_READ = 2_000
TRIES = 5
LEFT_OUT = "on_unlinked: the mapping's filter leaves the record out"
CONVERTED = "on_unlinked: the lead was converted; its contact stands for it"

_DOCUMENT_ID: TypeAdapter[str] = TypeAdapter(DocumentId)


class Adopter:
    """Looks at records that a change has named and no document knew."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = KeptRecords(records)

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
        asked = {kind.by_path[each.path].name for each in _filter_tests(kind) if each.path in kind.by_path}
        asked.update(kind.matching.by if kind.matching is not None else ())
        read = await self._records.read(kind, record_ids, ("Id", kind.external_id, *sorted(asked)))
        wanted = {str(row[kind.external_id]) for row in read.rows.values() if row.get(kind.external_id)}
        known = await self._desk.read(kind, sorted(wanted | read.rows.keys()))
        nameless = [record_id for record_id, row in read.rows.items() if not row.get(kind.external_id)]
        may_be_awaited = kind.on_unlinked is Unlinked.CREATE or kind.matching is not None
        led_to = [one for one, row in read.rows.items() if self._is_looked_for(kind, row, known)]
        awaited = await self._awaited(kind, [*(nameless if may_be_awaited else ()), *led_to])
        open_ones = [one for one in nameless if read.rows[one].get(IS_CONVERTED) is not True]
        matched = await self._matched(kind, {one: read.rows[one] for one in open_ones if one not in awaited | taken})
        results: dict[str, Result] = {}
        visits: dict[str, Visit] = {}
        for record_id in record_ids:
            if record_id in matched:
                found = self._link(kind, record_id, matched[record_id], visits)
                if isinstance(found, Result):
                    results[record_id] = found
                else:
                    visits[found.id] = found
                continue
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
        results |= await self._claim(kind, visits)
        lost = await self._desk.save(list(visits.values()))
        return results | {
            visit.record_id: visit.result for visit in visits.values() if visit.refused or visit.id not in lost
        }

    async def _claim(self, kind: Kind, visits: dict[str, Visit]) -> dict[str, Result]:
        """Take out those whose record, which has no external id yet, a document has matched at the same moment."""
        nameless = {visit.record_id: visit.id for visit in visits.values() if not visit.claimed}
        given = await self._desk.claim(kind, nameless)
        results: dict[str, Result] = {}
        for record_id, document_id in nameless.items():
            if given[record_id] != document_id:
                del visits[document_id]
                results[record_id] = Result(Outcome.IGNORED, "on_unlinked: a document has matched the record")
        return results

    async def _matched(self, kind: Kind, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, list[DocumentState]]:
        """By record: the documents without one that are of the same thing, by the first of the mapping's fields."""
        found: dict[str, list[DocumentState]] = {}
        for name in kind.matching.by if kind.matching is not None else ():
            rule = kind.by_name[name]
            texts = {one: shown_text(rule, row) for one, row in rows.items() if one not in found}
            states = await self._desk.matching(kind, rule.dotted, [text for text in texts.values() if text])
            for record_id, text in texts.items():
                named = [each for each in states if text and is_of(each, rule, text)]
                same = [each for each in named if not is_another(each, kind, name, rows[record_id].get)]
                if same:
                    found[record_id] = same
        return found

    def _link(
        self, kind: Kind, record_id: str, matched: Sequence[DocumentState], visits: Mapping[str, Visit]
    ) -> Visit | Result:
        if len(matched) > 1:
            return Result(Outcome.IGNORED, "on_unlinked: several documents match the record")
        (state,) = matched
        if state.id in visits:
            return Result(Outcome.IGNORED, "on_unlinked: the document that it matches has matched another record")
        if may_be_made(state):
            return Result(Outcome.IGNORED, "on_unlinked: a record of the document that it matches is being made")
        moved(state, record_id, now=self._desk.now(), claimed=False)
        return Visit(kind, state.id, found=state, result=Result(Outcome.APPLIED, "on_unlinked: matched"))

    def _is_looked_for(self, kind: Kind, row: Mapping[str, Any], known: Mapping[str, Document]) -> bool:
        """Whether the row names a document whose record is gone, and nobody has asked yet what took its place.

        That may be this one: whoever merges records may choose our external id too. Then it holds what they chose.
        """
        document_id = str(row.get(kind.external_id) or "")
        document = known.get(document_id)
        link = None if document is None else self._desk.decided(kind, document_id, document).link
        return link is not None and link.gone and not link.searched

    async def _awaited(self, kind: Kind, record_ids: Sequence[str]) -> set[str]:
        """Those that have taken the place of a document's record: it will follow, and two documents would be of one.

        Its doorbell may come later than the one that named the record here, by another partition or after a crash.
        """
        merged = await self._records.predecessors(kind, record_ids) if record_ids else {}
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
        if row.get(IS_CONVERTED) is True:
            return Result(Outcome.IGNORED, CONVERTED)
        external_id = row.get(kind.external_id)
        if not external_id and kind.on_unlinked is not Unlinked.CREATE:
            return Result(Outcome.IGNORED, "on_unlinked: the record names no document")
        document_id = str(external_id or record_id)
        document = known.get(document_id)
        if document is None and kind.on_unlinked is not Unlinked.CREATE:
            return Result(Outcome.IGNORED, "on_unlinked: the record names no document")
        if document is None and kind.pull_filter is not None:
            there = row
            if not matches(kind.pull_filter, kind, lambda rule: there.get(rule.name)):
                return Result(Outcome.IGNORED, LEFT_OUT)
        if not _is_document_id(document_id):
            return Result(Outcome.IGNORED, "on_unlinked: the record's external id can be no document's")
        state = self._desk.decided(kind, document_id, document)
        if state.record is not None:
            return Result(Outcome.IGNORED, "on_unlinked: the document it names has another record")
        if state.deleted:
            return Result(Outcome.IGNORED, "on_unlinked: the platform has deleted what it names")
        self._desk.end_unread(kind, state)
        moved(state, record_id, now=self._desk.now(), claimed=bool(external_id), anew=state.link is not None)
        made = "on_unlinked: a document was made of the record" if document is None else "on_unlinked: matched"
        return Visit(kind, document_id, found=state, result=Result(Outcome.APPLIED, made))


def _filter_tests(kind: Kind) -> list[Comparison]:
    return [] if kind.pull_filter is None else list(comparisons(kind.pull_filter))


def _is_document_id(text: str) -> bool:
    try:
        _DOCUMENT_ID.validate_python(text)
    except ValidationError:
        return False
    return True
