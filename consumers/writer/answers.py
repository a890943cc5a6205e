"""What each row's own answer makes of its document: rules 15 and 16."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from consumers.ports import RowResult
from consumers.rules.answers import Answer, answered, existing_found
from consumers.rules.closely import Thing, of_thing
from consumers.rules.explain import told_values
from consumers.rules.state import Write
from consumers.rules.write_rows import write_row
from consumers.writer.desk import Desk
from consumers.writer.resolve import Existing, Refused, Resolver
from consumers.writer.visit import NOTHING_DUE, Visit
from schemas.outcome import Outcome, Result


@dataclass(frozen=True, slots=True)
class Sent:
    """A stored write that was sent, and its own answer."""

    visit: Visit
    write: Write
    answer: RowResult
    existing: Existing | None = None
    """The record that a refused first write was to make, and that was there already."""


class Answers:
    """Takes answers back into documents, and tells the log."""

    def __init__(self, desk: Desk, resolver: Resolver) -> None:
        self._desk = desk
        self._resolver = resolver

    async def take_back(self, sent: Sequence[Sent]) -> None:
        """Store what each answer means, however often others change the documents meanwhile. All are of one kind."""
        sent = await self._resolved(sent)
        answers = {one.visit.id: one for one in sent}

        def decide(visit: Visit, now: int) -> None:
            one = answers[visit.id]
            if one.existing is not None:
                there = one.existing
                means = existing_found(visit.state, one.write.number, there.record_id, claimed=there.claimed, now=now)
            else:
                means = answered(visit.state, visit.kind, one.write.number, one.answer, self._desk.retry, now=now)
            visit.result = _result(means, one.answer)

        try:
            await self._desk.settle([one.visit for one in sent], decide)
        finally:
            now = self._desk.now()
            ended = [one for one in sent if one.visit.result is not NOTHING_DUE]
            await self._desk.log.append([_log_row(one, now) for one in ended])
            await self._desk.tell_decisions([row for one in ended if (row := self._decision(one, now)) is not None])

    def _decision(self, one: Sent, now: int) -> dict[str, Any] | None:
        """What was sent, and what Salesforce's answer means, where somebody looks at the document closely.

        Salesforce's own words may quote values: its code is told, and they are not.
        """
        visit, number = one.visit, one.write.number
        thing = Thing(visit.kind.name, visit.id, one.answer.record_id)
        mark = self._desk.debugged().thing(*thing, now=now)
        if mark is None:
            return None
        means = Result(visit.result.outcome, one.answer.code)
        fields = told_values(visit.kind, one.write.values, mark)
        return of_thing(thing, "answer", f"{number}:{now}", means, now, event=f"write {number}", fields=fields)

    async def _resolved(self, sent: Sequence[Sent]) -> list[Sent]:
        """With what Salesforce says that stands behind the refusals among them."""
        refused = [Refused(one.visit, one.answer, first=one.write.first) for one in sent if not one.answer.succeeded]
        if not refused:
            return list(sent)
        behind = await self._resolver.resolve(refused[0].visit.kind, refused)
        resolved = []
        for one in sent:
            match behind.get(one.visit.id):
                case None:
                    resolved.append(one)
                case Existing() as existing:
                    resolved.append(replace(one, existing=existing))
                case RowResult() as told:
                    resolved.append(replace(one, answer=told))
        return resolved


def _result(means: Answer, answer: RowResult) -> Result:
    match means:
        case Answer.COMMITTED | Answer.LATE:
            return Result(Outcome.APPLIED)
        case Answer.DEFERRED:
            return Result(Outcome.DEFERRED, answer.code)
        case Answer.REFUSED:
            return Result(Outcome.PARKED, answer.code)
        case Answer.LINKED:
            return Result(Outcome.APPLIED, "linked to the record that was there")


def _log_row(sent: Sent, at: int) -> dict[str, Any]:
    visit = sent.visit
    return write_row(
        visit.kind.name,
        visit.id,
        sent.write,
        {} if visit.found is None else visit.found.fields,
        record=sent.answer.record_id,
        outcome=visit.result.outcome,
        code=sent.answer.code,
        reason=sent.answer.message if visit.is_there else visit.result.reason,
        at=at,
    )
