"""The last act of a demo whose people are looked up: they register at a site, some known to Salesforce, some of whose
answers are slow. It comes after the verdict, and is no part of what is judged there."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from rich import box
from rich.table import Table

from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.client import open_database
from adapters.mongo.settings import MongoSettings
from ops.api_keys_command import new_key
from ops.demo.cast import DemoFailed, Part, ready, told
from ops.demo.plan import READY_SECONDS
from ops.demo.stage import Say, Stage
from schemas.api_key import Scope
from schemas.mapping import Mapping as FieldsMapping
from simulator.servers.process import free_ports

PEOPLE: Final = 40
SLOW: Final[Mapping[str, Any]] = {"kind": "delay", "path": "/composite", "delay_ms": 4_000, "probability": 0.3}
"""Some of the org's answers take longer than anybody waits."""
TOLD_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Registrations:
    """How it went. `lost` are people who are not stored, or of whom something else is told than Salesforce knows."""

    site_url: str
    people: int
    in_time: int
    longest_ms: float
    calls: int
    told_after: float
    lost: int

    def table(self) -> Table:
        """For people to read."""
        made = Table(title="At the registration site", box=box.SIMPLE_HEAD, title_justify="left")
        for name in ("", "found", "what it means"):
            made.add_column(name, justify="right" if name == "found" else "left")
        made.add_row("registered", str(self.people), "by a form, half of them known to sales")
        made.add_row("told at once", str(self.in_time), "who they are to sales, or that nobody knows them")
        made.add_row("told later", str(self.people - self.in_time), f"the last after {self.told_after:.0f} seconds")
        made.add_row("longest wait", f"{self.longest_ms:,.0f} ms", "while some of Salesforce's answers took 4 seconds")
        made.add_row("calls", str(self.calls), "to ask Salesforce about all of them")
        made.add_row("lost", str(self.lost), "not stored, or told wrongly")
        return made


def looked_up(mapping: FieldsMapping) -> str:
    """The collection of the kind whose people are looked up while they register; empty where there is none."""
    return next((kind.collection for kind in mapping.kinds.values() if kind.enrichment is not None), "")


async def register_people(stage: Stage, environ: Mapping[str, str], mapping: FieldsMapping, say: Say) -> Registrations:
    """Open the site, and have people register at it.

    Raises:
        DemoFailed: something does not come up, or people are not told in time.
    """
    say("starting tandem enrich, tandem api and a registration site")
    mongo = MongoSettings.model_validate({"uri": stage.servers.mongodb_uri, "database": stage.database})
    async with open_database(mongo) as database:
        text, key = new_key("registration site", (Scope.EVENTS, Scope.ENRICH), by="demo", at=datetime.now(UTC))
        await MongoApiKeys(database).add(key)
        site_url = await _open_site(stage, environ, text)
        people = [(f"Guest{number}", f"guest{number}@{stage.run}.example") for number in range(PEOPLE)]
        contacts = [_contact(name, email) for name, email in people[::2]]
        await _admin(stage, "/edits", {"edits": contacts, "together": True})
        await _admin(stage, "/faults", SLOW)
        say(f"{PEOPLE} people register at {site_url}, half known to sales; some of Salesforce's answers are slow")
        calls = await _calls(stage)
        waits = await asyncio.gather(
            *(_fill_in(stage, site_url, *person, place) for place, person in enumerate(people))
        )
        documents = database[looked_up(mapping)]
        emails = [email for _, email in people]
        late = await documents.count_documents(_pending(emails))
        after = await _all_told(documents, emails)
        spent = await _calls(stage) - calls
        wanted = {email: place % 2 == 0 for place, email in enumerate(emails)}
        told_of = {
            each["email"]: bool(each.get("isExistingCustomer"))
            async for each in documents.find({"email": {"$in": emails}})
        }
    lost = sum(told_of.get(email) != known for email, known in wanted.items())
    return Registrations(site_url, PEOPLE, PEOPLE - late, 1000 * max(waits), spent, after, lost)


async def _all_told(documents: Any, emails: Sequence[str]) -> float:
    """Seconds until nobody is pending.

    Raises:
        DemoFailed: somebody still is.
    """
    began = time.monotonic()
    while await documents.count_documents(_pending(emails)):
        if time.monotonic() > began + TOLD_SECONDS:
            raise DemoFailed(f"some who registered were not told within {TOLD_SECONDS:g} seconds")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - began


async def _open_site(stage: Stage, environ: Mapping[str, str], key: str) -> str:
    """The site's address, with the API and the background behind it."""
    api_port, *ops_ports = free_ports(3)
    settings = {**environ, **stage.settings, "API_PORT": str(api_port)}
    for name, port in zip(("enrich", "api"), ops_ports, strict=True):
        child = await stage.cast.start(Part.tandem(name, {**settings, "OPS_PORT": str(port)}))
        await ready(child, stage.http, f"http://127.0.0.1:{port}", READY_SECONDS)
    command = ("-P", "-m", "simulator", "registration", "--api", f"http://127.0.0.1:{api_port}")
    site = await stage.cast.start(Part("registration", command, {**environ, "REGISTRATION_API_KEY": key}))
    return str((await told(site, READY_SECONDS))["url"])


async def _fill_in(stage: Stage, site_url: str, name: str, email: str, place: int) -> float:
    """One person at the form; the seconds that they waited."""
    form = {
        "form": f"{stage.run}-{place}",
        "name": f"Ana {name}",
        "email": email,
        "skills": "Go, SQL",
        "consent": "yes",
    }
    began = time.monotonic()
    async with stage.http.post(f"{site_url}/register", data=form) as answer:
        if answer.status not in (200, 201):
            raise DemoFailed(f"the registration site answered {answer.status}")
    return time.monotonic() - began


def _contact(name: str, email: str) -> dict[str, Any]:
    return {"action": "create", "fields": {"LastName": name, "Email": email, "Customer_Tier__c": "Growth"}}


def _pending(emails: Sequence[str]) -> dict[str, Any]:
    return {"email": {"$in": list(emails)}, "_sync.enriched.due": {"$exists": True}}


async def _admin(stage: Stage, path: str, body: Any) -> Any:
    async with stage.http.post(f"{stage.org_url}/admin{path}", json=body) as answer:
        answer.raise_for_status()
        return orjson.loads(await answer.read())


async def _calls(stage: Stage) -> int:
    """Calls about people alone: all others go on meanwhile."""
    async with stage.http.get(f"{stage.org_url}/admin/calls") as answer:
        answer.raise_for_status()
        found = orjson.loads(await answer.read())["calls"]
    return sum(each["count"] for each in found if each["resource"].rstrip("/") == "/composite")
