"""A person who cancels and registers anew is one member: the record goes to the new registration (rule 23)."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumers.rules.existence import hand_over
from consumers.rules.kinds import Kind
from consumers.rules.members import is_over
from consumers.rules.state import DocumentState
from consumers.writer.desk import Desk
from consumers.writer.visit import Visit


class Handover:
    """Takes records from registrations that are over.

    The one that is over is stored first, guarded by its revision: so a record is handed to one other document alone,
    and a crash before that one is linked only asks again.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def take(
        self,
        kind: Kind,
        wanted: Mapping[str, str],
        holds: Mapping[str, object],
        owners: Mapping[str, Sequence[str]],
    ) -> dict[str, str]:
        """Which of the wanted records are handed over, by the id of the document that is to have each.

        `holds` are the external ids that the records hold, `owners` the documents linked to them, by record id.
        """
        asked: dict[str, tuple[str, str]] = {}
        for document_id, record_id in wanted.items():
            whose = set(owners.get(record_id, ())) or {str(holds.get(record_id) or document_id)}
            if len(whose) == 1 and (other := whose.pop()) != document_id:
                asked.setdefault(other, (document_id, record_id))
        there = await self._desk.look([Visit(kind, other) for other in asked])
        handed = {to: record_id for one in there for to, record_id in [asked[one.id]] if _is_handed(one, to, record_id)}
        over = [one for one in there if _may_be_handed(one.state, kind, asked[one.id][1])]
        if not over:
            return handed
        decided: dict[str, bool] = {}

        def decide(visit: Visit, _now: int) -> None:
            to, record_id = asked[visit.id]
            decided[visit.id] = _may_be_handed(visit.state, kind, record_id)
            if decided[visit.id]:
                hand_over(visit.state, to)

        await self._desk.settle(over, decide)
        done = [one for one in over if decided.get(one.id) and not one.refused]
        await self._desk.log.append([_log_row(one, *asked[one.id], self._desk.now()) for one in done])
        return handed | dict(asked[one.id] for one in done)


def _may_be_handed(state: DocumentState, kind: Kind, record_id: str) -> bool:
    """Not while a write of its own is on its way, which would land over what the other one writes."""
    link = state.link
    if link is None or link.gone or link.record_id != record_id or state.open_write() is not None:
        return False
    return is_over(state, kind)


def _is_handed(visit: Visit, to: str, record_id: str) -> bool:
    link = visit.state.link
    return link is not None and link.handed_over and (link.merged_into, link.record_id) == (to, record_id)


def _log_row(visit: Visit, into: str, record_id: str, at: int) -> dict[str, Any]:
    return {
        "_id": f"merge:{visit.kind.name}:{visit.id}:{record_id}:{into}",
        "type": "merge",
        "kind": visit.kind.name,
        "document": visit.id,
        "record": record_id,
        "into": into,
        "into_record": record_id,
        "at": at,
    }
