"""The registration site: what a browser is shown, against the real routes."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from support.enrichment_world import EnrichmentWorld, enrichment_world
from support.fakes_api import running_api

from listener.api.participants import Participants
from simulator.registration.site import running_site, welcome

ANA = {"form": "f-1", "name": "Ana <Pop>", "email": "ana@acme.example", "skills": "Go, Rust", "consent": "yes"}


@dataclass
class Browser:
    """Somebody at the site."""

    world: EnrichmentWorld
    url: str
    http: aiohttp.ClientSession

    async def post(self, **form: str) -> tuple[int, str]:
        async with self.http.post(f"{self.url}/register", data=form) as answer:
            return answer.status, await answer.text()

    async def get(self, path: str) -> tuple[int, str]:
        async with self.http.get(self.url + path) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with (
        enrichment_world() as world,
        running_api([Participants(world.enrolment).group()]) as api,
        running_site(api.url, api.key) as site,
        aiohttp.ClientSession() as http,
    ):
        world.people.add("Contact", Email="ana@acme.example", Title="CTO", Customer_Tier__c="Growth")
        yield Browser(world, site.url, http)


async def test_who_registers_is_stored_and_thanked(browser: Browser) -> None:
    """With what they said; the page holds nothing that Salesforce knows, and no key."""
    assert (await browser.get("/"))[0] == 200
    status, page = await browser.post(**ANA)
    assert status == 201
    assert "Thank you, Ana &lt;Pop&gt;" in page
    assert not re.search(r"CTO|growth|customer|tdm_", page)
    (stored,) = browser.world.due.collections["participants"].values()
    assert (stored["email"], stored["consent"], sorted(stored["skills"])) == ("ana@acme.example", True, ["Go", "Rust"])


async def test_a_customer_and_a_stranger_see_the_same(browser: Browser) -> None:
    """Before the address is confirmed."""

    def plain(page: str) -> str:
        return re.sub(r"nonce-?[=\"\w-]+|participant=\S+|\S+@\S+", "", page)

    _, known = await browser.post(**ANA)
    _, unknown = await browser.post(**ANA | {"form": "f-2", "email": "bo@acme.example"})
    assert plain(known) == plain(unknown)


async def test_who_follows_the_link_is_welcomed(browser: Browser) -> None:
    """And nobody else: the link is signed."""
    _, page = await browser.post(**ANA)
    found = re.search(r'href="(/confirm[^"]+)"', page)
    assert found is not None
    link = found[1].replace("&amp;", "&")
    status, told = await browser.get(link)
    assert status == 200
    assert "Welcome back, Ana &lt;Pop&gt;! Your seat is with our growth customers." in told
    assert (await browser.get(link[:-2] + "xx"))[0] == 400


async def test_a_form_that_is_sent_twice_is_one_registration(browser: Browser) -> None:
    """A second click."""
    await browser.post(**ANA)
    await browser.post(**ANA)
    assert len(browser.world.log.records) == 1


async def test_what_is_wrong_is_told_in_the_form(browser: Browser) -> None:
    """And what was typed stands there still."""
    status, page = await browser.post(**ANA | {"email": "nobody"})
    assert status == 422
    assert "e-mail address" in page
    assert 'value="nobody"' in page


async def test_an_api_that_is_away_loses_nothing(browser: Browser) -> None:
    """Pressed once more it is the same registration."""
    browser.world.log.away = True
    status, page = await browser.post(**ANA)
    assert status == 503
    assert "press Register once more" in page
    assert 'value="f-1"' in page
    browser.world.log.away = False
    assert (await browser.post(**ANA))[0] in (200, 201)
    assert len(browser.world.due.collections["participants"]) == 1


@pytest.mark.parametrize(
    ("visitor", "said"),
    [
        ({"verified": True}, "Thank you: your address is confirmed."),
        ({"verified": True, "welcomeBack": "Ana"}, "Welcome back, Ana!"),
        ({"verified": True, "welcomeBack": "Ana", "customerTier": "growth"}, "Welcome back, Ana!"),
    ],
)
def test_what_a_visitor_is_told(visitor: dict[str, Any], said: str) -> None:
    """What there is, and no more."""
    assert welcome(visitor) == said
