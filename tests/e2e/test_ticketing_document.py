"""The API of the ticketing document, endpoint by endpoint as it is written there, with all of Tandem behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import pytest_asyncio
from support.browser import Browser, redirected
from support.running import until
from support.ticketing_world import REDIRECT, Caller, ticketing
from support.whole import Whole

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

ION = {
    "email": "customer@example.com",
    "first_name": "Ion",
    "last_name": "Popescu",
    "phone": "+40721234567",
    "custom_fields": {"Total_Tickets__c": 5, "Last_Event__c": "Summer Festival 2025"},
}


@pytest_asyncio.fixture(scope="module")
async def platform(
    open_whole: Callable[..., AbstractAsyncContextManager[Whole]], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Caller]:
    """The platform's server, before anybody has agreed that Tandem signs in."""
    async with ticketing(open_whole, tmp_path_factory.mktemp("ticketing")) as caller:
        yield caller


@pytest_asyncio.fixture(scope="module")
async def connected(platform: Caller) -> Caller:
    """Somebody has agreed, and everything runs."""
    status, before, _ = await platform.call("GET", "/connection")
    assert (status, before["connected"], before["instance_url"]) == (200, False, None)
    assert (await platform.connect())["connected"] is True
    for name in ("subscribe", "reconcile", "write", "schedule"):
        platform.world.start(name)
    await until(platform.world.connected, "somebody follows the changes")
    return platform


@pytest_asyncio.fixture(scope="module")
async def ion(connected: Caller) -> dict[str, Any]:
    """The customer of the document."""
    status, told, headers = await connected.call("POST", "/contacts", ION, Idempotency_Key="ion-1")
    assert (status, told["outcome"]) == (201, "applied"), told
    assert headers["Location"].endswith(f"/contacts/{told['id']}")
    return dict(told)


async def test_auth(platform: Caller) -> None:
    """`GET /auth` returns the authorization URL: PKCE, and a state that is good once."""
    status, told, _ = await platform.call("GET", "/auth")
    assert (status, list(told)) == (200, ["auth_url"])
    asked = redirected(told["auth_url"])
    assert told["auth_url"].partition("?")[0].endswith("/services/oauth2/authorize")
    assert (asked["response_type"], asked["redirect_uri"]) == ("code", REDIRECT)
    assert (asked["code_challenge_method"], len(asked["state"]) > 40) == ("S256", True)


async def test_callback(connected: Caller) -> None:
    """`POST /callback` stores tokens, sealed; an attempt is good once, and a strange one for nothing."""
    _, told, _ = await connected.call("GET", "/auth")
    location = redirected(await Browser(connected.world.http).consent(told["auth_url"]))
    body = {"code": location["code"], "state": location["state"]}
    status, done, _ = await connected.call("POST", "/callback", body)
    assert (status, done["connected"]) == (200, True)
    row = await connected.world.database["salesforce_connections"].find_one({}) or {}
    assert row["refresh_token"].startswith("v1:k1:")
    for again in (body, {"code": "c", "state": "strange"}):
        status, refused, _ = await connected.call("POST", "/callback", again)
        assert (status, refused["type"]) == (422, "urn:tandem:problem:not_connected")


async def test_the_redirect_that_the_browser_really_makes(connected: Caller) -> None:
    """`GET /callback` needs no key, stores the same, and says so on a page without the code."""
    _, told, _ = await connected.call("GET", "/auth")
    query = (await Browser(connected.world.http).consent(told["auth_url"])).partition("?")[2]
    async with connected.world.http.get(f"{connected.url}/api/integrations/salesforce/callback?{query}") as reply:
        assert (reply.status, reply.content_type) == (200, "text/html")
        assert redirected(f"?{query}")["code"] not in await reply.text()
    async with connected.world.http.get(f"{connected.url}/api/integrations/salesforce/callback?{query}") as reply:
        assert reply.status == 400


async def test_connection(connected: Caller, ion: dict[str, Any]) -> None:
    """`GET /connection`: connected, where, as whom, and when anything was last synced."""
    assert ion["contact"]["salesforce_id"]

    async def noted() -> bool:
        _, told, _ = await connected.call("GET", "/connection")
        return told["last_sync"] is not None

    await until(noted, "a sync is noted", seconds=40, every=0.5)
    status, told, _ = await connected.call("GET", "/connection")
    assert (status, told["connected"], told["user"]) == (200, True, "integration@tandem.example")
    assert told["instance_url"] == connected.world.org.base_url


async def test_sync_contacts(connected: Caller, ion: dict[str, Any]) -> None:
    """`POST /sync/contacts` with the document's own body begins a run that is followed to its end."""
    body = {"direction": "push", "filter": {"created_after": "2025-01-01"}}
    status, run, headers = await connected.call("POST", "/sync/contacts", body, Idempotency_Key="sync-1")
    assert (status, run["what"], run["direction"], run["state"]) == (202, "contacts", "push", "planned")
    path = headers["Location"].removeprefix("/api/integrations/salesforce")
    assert (await connected.call("POST", "/sync/contacts", body, Idempotency_Key="sync-1"))[1]["id"] == run["id"]

    async def done() -> bool:
        return (await connected.call("GET", path))[1]["state"] == "done"

    await until(done, "the run is done", every=0.2)
    _, ended, _ = await connected.call("GET", path)
    assert sum(step["passed"] for step in ended["steps"]) >= 1
    assert run["id"] in {each["id"] for each in (await connected.call("GET", "/sync/runs"))[1]["runs"]}


@pytest.mark.parametrize("what", ["leads", "accounts", "opportunities", "campaigns", "all"])
async def test_sync_of_the_other_objects(connected: Caller, what: str) -> None:
    """The same of each object of the document."""
    status, told, _ = await connected.call("POST", f"/sync/{what}", {"direction": "both", "dry_run": True})
    assert (status, told.get("state")) == (202, "planned"), told


async def test_get_contact(connected: Caller, ion: dict[str, Any]) -> None:
    """`GET /contacts/{id}` by each of a person's names."""
    record = ion["contact"]["salesforce_id"]
    for name in (ion["id"], record, record[:15], "Customer@Example.com"):
        status, told, _ = await connected.call("GET", f"/contacts/{name}")
        assert (status, told["id"], told["salesforce_id"]) == (200, ion["id"], record), name
    assert told["fields"]["first_name"] == "Ion"
    assert (await connected.call("GET", "/contacts/nobody@example.com"))[0] == 404


async def test_create_contact(connected: Caller, ion: dict[str, Any]) -> None:
    """`POST /contacts` with the document's own body: the record is there, and what it has no say in is told."""
    assert {each["field"] for each in ion["ignored"]} == {"Total_Tickets__c", "Last_Event__c"}
    assert ion["contact"]["sync"]["status"] == "synced"
    (row,) = [each for each in await connected.world.org_witness.records("Contact") if each["Email"] == ION["email"]]
    assert (row["FirstName"], row["LastName"], row["Phone"]) == ("Ion", "Popescu", "+40721234567")
    assert row["Id"] == ion["contact"]["salesforce_id"]


async def test_update_contact(connected: Caller, ion: dict[str, Any]) -> None:
    """The same address again is the same person; raw Salesforce names are taken as platform names are."""
    body = {"email": "CUSTOMER@example.com", "custom_fields": {"Title": "Head of Events"}, "changed": ["title"]}
    status, told, _ = await connected.call("POST", "/contacts", body)
    assert (status, told["id"], told["outcome"]) == (200, ion["id"], "applied"), told
    assert told["contact"]["fields"]["title"] == "Head of Events"


async def test_two_who_post_one_address_at_once_make_one_person(connected: Caller) -> None:
    """And with one idempotency key they make one event."""
    body = {"email": "twin@example.com", "last_name": "Twin"}
    told = await asyncio.gather(*(connected.call("POST", "/contacts", body) for _ in range(3)))
    assert len({each[1]["id"] for each in told}) == 1
    assert await connected.world.database["customers"].count_documents({"email": "twin@example.com"}) == 1


async def test_query(connected: Caller, ion: dict[str, Any]) -> None:
    """`POST /query` with the document's own SELECT."""
    body = {"query": "SELECT Id, Email, FirstName FROM Contact WHERE Email != null LIMIT 10"}
    status, told, _ = await connected.call("POST", "/query", body)
    assert (status, told["object"], told["done"]) == (200, "Contact", True)
    mine = {"Id": ion["contact"]["salesforce_id"], "Email": "customer@example.com", "FirstName": "Ion"}
    assert mine in told["records"]


async def test_the_query_builder(connected: Caller, ion: dict[str, Any]) -> None:
    """The same as JSON, by the platform's names."""
    body = {
        "object": "customer",
        "fields": ["Id", "first_name"],
        "conditions": {"field": "email", "is": "=", "value": "customer@example.com"},
        "order": [{"field": "last_name", "descending": True}],
        "limit": 5,
    }
    status, told, _ = await connected.call("POST", "/query/build", body)
    assert (status, told["records"]) == (200, [{"Id": ion["contact"]["salesforce_id"], "FirstName": "Ion"}])
    _, built, _ = await connected.call("POST", "/query/soql", body)
    assert built["soql"] == told["soql"]


async def test_get_mappings(connected: Caller) -> None:
    """`GET /mappings` in the form in which the document puts them."""
    status, told, headers = await connected.call("GET", "/mappings")
    assert (status, told["contact"]["email"], told["contact"]["first_name"]) == (200, "Email", "FirstName")
    assert headers["ETag"].strip('"').isdigit()


async def test_put_mappings(connected: Caller) -> None:
    """`PUT /mappings` with the document's own body, and with a field that is new: a version, and back again."""
    contact = {"email": "Email", "first_name": "FirstName", "last_name": "LastName", "total_spent": "Total_Spent__c"}
    status, told, _ = await connected.call("PUT", "/mappings", {"contact": contact})
    assert (status, told["published"], told["differences"]) == (200, False, [])
    status, told, headers = await connected.call("PUT", "/mappings", {"contact": {"fax": "Fax"}}, If_Match='"1"')
    assert (status, told) == (
        200,
        {"version": 2, "published": True, "differences": ["customer: Fax is mapped to fax"]},
    ), told.get("errors")
    assert headers["ETag"] == '"2"'
    assert (await connected.call("PUT", "/mappings", {"contact": {"x": "Y"}}, If_Match='"1"'))[0] == 412
    status, back, _ = await connected.call("POST", "/mappings/rollback", {"version": 1})
    assert (status, back["version"], back["published"]) == (200, 3, True)
    _, versions, _ = await connected.call("GET", "/mappings/versions")
    assert [each["version"] for each in versions["versions"]] == [3, 2, 1]
