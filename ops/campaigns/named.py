"""Events whose Campaigns somebody has made in Salesforce already, and members whose Campaigns have their statuses.

A Campaign that the settings name is given the event's id when the event is first looked for: from then on it is found
by that, as any record is (merge rule 20).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from consumers.ports import Records, RecordUpdate, RowResult, Unavailable
from ops.campaigns.statuses import StatusesAdded

CAMPAIGN: Final = "Campaign"


class NamedCampaigns:
    """Records whose Campaigns are as the settings and the members need them. Satisfies `consumers.ports.Records`."""

    def __init__(
        self,
        records: Records,
        statuses: StatusesAdded,
        campaigns: Mapping[str, str],
        key: Callable[[str], str],
        refused: Callable[[str, str], None],
    ) -> None:
        """`campaigns` are record ids by the `key` of an event's id; `refused` hears what could not be done, and why."""
        self._records = records
        self._statuses = statuses
        self._campaigns = campaigns
        self._key = key
        self._refused = refused
        self.read = records.read
        self.match = records.match
        self.delete = records.delete
        self.successors = records.successors
        self.merged = records.merged
        self.conversions = records.conversions
        self.converted = records.converted

    async def find(self, sobject: str, external_id_field: str, external_ids: Sequence[str]) -> Mapping[str, list[str]]:
        """As the port; of an event whose Campaign the settings name, that one, which has its id from now on."""
        found = await self._records.find(sobject, external_id_field, external_ids)
        if sobject != CAMPAIGN or not self._campaigns:
            return found
        named = {each: record for each in external_ids if (record := self._campaigns.get(self._key(each)))}
        missing = {each: record for each, record in named.items() if each not in found}
        return {**found, **await self._claimed(external_id_field, missing)} if missing else found

    async def _claimed(self, external_id_field: str, named: Mapping[str, str]) -> dict[str, list[str]]:
        rows = (await self._records.read(CAMPAIGN, list(named.values()), ["Id", external_id_field])).rows
        free = {each: record for each, record in named.items() if record in rows}
        for each in named.keys() - free.keys():
            self._refused(each, "the Campaign that the settings name is not there")
        for each, record in list(free.items()):
            if rows[record].get(external_id_field):
                self._refused(each, "the Campaign that the settings name is another event's")
                del free[each]
        updates = [RecordUpdate({external_id_field: each}, record_id=record) for each, record in free.items()]
        answers = await self._records.update(CAMPAIGN, updates) if updates else []
        claimed: dict[str, list[str]] = {}
        for (each, record), answer in zip(free.items(), answers, strict=True):
            if answer.succeeded:
                claimed[each] = [record]
            elif answer.org_wide:
                raise Unavailable(f"Salesforce did not take the Campaign's event: {answer.code}")
            else:
                self._refused(each, answer.code)
        return claimed

    async def update(self, sobject: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        waiting = await self._statuses.waiting(sobject, updates)
        sent = [update for place, update in enumerate(updates) if place not in waiting]
        return _in_order(len(updates), waiting, await self._records.update(sobject, sent) if sent else [])

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        waiting = await self._statuses.waiting(sobject, updates)
        sent = [update for place, update in enumerate(updates) if place not in waiting]
        answers = await self._records.upsert(sobject, external_id_field, sent) if sent else []
        return _in_order(len(updates), waiting, answers)


def _in_order(count: int, waiting: Mapping[int, RowResult], answers: Sequence[RowResult]) -> list[RowResult]:
    answered = iter(answers)
    return [waiting[place] if place in waiting else next(answered) for place in range(count)]
