"""`/api/participants` and `/api/register` on a socket, with a simulated look at Salesforce behind them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world
from support.fakes_api import RunningApi, running_api

from listener.api.participants import Participants
from schemas.api_key import Scope
from schemas.people import LookFailed
from schemas.unavailable import Unavailable

ANA: dict[str, Any] = {"email": "ana@acme.example", "name": "Ana Pop", "skills": ["Go"]}


@dataclass
class Site:
    """The API, and what it meets."""

    world: EnrichmentWorld
    api: RunningApi

    async def post(self, path: str, body: Any, **more: Any) -> tuple[int, Any]:
        status, told, _ = await self.api.call("POST", path, body, **more)
        return status, told

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        status, told, _ = await self.api.call("GET", path, **more)
        return status, told


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with enrichment_world() as world, running_api([Participants(world.enrolment).group()]) as api:
        world.people.add("Contact", Email="ana@acme.example", Title="CTO", Customer_Tier__c="Enterprise")
        yield Site(world, api)


async def test_a_registration_is_answered_with_the_person(site: Site) -> None:
    """201 for a new one, 200 for one whose address is known."""
    status, told = await site.post("/api/participants", ANA)
    assert status == 201
    participant = told["participant"]
    assert participant["salesforce"]["title"] == "CTO"
    assert participant["salesforce"]["syncStatus"] == "synced"
    assert participant["salesforce"]["lastSyncedAt"].startswith("20")
    assert (participant["customerTier"], participant["isExistingCustomer"]) == ("enterprise", True)
    assert participant["skills"] == ["Go"]
    assert told["visitor"] == {"verified": False}
    again, same = await site.post("/api/participants", ANA)
    assert again == 200
    assert same["participant"]["id"] == participant["id"]


async def test_the_hackathon_platforms_own_form(site: Site) -> None:
    """`{success, participant}`, as its route answers."""
    status, told = await site.post("/api/register", ANA)
    assert status == 201
    assert told["success"] is True
    assert told["participant"]["salesforce"]["contactId"]


async def test_a_key_that_may_not_know_hears_its_own_words(site: Site) -> None:
    """Known or unknown, the answers are the same but for what was sent; Salesforce is asked when nobody waits."""
    key = site.api.keys.add(Scope.EVENTS, id="aaaaaaaaaaaa")
    status, told = await site.post("/api/participants", ANA, key=key)
    assert status == 201
    assert set(told) == {"participant"}
    assert set(told["participant"]) == {"id", "revision", *ANA}
    assert site.world.people.calls == []
    assert site.world.requests.asked == [("participant", told["participant"]["id"])]
    for path in (f"/api/participants/{told['participant']['id']}",):
        assert (await site.get(path, key=key))[0] == 403
        assert (await site.post(f"{path}/enrich", {}, key=key))[0] == 403


async def test_one_who_is_stored_is_looked_up(site: Site) -> None:
    """By their id; with the flag that the address is theirs they may be welcomed."""
    await site.world.post("participant.registered", "p-1", email="ana@acme.example", last_name="Pop")
    status, told = await site.post("/api/participants/p-1/enrich", {"emailVerified": True})
    assert status == 200
    assert told["participant"]["salesforce"]["title"] == "CTO"
    assert told["visitor"]["welcomeBack"] == "Pop"
    assert (await site.get("/api/participants/p-1"))[1] == told
    assert (await site.post("/api/participants/p-2/enrich", {}))[0] == 404
    await site.world.post("participant.registered", "p-3", last_name="Nobody")
    assert (await site.post("/api/participants/p-3/enrich", {}))[0] == 409


async def test_a_verified_address_tells_nothing_to_who_types_it(site: Site) -> None:
    """Unless the request says itself that the address is theirs; by the platform's own route too."""
    _, first = await site.post("/api/participants", {**ANA, "emailVerified": True})
    assert first["visitor"]["isExistingCustomer"] is True
    for path in ("/api/participants", "/api/register"):
        _, told = await site.post(path, ANA)
        assert told["visitor"] == {"verified": False}
    assert (await site.get(f"/api/participants/{first['participant']['id']}"))[1]["visitor"] == first["visitor"]


async def test_a_repeat_under_its_name_is_the_same_event(site: Site) -> None:
    """Whatever became of the first: the event has the same id."""
    headers = {"Idempotency-Key": "form-1"}
    first = await site.post("/api/participants", ANA, headers=headers)
    site.api.kept.by_name.clear()
    await site.post("/api/participants", ANA, headers=headers)
    ids = {dict(one.headers)["ce_id"] for one in site.world.log.records}
    assert len(site.world.log.records) == 2
    assert len(ids) == 1
    assert first[0] == 201
    assert await site.post("/api/participants", ANA, headers=headers) == (
        200,
        (await site.post("/api/participants", ANA, headers=headers))[1],
    )


NOT_MAPPED, PULLED = "is not mapped", "it comes from Salesforce alone"


@pytest.mark.parametrize("path", ["/api/participants", "/api/register"])
async def test_what_has_no_effect_is_told_to_every_key(site: Site, path: str) -> None:
    """A name that is misspelt is stored nowhere, and shown to nobody as if it were."""
    key = site.api.keys.add(Scope.EVENTS, id="aaaaaaaaaaaa")
    body = {**ANA, "skilz": ["Go"], "customer_tier": "enterprise", "salesforce": {"title": "CTO"}}
    for more in ({}, {"key": key}):
        _, told = await site.post(path, body, **more)
        assert {one["field"]: one["reason"] for one in told["ignored"]} == {
            "skilz": NOT_MAPPED,
            "customer_tier": PULLED,
            "salesforce": NOT_MAPPED,
        }
        assert not {"skilz", "customer_tier"} & told["participant"].keys()
        assert told["participant"]["skills"] == ["Go"]
        assert "skilz" not in await site.world.stored(told["participant"]["id"])
        assert "ignored" not in (await site.post(path, ANA, **more))[1]
    found = (await site.get(f"/api/participants/{told['participant']['id']}"))[1]
    assert found["participant"]["name"] == "Ana Pop"
    assert "ignored" not in found


async def test_what_has_no_effect_is_told_while_mongodb_is_away(site: Site) -> None:
    """What is taken in is shown, and nothing else."""

    async def go() -> None:
        raise Unavailable("away")

    site.world.documents.before_write = go  # type: ignore[attr-defined]
    status, told = await site.post("/api/participants", {**ANA, "skilz": ["Go"]})
    assert (status, told["ignored"]) == (202, [{"field": "skilz", "reason": NOT_MAPPED}])
    assert "skilz" not in told["participant"]
    assert told["participant"]["name"] == "Ana Pop"


async def test_salesforce_away_is_pending(site: Site) -> None:
    """And the registration is as good as ever."""
    site.world.people.failing = LookFailed("HTTP_503")
    status, told = await site.post("/api/participants", ANA)
    assert status == 201
    assert told["participant"]["salesforce"]["syncStatus"] == "pending"


async def test_mongodb_away_is_taken_in(site: Site) -> None:
    """202 once it is in the log: it is stored as soon as it can be."""

    async def go() -> None:
        raise Unavailable("away")

    site.world.documents.before_write = go  # type: ignore[attr-defined]
    status, told = await site.post("/api/participants", ANA)
    assert status == 202
    assert told["participant"]["email"] == "ana@acme.example"
    assert told["participant"]["salesforce"] == {"syncStatus": "pending"}


async def test_kafka_away_is_not_taken(site: Site) -> None:
    """503: it may be sent again."""
    site.world.log.away = True
    status, told = await site.post("/api/participants", ANA)
    assert (status, told["type"]) == (503, "urn:tandem:problem:unavailable")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "Ana"}, "/email"),
        ({"email": "no address"}, "/email"),
        ({"email": "ana@acme.example", "skills": {"a": 1}}, "/skills"),
        ({"email": "ana@acme.example", "id": "with space"}, "/id"),
    ],
)
async def test_what_cannot_be_is_told(site: Site, body: Any, pointer: str) -> None:
    """Where, and why; never with what was sent."""
    status, told = await site.post("/api/participants", body)
    assert status == 422
    assert [one["pointer"] for one in told["errors"]] == [pointer]


async def test_words_of_ours_are_nobody_elses(site: Site) -> None:
    """What a caller says under our names is not taken for what Salesforce knows."""
    key = site.api.keys.add(Scope.EVENTS, id="aaaaaaaaaaaa")
    body = {**ANA, "salesforce": "mine", "revision": "x", "customerTier": 7, "isExistingCustomer": "yes"}
    status, told = await site.post("/api/participants", body, key=key)
    assert status == 201
    assert "salesforce" not in told["participant"]
    assert (await site.get(f"/api/participants/{told['participant']['id']}"))[0] == 200
