"""Opens one org: the HTTP session, the login, REST and records, closed together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from adapters.salesforce.bulk import SalesforceBulk
from adapters.salesforce.bulk_query import BulkQueries
from adapters.salesforce.flows import Flow
from adapters.salesforce.gate import Gate
from adapters.salesforce.login import DirectLogins, Login, Logins
from adapters.salesforce.looks import SalesforceLooks
from adapters.salesforce.private_key import read_private_key
from adapters.salesforce.records import SalesforceRecords
from adapters.salesforce.recycle_bin import RecycleBin
from adapters.salesforce.refresh import ConnectionStore, RefreshedLogins
from adapters.salesforce.rest import Rest
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.token_endpoint import TokenEndpoint
from adapters.salesforce.token_forms import client_credentials_form, jwt_bearer_form, password_form
from schemas.allocation import Allocation
from schemas.session import LoginFailed


@dataclass(frozen=True, slots=True)
class Salesforce:
    """One org, open. Nothing is asked of it before the first call."""

    login: Login
    rest: Rest
    records: SalesforceRecords
    bulk: SalesforceBulk
    bulk_queries: BulkQueries
    looks: SalesforceLooks
    recycle_bin: RecycleBin


@asynccontextmanager
async def open_salesforce(
    settings: SalesforceSettings,
    *,
    now: Callable[[], int],
    gate: Gate | None = None,
    on_allocation: Callable[[Allocation], None] | None = None,
    on_call: Callable[[str, str, float], None] | None = None,
    on_login: Callable[[LoginFailed | None], None] | None = None,
    store: ConnectionStore | None = None,
    pace: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Salesforce]:
    """An org for as long as the block runs.

    `now` is our clock, epoch milliseconds; `pace` as for `BulkQueries`, the others as for `Rest` and `Login`. `store`
    is needed by the web-server flow alone, whose tokens are kept there.
    """
    connector = aiohttp.TCPConnector(limit=settings.connections)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        logins = _logins(TokenEndpoint(http, settings), settings, now, store)
        login = Login(logins, on_login=on_login)
        rest = Rest(http, login, settings, now=now, gate=gate, on_allocation=on_allocation, on_call=on_call)
        try:
            yield Salesforce(
                login,
                rest,
                SalesforceRecords(rest),
                SalesforceBulk(rest),
                BulkQueries(rest, pace=pace),
                SalesforceLooks(rest),
                RecycleBin(http, login, settings),
            )
        finally:
            await logins.close()


def _logins(
    endpoint: TokenEndpoint, settings: SalesforceSettings, now: Callable[[], int], store: ConnectionStore | None
) -> Logins:
    """The way that the settings tell."""
    match settings.flow:
        case Flow.CLIENT_CREDENTIALS:
            return DirectLogins(endpoint, lambda: client_credentials_form(settings))
        case Flow.PASSWORD:
            return DirectLogins(endpoint, lambda: password_form(settings))
        case Flow.JWT_BEARER:
            if settings.private_key_path is None:
                raise ValueError("jwt_bearer needs a private key")
            key = read_private_key(settings.private_key_path)
            return DirectLogins(endpoint, lambda: jwt_bearer_form(settings, key, now=now()))
        case Flow.WEB_SERVER:
            if store is None:
                raise ValueError("web_server needs a store of connections")
            return RefreshedLogins(endpoint, settings, store, now=now)
