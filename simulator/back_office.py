"""What sales and the org's administrator do now and then, beside the daily edits: leads, merges, deletions, limits.

What was done, when and over what is in the org's own commit log; nothing is kept here but counters.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from simulator.platform.people import Inventor, invent
from simulator.recycling import Recycling
from simulator.seller import OrgRefused

_USER: Final = "sanda.merel@tandem.example"
_PAGE: Final = 1_000
_LOOK_SECONDS: Final = 0.5
_OWN_SERIALS: Final = 1_300
"""Serial numbers from here on are nobody else's, so that no value comes twice."""
PLENTY: Final = 90_000
"""API calls that are left once there is room again."""
LEADS: Final = 3
KNOWN_CONVERSIONS: Final = 4
"""Leads that the platform's people are, converted one by one before all else, beside those that are awaited."""
_AWAITED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Desk:
    """An object that sales work at: its name, its external id field, and its two-way fields without lookups."""

    sobject: str
    external_id: str
    fields: Sequence[str] = ()


@dataclass(slots=True)
class OfficeCounters:
    """What has happened so far."""

    leads: int = 0
    converted: int = 0
    merged: int = 0
    moved: int = 0
    deleted: int = 0
    undeleted: int = 0
    exhausted_seconds: float = 0.0
    refused: int = 0
    """Acts that the org refused, since what they were about was gone or in use."""


class BackOffice:
    """Works through its acts, spread over some time. Choices come from the seed, and from what is there.

    Where there is nobody to act upon, they are waited for until there is `enough`.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        base_url: str,
        *,
        seed: int,
        run: str,
        persons: Desk,
        companies: Desk | None = None,
        leads: Desk | None = None,
        deals: Desk | None = None,
        conversions: int = KNOWN_CONVERSIONS,
        merges: int = 2,
        deletions: int = 2,
        exhausted_seconds: float = 5.0,
    ) -> None:
        self.counters = OfficeCounters()
        self.enough: Callable[[], bool] = lambda: False
        """Whether nothing more will come."""
        self.patience_seconds = 20.0
        """How long an act waits for somebody to act upon."""
        self.awaited: Sequence[str] = ()
        """People by their external ids, none of whom may be left a lead in the end: what they made is kept under a
        contact."""
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        """How it waits."""
        self.seconds = 60.0
        """Over how long the acts are spread."""
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._chance = random.Random(f"back office {seed}")
        self._run = run
        self._persons = persons
        self._companies = companies
        self._known_leads = leads
        self._conversions = conversions if leads else 0
        self._merges = merges
        self._deletions = deletions
        self._recycling = Recycling(
            self._chance,
            self._do,
            (persons.sobject, self._people),
            None if deals is None else (deals.sobject, lambda: self._linked(deals)),
        )
        self._exhausted_seconds = exhausted_seconds
        self._leads: list[dict[str, Any]] = []
        self._made = 0

    async def open(self) -> list[dict[str, Any]]:
        """Enter leads, and convert all but the last; what the platform will know of these people: their e-mails.

        Raises:
            OrgRefused: the org does not take it.
        """
        for number in range(LEADS):
            lead = {
                "FirstName": f"Lead {number}",
                "LastName": f"Of Sales {self._run}",
                "Company": f"Prospect {self._run} {number}",
                "Email": f"lead{number}.{self._run}@example.com",
                "Phone": self._value("phone"),
            }
            record = await self._must({"action": "create", "object": "Lead", "fields": lead})
            self.counters.leads += 1
            self._leads.append({"id": record, "email": lead["Email"]})
        for lead in self._leads[:-1]:
            await self._convert({"action": "convert", "object": "Lead", "id": lead["id"]})
        return [{"email": lead["email"]} for lead in self._leads]

    async def run(self) -> None:
        """Return once all acts are done.

        Raises:
            OrgRefused: an admin endpoint answered with an error.
            aiohttp.ClientError: the org cannot be reached.
        """
        while len(await self._linked(self._known_leads or self._persons)) <= LEADS:
            if self.enough():
                break
            await asyncio.sleep(_LOOK_SECONDS)
        acts = [self._convert_into_a_contact, self._exhaust_the_limit]
        acts += [self._merge_away if number % 2 else self._merge_into for number in range(self._merges)]
        acts += [self._move] * 2 if self._companies else []
        acts += [self._delete] * self._deletions + [self._undelete] * (self._deletions // 2)
        first = min(self._conversions, KNOWN_CONVERSIONS) if self._people_begin_as_leads else 0
        acts += [self._convert_one_that_is_known] * (self._conversions - first)
        self._chance.shuffle(acts)
        acts[:0] = [self._convert_one_that_is_known] * first
        pause = self.seconds / (len(acts) + 1)
        for act in acts:
            await self.pause(pause)
            await act()
        self.counters.undeleted += await self._recycling.undelete_people()
        if self._known_leads is not None:
            await self._convert_the_awaited(self._known_leads)

    @property
    def _people_begin_as_leads(self) -> bool:
        """Whether contacts come of leads, so that there are none to merge or to move before some are converted."""
        return self._known_leads is not None and self._known_leads.external_id == self._persons.external_id

    async def _convert_into_a_contact(self) -> None:
        """The last lead is somebody whom the platform has told of by now: its contact is taken."""
        lead = self._leads[-1]
        edit = {"action": "convert", "object": "Lead", "id": lead["id"]}
        contact = next(
            (row for row in await self._linked(self._persons) if (row.get("Email") or "").lower() == lead["email"]),
            None,
        )
        if contact is not None and self._persons.sobject == "Contact":
            edit["conversion"] = {"contact_id": contact["Id"], "account_id": contact.get("AccountId") or ""}
        await self._convert(edit)

    async def _convert_one_that_is_known(self) -> None:
        assert self._known_leads is not None  # noqa: S101 - it is no act without such leads
        leads = [row for row in await self._linked(self._known_leads) if not row["IsConverted"]]
        if leads:
            await self._convert_under_a_company(self._chance.choice(leads))

    async def _convert_the_awaited(self, desk: Desk) -> None:
        """Convert them as they come, until the platform is done and none of them is a lead."""
        left = set(self.awaited)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds + _AWAITED_SECONDS
        while left and loop.time() < deadline:
            for row in await self._linked(desk):
                if row[desk.external_id] in left and not row["IsConverted"]:
                    await self._convert_under_a_company(row)
            converted = {row[desk.external_id] for row in await self._linked(desk) if row["IsConverted"]}
            left -= converted | {row[self._persons.external_id] for row in await self._linked(self._persons)}
            await asyncio.sleep(_LOOK_SECONDS)

    async def _convert_under_a_company(self, lead: Mapping[str, Any]) -> None:
        """Sales know the account of every second one."""
        edit: dict[str, Any] = {"action": "convert", "object": "Lead", "id": lead["Id"]}
        companies = await self._linked(self._companies) if self._companies else []
        if companies and self._chance.random() < 0.5:
            edit["conversion"] = {"account_id": self._chance.choice(companies)["Id"]}
        await self._convert(edit)

    async def _convert(self, edit: Mapping[str, Any]) -> None:
        if await self._do(edit) is not None:
            self.counters.converted += 1

    async def _merge_into(self) -> None:
        """A contact that somebody entered a second time is merged into the one that the platform knows."""
        row, phone = await self._somebody(), self._value("phone")
        if row is None:
            return
        duplicate = await self._duplicate(row, {"Phone": phone})
        edit = {"action": "merge", "object": self._persons.sobject, "id": row["Id"], "losers": [duplicate]}
        if await self._do({**edit, "fields": {"Phone": phone}}) is not None:
            self.counters.merged += 1

    async def _merge_away(self) -> None:
        """The one that the platform knows is merged into the second one, which takes over what it does not have."""
        row = await self._somebody()
        if row is None:
            return
        duplicate = await self._duplicate(row, {"Title": self._value("title")})
        kept = {name: row[name] for name in self._persons.fields if name not in ("LastName", "Title") and row.get(name)}
        edit = {"action": "merge", "object": self._persons.sobject, "id": duplicate, "losers": [row["Id"]]}
        if await self._do({**edit, "fields": kept}) is not None:
            self.counters.merged += 1

    async def _duplicate(self, row: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
        made = {"LastName": row["LastName"], "AccountId": row.get("AccountId"), **fields}
        return await self._must({"action": "create", "object": self._persons.sobject, "fields": made})

    async def _move(self) -> None:
        """Somebody works for another company now."""
        assert self._companies is not None  # noqa: S101 - it is no act without companies
        companies, row = await self._linked(self._companies), await self._somebody()
        if not companies or row is None:
            return
        to = self._chance.choice(companies)["Id"]
        edit = {"object": self._persons.sobject, "id": row["Id"], "fields": {"AccountId": to}}
        if await self._do(edit) is not None:
            self.counters.moved += 1

    async def _delete(self) -> None:
        self.counters.deleted += await self._recycling.delete()

    async def _undelete(self) -> None:
        self.counters.undeleted += await self._recycling.undelete()

    async def _exhaust_the_limit(self) -> None:
        """Somebody else's batch has used up the day's calls; then there is room again."""
        await self._post("/admin/limits", {"DailyApiRequests": 0})
        try:
            await self.pause(self._exhausted_seconds)
        finally:
            await self._post("/admin/limits", {"DailyApiRequests": PLENTY})
        self.counters.exhausted_seconds += self._exhausted_seconds

    def _value(self, path: str) -> Any:
        self._made += 1
        return invent(path, _OWN_SERIALS + self._made, Inventor.SALESFORCE_USER, self._chance)

    async def _somebody(self) -> dict[str, Any] | None:
        """One of the contacts that the platform knows, none of those that sales entered as leads; nobody where none has
        come in time."""
        until = asyncio.get_running_loop().time() + self.patience_seconds
        while True:
            rows = await self._people()
            if rows or asyncio.get_running_loop().time() >= until:
                return self._chance.choice(rows) if rows else None
            await asyncio.sleep(_LOOK_SECONDS)

    async def _people(self) -> list[dict[str, Any]]:
        leads = {lead["email"] for lead in self._leads}
        return [row for row in await self._linked(self._persons) if (row.get("Email") or "").lower() not in leads]

    async def _linked(self, desk: Desk) -> list[dict[str, Any]]:
        """The records of an object that have an external id."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            query = {"after": after, "limit": str(_PAGE)}
            async with self._http.get(f"{self._base_url}/admin/records/{desk.sobject}", params=query) as response:
                if response.status != 200:
                    raise OrgRefused(f"GET /admin/records: {response.status}")
                rows = await response.json()
            found += [row for row in rows if row.get(desk.external_id)]
            if len(rows) < _PAGE:
                return found
            after = rows[-1]["Id"]

    async def _must(self, edit: Mapping[str, Any]) -> str:
        record = await self._do(edit)
        if record is None:
            raise OrgRefused(f"a user's edit of {edit['object']} was refused")
        return record

    async def _do(self, edit: Mapping[str, Any]) -> str | None:
        """The id of the record; nothing where the org refused."""
        (result,) = await self._post("/admin/edits", {"user": _USER, "edits": [dict(edit)]})
        if not result["success"]:
            self.counters.refused += 1
            return None
        return str(result["id"])

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        async with self._http.post(f"{self._base_url}{path}", json=dict(body)) as response:
            if response.status != 200:
                raise OrgRefused(f"POST {path}: {response.status}")
            return await response.json()
