"""Versions, the root of a version, and limits."""

from aiohttp import web

from simulator.org.errors import SalesforceError
from simulator.org.replies import json_reply, listed
from simulator.org.rest.call import NEWEST, OLDEST, Call, Resources

_FIRST_YEAR = 2023
_SEASONS = ("Summer", "Winter", "Spring")
_ROOT_RESOURCES = ("sobjects", "query", "queryAll", "composite", "limits", "jobs", "tooling")
_OTHER_LIMITS = {
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DataStorageMB": 1024,
    "FileStorageMB": 1024,
    "HourlyPublishedPlatformEvents": 50_000,
    "SingleEmail": 5_000,
    "StreamingApiConcurrentClients": 20,
}


def add_resources(resources: Resources, router: web.UrlDispatcher) -> None:
    """Serve them; the list of versions to anyone, unmetered."""
    router.add_get("/services/data", versions)
    router.add_get("/services/data/", versions)
    resources.add("GET", "", root)
    resources.add("GET", "/limits", limits)
    resources.add("GET", "/limits/recordCount", record_count)


async def versions(_request: web.Request) -> web.Response:
    """Every version, oldest first."""
    return json_reply(
        [
            {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(OLDEST, NEWEST + 1)
        ]
    )


async def root(call: Call) -> web.Response:
    """Resource name to address."""
    return json_reply({name: f"{call.root}/{name}" for name in _ROOT_RESOURCES})


async def limits(call: Call) -> web.Response:
    """What there is of each allocation, and what is left."""
    told = {name: {"Max": most, "Remaining": most} for name, most in _OTHER_LIMITS.items()}
    told |= {name: allocation.shown() for name, allocation in call.org.allocations.items()}
    return json_reply(dict(sorted(told.items())))


async def record_count(call: Call) -> web.Response:
    """How many records each object has."""
    names = listed(call.request.query.get("sObjects")) or [one.name for one in call.org.objects]
    counts = []
    for name in names:
        definition = call.org.objects.get(name)
        if definition is None:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
        counts.append({"count": call.org.store.count(definition), "name": definition.name})
    return json_reply({"sObjects": counts})


def _label(number: int) -> str:
    """`Spring '24` of 60: three releases a year, 58 being Summer '23 and 59 Winter '24."""
    season = (number - OLDEST) % 3
    year = _FIRST_YEAR + (number - OLDEST + 2) // 3
    return f"{_SEASONS[season]} '{year % 100}"
