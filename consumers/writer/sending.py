"""What is to be sent of one document, and the row it becomes."""

from dataclasses import dataclass
from typing import Any

from consumers.ports import RecordUpdate
from consumers.rules.kinds import token_of
from consumers.rules.lookups import Parents
from consumers.rules.state import Write
from consumers.writer.visit import Visit


@dataclass(frozen=True, slots=True)
class Sending:
    """A document whose record is to be written. What of it, follows from the document, which may have been put down."""

    visit: Visit
    values: dict[str, Any] | None = None
    """That the record should take over, in Salesforce's form; None where they have to be worked out again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What can be sent now. `parents` are the documents that lookups among the values name."""

    visit: Visit
    values: dict[str, Any]
    parents: Parents


def update_of(ready: Ready, write: Write, *, first: bool) -> RecordUpdate:
    """The row of a stored write: its token is set with it."""
    visit, place, token = ready.visit, ready.visit.place, token_of(ready.visit.id, write.number)
    told, to_leads = dict(write.values), dict[str, Any]()
    for rule in visit.kind.lookups:
        if told.get(rule.name) is not None:
            named = ready.parents.written(rule, told.pop(rule.name))
            (to_leads if rule.name not in named else told).update(named)
    written = place.made_of(told) if first else place.outgoing(told)
    values = {**written, **to_leads, place.token: token}
    if first:
        return RecordUpdate(values=values, external_id=visit.id)
    if write.claims:
        values[place.external_id] = visit.id
    return RecordUpdate(values=values, record_id=visit.record_id)
