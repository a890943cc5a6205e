"""A person with a browser in front of the simulated org's consent page."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp

USERNAME = "integration@tandem.example"
PASSWORD = "correct horse battery"


class Browser:
    """Opens the authorize address, signs in, and decides. Redirects are looked at and not followed."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def open(self, url: str) -> tuple[int, str]:
        """Status, and the page's text or where it sends to."""
        async with self._http.get(url, allow_redirects=False) as reply:
            return reply.status, reply.headers.get("Location") or await reply.text()

    async def decide(
        self, url: str, page: str, decision: str = "allow", *, username: str = USERNAME, password: str = PASSWORD
    ) -> tuple[int, str]:
        """Fill the page's form in; status, and the next page or where it sends to."""
        action = re.search(r'action="([^"]+)"', page)
        request = re.search(r'name="request" value="([^"]+)"', page)
        assert action is not None, page
        assert request is not None, page
        form = {"request": unescape(request[1]), "username": username, "password": password, "decision": decision}
        async with self._http.post(urljoin(url, action[1]), data=form, allow_redirects=False) as reply:
            return reply.status, reply.headers.get("Location") or await reply.text()

    async def consent(self, url: str, decision: str = "allow") -> str:
        """Where the person ends up."""
        status, page = await self.open(url)
        assert status == 200, page
        status, location = await self.decide(url, page, decision)
        assert status == 302, location
        return location


def redirected(location: str) -> dict[str, Any]:
    """The parameters of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
