"""`/api/webhooks`: who may look, who may have it told again, and what is said of the URL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from support.api_world import FakeDeliveries
from support.fakes_api import NOW, RunningApi, running_api

from listener.api.deliveries import PREFIX, DeliveryRoutes
from schemas.api_key import Scope
from schemas.delivery import DeliveryState, Endpoint
from schemas.mapping import Mapping
from schemas.presets import preset

ALL = f"{PREFIX}/deliveries"


@dataclass
class Site:
    """The routes and what they ask."""

    api: RunningApi
    deliveries: FakeDeliveries
    mapping: Mapping


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    deliveries, mapping = FakeDeliveries(), preset("ticketing")
    site = Site(None, deliveries, mapping)  # type: ignore[arg-type]
    async with running_api([DeliveryRoutes(deliveries, lambda: site.mapping).group()]) as site.api:
        yield site


async def test_deliveries_come_in_pages_without_what_they_say(site: Site) -> None:
    """The newest first; `next` leads to the rest, and keeps what was asked for."""
    status, told, _ = await site.api.call("GET", f"{ALL}?kind=customer&limit=2")
    assert status == 200
    assert [(one["id"], one["state"]) for one in told["deliveries"]] == [("told-2", "failed"), ("told-1", "delivered")]
    assert told["deliveries"][0]["last"]["status"] == 500
    assert "+40712000222" not in str(told)
    _, rest, _ = await site.api.call("GET", told["next"])
    assert ([one["id"] for one in rest["deliveries"]], rest["next"]) == (["told-0"], None)
    assert "kind=customer" in told["next"]


async def test_deliveries_are_found_by_state_and_by_document(site: Site) -> None:
    """A document by its kind and id; an id alone may be of several kinds."""
    _, told, _ = await site.api.call("GET", f"{ALL}?state=failed")
    assert [one["id"] for one in told["deliveries"]] == ["told-2"]
    _, told, _ = await site.api.call("GET", f"{ALL}?kind=customer&document=cust-0")
    assert [(one["id"], one["next_at"] is not None) for one in told["deliveries"]] == [("told-0", True)]
    assert (await site.api.call("GET", f"{ALL}?document=cust-0"))[0] == 422
    assert (await site.api.call("GET", f"{ALL}?state=lost"))[0] == 422
    assert (await site.api.call("GET", f"{ALL}?behind=nobody"))[0] == 404


async def test_one_is_told_with_its_tries_and_what_it_says(site: Site) -> None:
    """As it is posted."""
    status, told, _ = await site.api.call("GET", f"{ALL}/told-2")
    assert (status, told["state"], told["revision"]) == (200, "failed", 3)
    assert told["payload"]["data"]["fields"] == {"phone": "+40712000222"}
    assert [(one["status"], one["milliseconds"]) for one in told["attempts"]] == [(500, 7)]
    assert (await site.api.call("GET", f"{ALL}/nobody"))[0] == 404


async def test_one_is_posted_again_by_hand(site: Site) -> None:
    """It is due at once, whatever became of it, and whose key asked is handed on."""
    for number in (1, 2):
        status, told, _ = await site.api.call("POST", f"{ALL}/told-{number}/redeliver")
        assert (status, told["state"], told["tries"]) == (202, "pending", 0)
    assert site.deliveries.asked == [("api key 0123456789ab (shop)", [f"told-{number}"]) for number in (1, 2)]
    assert site.deliveries.rows["told-2"]["next_at"] == NOW
    assert (await site.api.call("POST", f"{ALL}/nobody/redeliver"))[0] == 404


async def test_several_are_posted_again_by_their_ids_or_all_that_were_given_up(site: Site) -> None:
    """One of the two; what is not there any more is not counted."""
    status, told, _ = await site.api.call("POST", f"{ALL}/redeliver", {"failed": True})
    assert (status, told) == (202, {"count": 1})
    assert (await site.api.call("POST", f"{ALL}/redeliver", {"failed": True}))[1] == {"count": 0}
    ids = ["told-1", "told-1", "nobody"]
    assert (await site.api.call("POST", f"{ALL}/redeliver", {"ids": ids}))[1] == {"count": 1}
    for nothing in ({}, {"ids": []}, {"failed": False}, {"ids": ["told-1"], "failed": True}):
        assert (await site.api.call("POST", f"{ALL}/redeliver", nothing))[0] == 422
    assert [there for _by, there in site.deliveries.asked] == [["told-2"], ["told-1"]]


async def test_the_state_of_the_endpoint_is_told_without_a_secret_of_its_url(site: Site) -> None:
    """And how much waits for it."""
    site.deliveries.there = Endpoint("https://platform.example/hooks?key=secret", False, "http_410", NOW)
    status, told, _ = await site.api.call("GET", f"{PREFIX}/endpoint")
    assert (status, told["url"]) == (200, "https://platform.example/hooks")
    assert (told["enabled"], told["reason"], told["failing_since"] is not None) == (False, "http_410", True)
    assert told["counts"] == {"pending": 1, "delivered": 1, "failed": 1}
    site.deliveries.there = None
    _, told, _ = await site.api.call("GET", f"{PREFIX}/endpoint")
    assert (told["url"], told["enabled"]) == (None, False)


async def test_who_may_read_may_not_have_anything_posted(site: Site) -> None:
    """Each has its scope, and no other will do."""
    reads = site.api.keys.add(Scope.READ, id="aaaaaaaaaaaa")
    posts = site.api.keys.add(Scope.DELIVERIES, id="bbbbbbbbbbbb")
    for path in (ALL, f"{ALL}/told-1", f"{PREFIX}/endpoint"):
        assert (await site.api.call("GET", path, key=reads))[0] == 200
        assert (await site.api.call("GET", path, key=posts))[0] == 403
    for path, body in ((f"{ALL}/redeliver", {"failed": True}), (f"{ALL}/told-1/redeliver", None)):
        assert (await site.api.call("POST", path, body, key=reads))[0] == 403
        assert (await site.api.call("POST", path, body, key=posts))[0] == 202
    assert {row["state"] for row in site.deliveries.rows.values()} == {DeliveryState.PENDING}


async def test_what_is_told_of_who_is_looked_up_needs_the_scope_for_it(site: Site) -> None:
    """Its body has the record and the tier, and that it is there says that sales know them: so it is not found."""
    site.mapping = preset("hackathon")
    told = b'{"data": {"fields": {"customer_tier": "growth"}, "cause": {"record": "0035g00000ABC12AAC"}}}'
    site.deliveries.rows["told-2"] |= {"kind": "participant", "document": "part-1", "body": told}
    site.deliveries.rows["told-1"] |= {"kind": "event", "document": "spring"}
    reads = site.api.keys.add(Scope.READ, id="aaaaaaaaaaaa")
    enriches = site.api.keys.add(Scope.READ, Scope.ENRICH, id="bbbbbbbbbbbb")
    _, missing, _ = await site.api.call("GET", f"{ALL}/nobody", key=reads)
    status, withheld, _ = await site.api.call("GET", f"{ALL}/told-2", key=reads)
    assert (status, withheld["detail"]) == (404, missing["detail"])
    assert "`enrich`" in withheld["detail"]
    _, listed, _ = await site.api.call("GET", ALL, key=reads)
    # Of a kind that the mapping has no more, as told-0 is of, nobody can say that it was not looked up.
    assert [one["id"] for one in listed["deliveries"]] == ["told-1"]
    status, refused, _ = await site.api.call("GET", f"{ALL}?kind=participant&document=part-1", key=reads)
    assert (status, refused["type"]) == (403, "urn:tandem:problem:out_of_scope")
    assert (await site.api.call("GET", f"{ALL}?behind=told-2", key=reads))[0] == 404
    assert (await site.api.call("GET", f"{ALL}?kind=event", key=reads))[0] == 200
    _, whole, _ = await site.api.call("GET", f"{ALL}/told-2", key=enriches)
    assert whole["payload"]["data"]["fields"] == {"customer_tier": "growth"}
    _, listed, _ = await site.api.call("GET", ALL, key=enriches)
    assert [one["id"] for one in listed["deliveries"]] == ["told-2", "told-1", "told-0"]
