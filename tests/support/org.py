"""A simulated org in this process, and a small client that is logged in to it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from simulator.org.app import RunningOrg, running_org
from simulator.org.clock import Clock, system_clock
from simulator.org.settings import OrgSettings

KEY = "Tandem_Customer_Id__c"


@dataclass
class OrgClient:
    """Calls of one logged-in app. Paths are relative to `/services/data/vXX.0`."""

    org: RunningOrg
    http: aiohttp.ClientSession
    token: str = field(repr=False)
    version: str = "60.0"
    client: str = "Tandem"

    async def call(
        self, verb: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Status and JSON body, None where there is none."""
        status, read, _ = await self.full(verb, path, body, headers, **options)
        return status, read

    async def full(
        self, verb: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON body and headers."""
        url = path if path.startswith("/services") else f"/services/data/v{self.version}{path}"
        sent = {"Authorization": f"Bearer {self.token}"}
        if self.client:
            sent["Sforce-Call-Options"] = f"client={self.client}"
        async with self.http.request(
            verb, self.org.base_url + url, json=body, headers=sent | dict(headers or {}), **options
        ) as reply:
            raw = await reply.read()
            told = await reply.json() if raw and reply.content_type == "application/json" else raw.decode() or None
            return reply.status, told, reply.headers

    async def create(self, **fields: Any) -> str:
        """A new Contact's id."""
        status, told = await self.call("POST", "/sobjects/Contact", {"LastName": "Doe"} | fields)
        assert status == 201, told
        return str(told["id"])

    async def read(self, record_id: str) -> dict[str, Any]:
        """A Contact."""
        status, told = await self.call("GET", f"/sobjects/Contact/{record_id}")
        assert status == 200, told
        return dict(told)

    async def upsert(self, rows: Sequence[Mapping[str, Any]], *, all_or_none: bool = False) -> list[dict[str, Any]]:
        """Upsert Contacts by customer id; each row's result."""
        records = [{"attributes": {"type": "Contact"}, **row} for row in rows]
        body = {"allOrNone": all_or_none, "records": records}
        status, told = await self.call("PATCH", f"/composite/sobjects/Contact/{KEY}", body)
        assert status == 200, told
        return list(told)

    async def query(self, soql: str, resource: str = "query") -> dict[str, Any]:
        """The first page of a query."""
        status, told = await self.call("GET", f"/{resource}", params={"q": soql})
        assert status == 200, told
        return dict(told)

    async def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """JSON of an admin call that must succeed."""
        async with self.http.request(verb, f"{self.org.base_url}/admin{path}", json=body) as reply:
            told = await reply.json()
            assert reply.status < 300, told
            return told

    async def edit(self, record_id: str, **fields: Any) -> dict[str, Any]:
        """A user's edit of a Contact; its result."""
        (result,) = await self.admin("POST", "/edits", {"id": record_id, "fields": fields})
        return dict(result)

    async def merge(self, master: str, *losers: str, **fields: Any) -> dict[str, Any]:
        """A user's merge of Contacts; its result."""
        edit = {"action": "merge", "id": master, "losers": losers, "fields": fields}
        (result,) = await self.admin("POST", "/edits", edit)
        return dict(result)

    async def convert(self, lead_id: str, **conversion: Any) -> str:
        """A user's conversion of a Lead; the contact's id."""
        edit = {"action": "convert", "object": "Lead", "id": lead_id, "conversion": conversion}
        (result,) = await self.admin("POST", "/edits", edit)
        assert result["success"], result
        status, lead = await self.call("GET", f"/sobjects/Lead/{lead_id}")
        assert status == 200, lead
        return str(lead["ConvertedContactId"])

    def events(self, after: int | None = None) -> list[dict[str, Any]]:
        """Payloads on the bus after a replay id."""
        return [change.payload for change in self.org.org.bus.after(after, None, 10_000)]


async def log_in(org: RunningOrg, http: aiohttp.ClientSession) -> str:
    """An access token."""
    form = {"grant_type": "client_credentials", "client_id": org.client_id, "client_secret": org.client_secret}
    async with http.post(f"{org.base_url}/services/oauth2/token", data=form) as reply:
        assert reply.status == 200, await reply.text()
        return str((await reply.json())["access_token"])


@asynccontextmanager
async def org_client(clock: Clock = system_clock, **settings: Any) -> AsyncIterator[OrgClient]:
    """Run an org with these settings and log in to it."""
    async with running_org(OrgSettings(**settings), clock=clock) as org, aiohttp.ClientSession() as http:
        yield OrgClient(org, http, await log_in(org, http))
