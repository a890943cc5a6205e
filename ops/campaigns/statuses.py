"""The statuses that members of a Campaign may have: what one lacks is added before a member is written with it.

Salesforce would write another in its place without a word, in a call as in a Bulk job.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from consumers.ports import BulkLoad, BulkOutcome, BulkRecords, RecordRead, RecordUpdate, RowResult, Unavailable
from schemas.bulk import BulkOperation
from schemas.records import Failure

MEMBER: Final = "CampaignMember"
RESPONDED: Final = frozenset({"Attended", "Responded"})
"""The statuses that count as a response where we add them."""
FINAL: Final = frozenset({Failure.REJECTED, Failure.GONE, Failure.CONVERTED})
"""Asked again, Salesforce would refuse the same."""
MEMBERS_KNOWN: Final = 20_000
"""Of so many members, the last that were read, it is kept of which Campaign they are: 4 MB. Others are read again."""
STATUSES_UNKNOWN: Final = "MEMBER_STATUSES_UNKNOWN"
"""Ours: Salesforce does not tell now which statuses a Campaign has, so its members are not written yet."""
AT_A_TIME: Final = 200
"""Rows of a job that are looked at together."""


class MemberStatuses(Protocol):
    """The statuses that members of Campaigns may have. Raises `Unavailable` where the org does not answer."""

    async def of(self, campaign_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """By Campaign: its statuses with their places in the list."""

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[RowResult]:
        """Add these; each row's own outcome."""


class Members(Protocol):
    """Where members are read."""

    async def read(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> RecordRead:
        """As `consumers.ports.Records`."""


class StatusesAdded:
    """Adds what Campaigns lack. Keeps in mind which statuses they have, and which member is of which Campaign."""

    def __init__(self, members: Members, statuses: MemberStatuses, refused: Callable[[str, str], None]) -> None:
        """`refused` hears what could not be done, and why."""
        self._members = members
        self._statuses = statuses
        self._refused = refused
        self._known: dict[str, set[str]] = {}
        self._campaign_of: dict[str, str] = {}

    async def waiting(self, sobject: str, updates: Sequence[RecordUpdate]) -> dict[int, RowResult]:
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
            read: RecordRead = await self._members.read(MEMBER, unknown, ["Id", "CampaignId"])
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


class BulkStatuses:
    """Bulk jobs whose members' Campaigns have their statuses. Satisfies `consumers.ports.BulkRecords`.

    A member whose status could not be added is in no job: it comes back from `send` as not run.
    """

    def __init__(self, bulk: BulkRecords, added: StatusesAdded) -> None:
        self._bulk = bulk
        self._added = added
        self.open = bulk.open
        self.state = bulk.state
        self.abandon = bulk.abandon
        self.outcomes = bulk.outcomes
        self.discard = bulk.discard

    async def send(self, job_id: str, load: BulkLoad, rows: AsyncIterable[RecordUpdate]) -> Sequence[BulkOutcome]:
        """As the port."""
        if load.sobject != MEMBER or load.operation is BulkOperation.DELETE:
            return await self._bulk.send(job_id, load, rows)
        held: list[BulkOutcome] = []
        unfit = await self._bulk.send(job_id, load, self._ready(load, rows, held))
        return [*held, *unfit]

    async def _ready(
        self, load: BulkLoad, rows: AsyncIterable[RecordUpdate], held: list[BulkOutcome]
    ) -> AsyncIterator[RecordUpdate]:
        some: list[RecordUpdate] = []
        async for row in rows:
            some.append(row)
            if len(some) == AT_A_TIME:
                for one in await self._sifted(load, some, held):
                    yield one
                some = []
        for one in await self._sifted(load, some, held):
            yield one

    async def _sifted(
        self, load: BulkLoad, rows: Sequence[RecordUpdate], held: list[BulkOutcome]
    ) -> list[RecordUpdate]:
        waiting = await self._added.waiting(MEMBER, rows)
        held += [BulkOutcome(load.key_of(rows[place]), result) for place, result in waiting.items()]
        return [row for place, row in enumerate(rows) if place not in waiting]
