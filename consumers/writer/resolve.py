"""What stands behind some refusals: the record that is there already, or the contact that a lead has become."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consumers.ports import Records, RowResult, Unavailable
from consumers.rules.kinds import Kind
from consumers.writer.desk import Desk
from consumers.writer.handover import Handover
from consumers.writer.kept import KeptRecords
from consumers.writer.twins import Twins
from consumers.writer.visit import Visit
from schemas.records import Failure

UNSEEN_TRIES: Final = 6
"""So often a first write is tried that stands against a record nobody can see: for a minute, by the usual waits."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a write that was not done; `first` where it was to make the record."""

    visit: Visit
    answer: RowResult
    first: bool


@dataclass(frozen=True, slots=True)
class Existing:
    """The record that a first write was to make. `claimed` where it holds the document's external id."""

    record_id: str
    claimed: bool


Behind = Existing | RowResult
"""What follows: the record is linked; or the answer, with what was found in its words."""


class Resolver:
    """Asks Salesforce about refused rows. What it answers is what is stored, so a crash in between only asks again."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records
        self._kept = KeptRecords(records)
        self._twins = Twins(desk, records)
        self._handover = Handover(desk)

    async def resolve(self, kind: Kind, refused: Iterable[Refused]) -> dict[str, Behind]:
        """By document id; answers that need no question are missing. Raises nothing of Salesforce's."""
        by_failure: dict[Failure | None, list[Refused]] = {}
        for one in refused:
            by_failure.setdefault(one.answer.failure, []).append(one)
        duplicates = by_failure.get(Failure.DUPLICATE, [])
        first = [one for one in duplicates if one.first]
        behind: dict[str, Behind] = {
            one.visit.id: _told(one, _in_the_way(others))
            for one in [*by_failure.get(Failure.REJECTED, []), *(each for each in duplicates if not each.first)]
            if (others := [each for each in one.answer.existing if each != one.answer.record_id])
        }
        for found, asked in (
            (self._existing, first),
            # Of a Lead that may become a Contact of the same kind, the contact is followed.
            (self._converted, by_failure.get(Failure.CONVERTED, []) if kind.lead is None else []),
        ):
            try:
                behind |= await found(kind, asked) if asked else {}
            except Unavailable:
                # Nothing was run, and the next try is refused in the same way.
                behind |= {one.visit.id: _away(one) for one in asked}
        return behind

    async def _existing(self, kind: Kind, refused: Sequence[Refused]) -> dict[str, Behind]:
        """By our external id first; then what Salesforce names, if it is nobody else's.

        Of a person who is a member already it names nothing: that member is asked for by its parents.
        """
        found = await self._kept.find(kind, [one.visit.id for one in refused])
        named = {one.visit.id: found.get(one.visit.id) or list(one.answer.existing) for one in refused}
        twins = await self._twins.of(kind, [one.visit for one in refused if not named[one.visit.id]])
        named |= {document_id: [twin] for document_id, twin in twins.items()}
        ids = sorted({record_id for matches in named.values() for record_id in matches})
        read = await self._kept.read(kind, ids, ("Id", kind.external_id)) if ids else None
        holds = {record_id: row.get(kind.external_id) for record_id, row in read.rows.items()} if read else {}
        owners = await self._desk.owners(kind, ids)
        handed = await self._handover.take(
            kind, {one.visit.id: twin for one in refused if (twin := twins.get(one.visit.id)) in holds}, holds, owners
        )
        taken: dict[str, str] = {record_id: document_id for document_id, record_id in handed.items()}
        behind: dict[str, Behind] = {}
        for one in refused:
            if one.visit.id in handed:
                continue
            there = [record_id for record_id in named[one.visit.id] if record_id in holds]
            decided = _decide(one, there, holds, owners, taken)
            if isinstance(decided, Existing):
                taken[decided.record_id] = one.visit.id
            elif one.visit.id in twins:
                decided = _again(one, decided)
            behind[one.visit.id] = decided
        given = {document_id: Existing(record_id, claimed=False) for document_id, record_id in handed.items()}
        return behind | await self._claimed_by_others(kind, refused, behind) | given

    async def _claimed_by_others(
        self, kind: Kind, refused: Sequence[Refused], behind: Mapping[str, Behind]
    ) -> dict[str, Behind]:
        """Of those whose record has no external id yet: who comes too late, since another document has matched it."""
        wanted = {
            found.record_id: document_id
            for document_id, found in behind.items()
            if isinstance(found, Existing) and not found.claimed
        }
        given = await self._desk.claim(kind, wanted)
        late = {
            wanted[record_id]: (record_id, owner) for record_id, owner in given.items() if owner != wanted[record_id]
        }
        return {
            one.visit.id: _told(one, "the record {} is that of {}".format(*late[one.visit.id]))
            for one in refused
            if one.visit.id in late
        }

    async def _converted(self, kind: Kind, refused: Sequence[Refused]) -> dict[str, Behind]:
        leads = {one.visit.id: one.answer.record_id for one in refused if one.answer.record_id}
        contacts = await self._records.conversions(kind.sobject, sorted(set(leads.values()))) if leads else {}
        return {
            one.visit.id: _told(
                one, f"the lead was converted; its contact is {contacts[leads[one.visit.id]].contact_id}"
            )
            for one in refused
            if leads.get(one.visit.id) in contacts
        }


def _decide(
    one: Refused,
    there: Sequence[str],
    holds: Mapping[str, object],
    owners: Mapping[str, Sequence[str]],
    taken: Mapping[str, str],
) -> Behind:
    if not there:
        return one.answer if one.answer.existing else _again(one, one.answer)
    if len(there) > 1:
        return _told(one, _in_the_way(there))
    (record_id,) = there
    others = [owner for owner in owners.get(record_id, ()) if owner != one.visit.id]
    if record_id in taken:
        others.append(taken[record_id])
    if others:
        return _told(one, f"the record {record_id} is that of {', '.join(others)}")
    if holds[record_id] and str(holds[record_id]) != one.visit.id:
        return _told(one, f"the record {record_id} holds another external id: {holds[record_id]}")
    return Existing(record_id, claimed=bool(holds[record_id]))


def _again(one: Refused, answer: RowResult) -> RowResult:
    """What Salesforce does not name, or what is another document's, is as a rule a record that is just being deleted.

    A person who leaves an event and comes again is the same member for Salesforce, and the two documents may be in the
    hands of two writers. What is still in the way after some tries is told as it is.
    """
    tries = one.visit.state.retry.tries if one.visit.state.retry else 0
    return replace(answer, failure=Failure.NOT_RUN) if tries < UNSEEN_TRIES else answer


def _in_the_way(record_ids: Sequence[str]) -> str:
    return f"the {'record' if len(record_ids) == 1 else 'records'} {', '.join(record_ids)}"


def _told(one: Refused, found: str) -> RowResult:
    """Salesforce's answer, refused for good, with what was found before its own words."""
    message = f"{found}; {one.answer.message}" if one.answer.message else found
    return replace(one.answer, failure=Failure.REJECTED, message=message)


def _away(one: Refused) -> RowResult:
    return replace(one.answer, failure=Failure.NOT_RUN, org_wide=True)
