"""Opens one org: the HTTP session, the login, REST and records, closed together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from adapters.salesforce.limits import Allocation
from adapters.salesforce.login import Login
from adapters.salesforce.records import SalesforceRecords
from adapters.salesforce.rest import Rest
from adapters.salesforce.settings import SalesforceSettings


@dataclass(frozen=True, slots=True)
class Salesforce:
    """One org, open. Nothing is asked of it before the first call."""

    login: Login
    rest: Rest
    records: SalesforceRecords


@asynccontextmanager
async def open_salesforce(
    settings: SalesforceSettings,
    *,
    now: Callable[[], int],
    on_allocation: Callable[[Allocation], None] | None = None,
    on_call: Callable[[str, str, float], None] | None = None,
) -> AsyncIterator[Salesforce]:
    """An org for as long as the block runs. `now` is our clock, epoch milliseconds; the others as for `Rest`."""
    connector = aiohttp.TCPConnector(limit=settings.connections)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        login = Login(http, settings)
        rest = Rest(http, login, settings, now=now, on_allocation=on_allocation, on_call=on_call)
        yield Salesforce(login, rest, SalesforceRecords(rest))
