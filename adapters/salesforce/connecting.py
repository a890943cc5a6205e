"""A code that the browser brought back is exchanged for a connection, once; and one that was replaced is ended."""

import aiohttp

from adapters.salesforce.authorization import Authorization, read_redirect
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.token_endpoint import TokenEndpoint
from adapters.salesforce.token_forms import exchange_form
from schemas.connection import Connection
from schemas.session import LoginFailed


async def connect(settings: SalesforceSettings, attempt: Authorization, location: str, *, now: int) -> Connection:
    """The connection that the person has agreed to. `location` is where the browser ended, `now` epoch milliseconds.

    Raises:
        LoginFailed: they did not, or the code is worth nothing, or brings no refresh token.
    """
    code = read_redirect(location, attempt.state)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        grant = await TokenEndpoint(http, settings).ask(exchange_form(settings, code, attempt.verifier))
    if not grant.refresh_token:
        raise LoginFailed(
            "Salesforce gave no refresh token: the app needs the scope `Perform requests at any time (refresh_token)`, "
            "and SALESFORCE_SCOPES must ask for it",
            code="no_refresh_token",
            terminal=True,
        )
    return Connection(
        name=settings.client_id,
        login_url=settings.login_url,
        instance_url=grant.session.instance_url,
        org_id=grant.org_id,
        user_id=grant.user_id,
        scopes=grant.scopes,
        access_token=grant.session.access_token,
        refresh_token=grant.refresh_token,
        connected_at=now,
        refreshed_at=grant.issued_at or now,
    )


async def end_connection(settings: SalesforceSettings, replaced: Connection) -> bool:
    """Revoke the refresh token of a connection that is not needed any more; whether Salesforce has ended it."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        try:
            return await TokenEndpoint(http, settings).revoke(replaced.refresh_token)
        except LoginFailed:
            return False
