"""Events whose Campaigns somebody has made in Salesforce already, and the statuses that members of a Campaign may have.

A Campaign that the settings name is given the event's id when the event is first looked for: from then on it is found
by that, as any record is (merge rule 20). A status that a Campaign lacks is added before a member is written with it,
since Salesforce would write another in its place without a word.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from consumers.ports import RecordRead, Records, RecordUpdate, RowResult, Unavailable
from schemas.records import Failure

CAMPAIGN: Final = "Campaign"
MEMBER: Final = "CampaignMember"
RESPONDED: Final = frozenset({"Attended", "Responded"})
"""The statuses that count as a response where we add them."""
FINAL: Final = frozenset({Failure.REJECTED, Failure.GONE, Failure.CONVERTED})
"""Asked again, Salesforce would refuse the same."""
MEMBERS_KNOWN: Final = 20_000
"""Of so many members, the last that were read, it is kept of which Campaign they are: 4 MB. Others are read again."""
STATUSES_UNKNOWN: Final = "MEMBER_STATUSES_UNKNOWN"
"""Ours: Salesforce does not tell now which statuses a Campaign has, so its members are not written yet."""


class MemberStatuses(Protocol):
    """The statuses that members of Campaigns may have. Raises `Unavailable` where the org does not answer."""

    async def of(self, campaign_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """By Campaign: its statuses with their places in the list."""

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[RowResult]:
        """Add these; each row's own outcome."""


class NamedCampaigns:
    """Records whose Campaigns are as the settings and the members need them. Satisfies `consumers.ports.Records`."""

    def __init__(
        self,
        records: Records,
        statuses: MemberStatuses,
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
        self._known: dict[str, set[str]] = {}
        self._campaign_of: dict[str, str] = {}
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
        waiting = await self._waiting(sobject, updates)
        sent = [update for place, update in enumerate(updates) if place not in waiting]
        return _in_order(len(updates), waiting, await self._records.update(sobject, sent) if sent else [])

    async def upsert(self, sobject: str, external_id_field: str, updates: Sequence[RecordUpdate]) -> list[RowResult]:
        """As the port."""
        waiting = await self._waiting(sobject, updates)
        sent = [update for place, update in enumerate(updates) if place not in waiting]
        answers = await self._records.upsert(sobject, external_id_field, sent) if sent else []
        return _in_order(len(updates), waiting, answers)

    async def _waiting(self, sobject: str, updates: Sequence[RecordUpdate]) -> dict[int, RowResult]:
        """Members whose status their Campaign may not have yet, by their place: nothing of them was sent."""
        if sobject != MEMBER:
            return {}
        with_status = {place: each for place, each in enumerate(updates) if isinstance(each.values.get("Status"), str)}
        try:
            campaigns = await self._campaigns_of(with_status)
            wanted: dict[str, set[str]] = {}
            for place, campaign in campaigns.items():
                wanted.setdefault(campaign, set()).add(str(updates[place].values["Status"]))
            missing = {one: names for one, names in wanted.items() if names - self._known.get(one, set())}
            without = await self._add_missing(missing) if missing else {}
        except Unavailable as away:
            told = RowResult(failure=Failure.NOT_RUN, code=STATUSES_UNKNOWN, message=str(away), org_wide=True)
            return dict.fromkeys(with_status, told)
        held = {place: without.get((one, str(updates[place].values["Status"]))) for place, one in campaigns.items()}
        return {place: _not_sent(status) for place, status in held.items() if status is not None}

    async def _campaigns_of(self, members: Mapping[int, RecordUpdate]) -> dict[int, str]:
        """By place. A later write of a member names no Campaign, which never changes: it is read once."""
        unknown = [
            each.record_id
            for each in members.values()
            if "CampaignId" not in each.values and each.record_id and each.record_id not in self._campaign_of
        ]
        if unknown:
            read: RecordRead = await self._records.read(MEMBER, unknown, ["Id", "CampaignId"])
            self._campaign_of |= {record: str(row["CampaignId"]) for record, row in read.rows.items()}
        found = {
            place: each.values.get("CampaignId") or self._campaign_of.get(each.record_id)
            for place, each in members.items()
        }
        for oldest in list(islice(self._campaign_of, max(0, len(self._campaign_of) - MEMBERS_KNOWN))):
            del self._campaign_of[oldest]
        return {place: campaign for place, campaign in found.items() if isinstance(campaign, str)}

    async def _add_missing(self, wanted: Mapping[str, set[str]]) -> dict[tuple[str, str], RowResult]:
        """Add what these Campaigns lack; the statuses that could not be added now, by Campaign."""
        there = await self._statuses.of(sorted(wanted))
        rows: list[dict[str, Any]] = []
        for campaign, names in wanted.items():
            known = there.get(campaign, {})
            self._known.setdefault(campaign, set()).update(known)
            last = max(known.values(), default=0)
            rows += [
                {"CampaignId": campaign, "Label": name, "SortOrder": last + place, "HasResponded": name in RESPONDED}
                for place, name in enumerate(sorted(names - set(known)), start=1)
            ]
        without: dict[tuple[str, str], RowResult] = {}
        for row, answer in zip(rows, await self._statuses.add(rows) if rows else (), strict=True):
            campaign, name = str(row["CampaignId"]), str(row["Label"])
            if answer.succeeded or answer.failure is Failure.DUPLICATE:
                self._known[campaign].add(name)
            elif answer.failure in FINAL:
                self._known[campaign].add(name)
                self._refused("member status", answer.code)
            else:
                without[campaign, name] = answer
        return without


def _not_sent(status: RowResult) -> RowResult:
    """A member whose status could not be added, for the reason that stood against that."""
    return RowResult(failure=Failure.NOT_RUN, code=status.code, message=status.message, org_wide=status.org_wide)


def _in_order(count: int, waiting: Mapping[int, RowResult], answers: Sequence[RowResult]) -> list[RowResult]:
    answered = iter(answers)
    return [waiting[place] if place in waiting else next(answered) for place in range(count)]
