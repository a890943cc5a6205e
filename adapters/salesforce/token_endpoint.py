"""The token endpoint of one org: a form is posted, a grant comes back, and no secret is in any text."""

import aiohttp

from adapters.salesforce.grants import NO_ANSWER, Grant, read_grant
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.token_forms import Form, secrets_of
from schemas.session import LoginFailed

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
REVOKE_PATH = "/services/oauth2/revoke"


class TokenEndpoint:
    """Where tokens come from."""

    def __init__(self, http: aiohttp.ClientSession, settings: SalesforceSettings) -> None:
        self._http = http
        self._settings = settings

    async def ask(self, form: Form) -> Grant:
        """What the form is worth.

        Raises:
            LoginFailed: refused, or no answer.
        """
        status, body = await self._post(TOKEN_PATH, form)
        return read_grant(
            status,
            body,
            login_url=self._settings.login_url,
            allowed=self._settings.allowed_hosts,
            hide=secrets_of(form),
        )

    async def revoke(self, token: str) -> bool:
        """End a token; a refresh token with all that came of it. False where the org did not know it, or said no.

        Raises:
            LoginFailed: no answer.
        """
        status, _ = await self._post(REVOKE_PATH, {"token": token})
        return status == 200

    async def _post(self, path: str, form: Form) -> tuple[int, bytes]:
        settings = self._settings
        try:
            async with self._http.post(
                settings.login_url + path,
                data=form,
                headers={"Accept": "application/json"},
                allow_redirects=False,  # a redirect would carry the secret elsewhere
                timeout=aiohttp.ClientTimeout(total=settings.login_timeout, sock_connect=settings.connect_timeout),
            ) as reply:
                return reply.status, await reply.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = f"no answer from {settings.login_url}: {type(error).__name__}"
            raise LoginFailed(message, code=NO_ANSWER) from None
