"""A browser's visits to the admin page, and what MongoDB's profiler says of the queries of each."""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from pymongo import AsyncMongoClient

from adapters.mongo.collections import DELIVERIES, OPERATIONS, PARKED, SYNC_LOGS
from ops.admin.routes import ROUTES

BIG: Final = ("customers", SYNC_LOGS, PARKED, OPERATIONS, DELIVERIES)
"""Collections that grow with the platform: no page may look through one of these."""
NO_PAGE: Final = ("/admin/live", "/admin/connection/callback")
"""The one has no end, the other is where Salesforce sends somebody back to."""


@dataclass
class Visited:
    """One page: how long its answers took, and what its queries looked at."""

    milliseconds: list[float] = field(default_factory=list)
    bytes: int = 0
    queries: int = 0
    documents: int = 0
    keys: int = 0
    scans: list[str] = field(default_factory=list)
    """Collections that grow, and were looked through from the beginning."""


class Visitor:
    """Somebody who has signed in."""

    def __init__(self, url: str, mongodb: str, database: str) -> None:
        self._url = url
        self._mongodb = mongodb
        self._database = database

    async def visit(self, name: str, password: str, pages: Sequence[str], rounds: int) -> dict[str, Visited]:
        """Get each page once with the profiler on, and then so often that its times can be told.

        Raises:
            RuntimeError: a page is not there.
        """
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self._mongodb)
        jar = aiohttp.CookieJar(unsafe=True)
        async with client, aiohttp.ClientSession(self._url, cookie_jar=jar) as http:
            async with http.post("/admin/login", data={"name": name, "password": password}) as answer:
                answer.raise_for_status()
            found: dict[str, Visited] = {}
            for page in pages:
                found[page] = await self._profiled(client, http, page)
                for _round in range(rounds):
                    found[page].milliseconds.append((await _get(http, page))[0])
            return found

    async def _profiled(
        self, client: AsyncMongoClient[dict[str, Any]], http: aiohttp.ClientSession, page: str
    ) -> Visited:
        database = client[self._database]
        await database.command("profile", 2)
        try:
            _, size = await _get(http, page)
        finally:
            await database.command("profile", 0)
        visited = Visited(bytes=size)
        async for row in database["system.profile"].find({"op": {"$in": ["query", "command", "getmore"]}}):
            visited.queries += 1
            visited.documents += int(row.get("docsExamined", 0))
            visited.keys += int(row.get("keysExamined", 0))
            collection = row["ns"].partition(".")[2]
            if collection in BIG and "COLLSCAN" in row.get("planSummary", ""):
                visited.scans.append(collection)
        await database.drop_collection("system.profile")
        return visited


async def _get(http: aiohttp.ClientSession, page: str) -> tuple[float, int]:
    began = time.perf_counter()
    async with http.get(page, allow_redirects=False) as answer:
        body = await answer.read()
        took = 1000 * (time.perf_counter() - began)
    if answer.status != 200:
        raise RuntimeError(f"{page} answered {answer.status}: {body[:200].decode(errors='replace')}")
    return took, len(body)


@dataclass(frozen=True, slots=True)
class Examples:
    """Of each sort one that has a page. `document` has a history; `gap` is its handle."""

    kind: str
    document: str
    parked: str
    delivery: str
    gap: str
    run: str
    replay: str
    change: str


def unvisited(pages: Iterable[str]) -> list[str]:
    """The pages of the admin page that none of these addresses is of."""
    shown = [route.path for route in ROUTES if route.method == "GET" and route.path not in NO_PAGE]
    paths = {page.partition("?")[0] for page in pages}
    return [path for path in shown if not any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), each) for each in paths)]


def pages_of(of: Examples) -> dict[str, str]:
    """Every page that is shown by GET, by what it is called in the table."""
    kind, document, parked, delivery = of.kind, of.document, of.parked, of.delivery
    return {
        "overview": "/admin",
        "charts, hour": "/admin/charts",
        "charts, week": "/admin/charts?span=week",
        "report": "/admin/report",
        "salesforce": "/admin/salesforce",
        "connection": "/admin/connection",
        "find by id": f"/admin/find?{urlencode({'q': document})}",
        "find by e-mail": f"/admin/find?{urlencode({'q': 'NOBODY@example.com'})}",
        "one customer": f"/admin/{kind}/{document}",
        "parked": "/admin/parked",
        "parked of a reason": f"/admin/parked?{urlencode({'reason': 'FIELD_CUSTOM_VALIDATION_EXCEPTION'})}",
        "parked of a rare reason": f"/admin/parked?{urlencode({'reason': 'unknown_kind'})}",
        "parked of a kind": f"/admin/parked?{urlencode({'kind': kind})}",
        "parked of a key": f"/admin/parked?{urlencode({'key': f'{kind}:{document}'})}",
        "parked, discarded": "/admin/parked?state=discarded",
        "one parked": f"/admin/parked/one?{urlencode({'id': parked})}",
        "gaps": "/admin/gaps",
        "gaps, all": "/admin/gaps?all=yes",
        "one gap": f"/admin/gaps/{of.gap}",
        "conflicts": "/admin/conflicts",
        "runs": "/admin/runs",
        "one run": f"/admin/runs/{of.run}",
        "replays": "/admin/replays",
        "one replay": f"/admin/replays/{of.replay}",
        "mapping": "/admin/mapping",
        "a change of the mapping": f"/admin/mapping/changes/{of.change}",
        "a version": "/admin/mapping/versions/1",
        "deliveries": "/admin/deliveries",
        "deliveries, failed": "/admin/deliveries?state=failed",
        "deliveries of a kind": f"/admin/deliveries?{urlencode({'kind': kind})}",
        "deliveries of one": f"/admin/deliveries?{urlencode({'kind': kind, 'document': document})}",
        "one delivery": f"/admin/deliveries/one?{urlencode({'id': delivery})}",
        "API keys": "/admin/api-keys",
        "erase": "/admin/erase",
        "erase one": f"/admin/erase?{urlencode({'kind': kind, 'id': document})}",
        "audit": "/admin/audit",
        "audit, older": f"/admin/audit?{urlencode({'before': int((time.time() - 864_000) * 1000)})}",
        "users": "/admin/users",
        "account": "/admin/account",
    }
