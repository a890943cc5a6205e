"""The membership that is there already, or that is left where two people who both had one became one (rule 23)."""

from collections.abc import Mapping, Sequence

from consumers.ports import Records
from consumers.rules.kinds import Kind
from consumers.rules.lookups import Parents, named_documents
from consumers.rules.members import MERGES_AND_CONVERSIONS, Membership, members, membership_of, named, records_named
from consumers.writer.desk import Desk
from consumers.writer.kept import KeptRecords
from consumers.writer.visit import Visit, ids_of_all
from schemas.place import LEAD_PREFIX


class Twins:
    """Asks for records that name the same parents as a document does."""

    def __init__(self, desk: Desk, records: Records) -> None:
        self._desk = desk
        self._records = records
        self._kept = KeptRecords(records)

    async def of(self, kind: Kind, visits: Sequence[Visit]) -> dict[str, str]:
        """By document id: the record with the same parents. Of most kinds there is none.

        Raises:
            Unavailable: Salesforce cannot be asked.
        """
        membership = membership_of(kind)
        if membership is None or not visits:
            return {}
        parents = await self._parents(kind, membership, visits)
        wanted = {
            visit.id: known
            for visit in visits
            if (known := records_named(membership, visit.state, parents)) is not None
        }
        became = await self._people(membership, sorted({who for _whole, who in wanted.values()}))
        there = await self._members(kind, membership, sorted({became.get(who, who) for _whole, who in wanted.values()}))
        return {
            document_id: twin
            for document_id, (whole, who) in wanted.items()
            if (twin := there.get((whole, became.get(who, who)))) is not None
        }

    async def _parents(self, kind: Kind, membership: Membership, visits: Sequence[Visit]) -> Parents:
        values = [named(visit.state, membership.whole) | named(visit.state, membership.person) for visit in visits]
        return await self._desk.parents_by_document(ids_of_all(named_documents(kind, each) for each in values))

    async def _people(self, membership: Membership, record_ids: Sequence[str]) -> dict[str, str]:
        """By id: who has taken the place of people that are gone.

        Asked of Salesforce, since their own documents hear of the merge by another partition, perhaps later.
        """
        became: dict[str, str] = {}
        kinds = [self._desk.kind(name) for name in membership.person.lookup]
        left = list(record_ids)
        for _step in range(MERGES_AND_CONVERSIONS):
            found: dict[str, str] = {}
            for kind in kinds:
                asked = [each for each in left if each not in found]
                found |= {each: then.record_id for each, then in (await self._kept.successors(kind, asked)).items()}
            if not found:
                break
            became = {who: found.get(now, now) for who, now in became.items()} | {
                who: found[who] for who in record_ids if who in found and who not in became
            }
            left = sorted(set(found.values()))
        return became

    async def _members(
        self, kind: Kind, membership: Membership, people: Sequence[str]
    ) -> Mapping[tuple[str, str], str]:
        """Records by what they are a member of and who is."""
        fields = (membership.whole.name, *membership.fields)
        there: dict[tuple[str, str], str] = {}
        for name in membership.fields:
            in_leads = name == membership.person.lead
            asked = [who for who in people if who.startswith(LEAD_PREFIX) is in_leads]
            for row in await self._records.match(kind.sobject, name, asked, fields) if asked else ():
                there[members(membership, row)] = str(row["Id"])
        return there
