"""The web-server flow up to its code: the authorize address, the page on which a user signs in and agrees.

Source: "OAuth 2.0 Web Server Flow for Web App Integration" in Salesforce Help; RFC 7636 (PKCE).
"""

from html import escape
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import web

from simulator.org.codes import Asked, OneTime
from simulator.org.org import Org
from simulator.org.refusal import OAuthRefused

PAGE = "/setup/secur/RemoteAccessAuthorizationPage.apexp"

_FORM = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Allow access?</title></head>
<body><h1>Allow access?</h1>
<p><b>{name}</b> is asking to:</p><ul>{scopes}</ul>
{problem}<form method="post" action="{page}">
<input type="hidden" name="request" value="{request}">
<label>Username <input name="username" value="{hint}"></label>
<label>Password <input name="password" type="password"></label>
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form></body></html>
"""
_SAYS = {
    "api": "Manage user data via APIs (api)",
    "id": "Access the identity URL service (id)",
    "refresh_token": "Perform requests at any time (refresh_token)",
}


class ConsentPages:
    """The browser's half of the flow."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._open: OneTime[Asked] = OneTime(org.clock, lambda: org.app.policy.consent_seconds)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_get("/services/oauth2/authorize", self.authorize)
        router.add_post(PAGE, self.decide)

    async def authorize(self, request: web.Request) -> web.Response:
        """The consent page; or the browser is sent back with an error, where the callback URL can be trusted."""
        query = request.query
        app = self._org.app
        if not app.is_it(query.get("client_id", "")):
            return _refused("invalid_client_id", "client identifier invalid")
        redirect_uri = query.get("redirect_uri", "")
        if not redirect_uri:
            return _refused("redirect_uri_missing", "missing redirect_uri")
        if redirect_uri not in app.policy.callback_urls:
            return _refused("redirect_uri_mismatch", "redirect_uri must match configuration")
        state = query.get("state", "")
        try:
            asked = Asked(redirect_uri, self._scopes(query.get("scope", "")), state, self._challenge(request))
        except OAuthRefused as refused:
            return _back(redirect_uri, state, error=refused.error, error_description=refused.description)
        return self._page(asked, query.get("login_hint", ""))

    async def decide(self, request: web.Request) -> web.Response:
        """The browser is sent back with a code, or with the user's no."""
        form = await request.post()
        asked, _ = self._open.take(str(form.get("request", "")))
        if asked is None:
            return _refused("invalid_request", "the page has expired or was used", status=403)
        if form.get("decision") != "allow":
            return _back(
                asked.redirect_uri,
                asked.state,
                error="access_denied",
                error_description="end-user denied authorization",
            )
        username = str(form.get("username", ""))
        user = self._org.signs_in(username, str(form.get("password", "")), security_token=False)
        if user is None:
            return self._page(asked, username, problem="Please check your username and password.")
        return _back(asked.redirect_uri, asked.state, code=self._org.codes.issue(asked, user))

    def _scopes(self, text: str) -> tuple[str, ...]:
        allowed = self._org.app.policy.scopes
        wanted = tuple(dict.fromkeys(text.split())) or allowed
        if not set(wanted) <= set(allowed):
            raise OAuthRefused("invalid_scope", "the requested scope is not allowed")
        return wanted

    def _challenge(self, request: web.Request) -> str:
        query = request.query
        if query.get("response_type") != "code":
            raise OAuthRefused("unsupported_response_type", "response type not supported")
        if query.get("immediate") == "true":
            raise OAuthRefused("immediate_unsuccessful", "the user is not signed in")
        challenge = query.get("code_challenge", "")
        if query.get("code_challenge_method", "S256") != "S256":
            raise OAuthRefused("invalid_request", "code challenge method not supported")
        if self._org.app.policy.require_pkce and not challenge:
            raise OAuthRefused("invalid_request", "missing required code challenge")
        return challenge

    def _page(self, asked: Asked, hint: str, *, problem: str = "") -> web.Response:
        scopes = "".join(f"<li>{escape(_SAYS.get(scope, scope))}</li>" for scope in asked.scopes)
        text = _FORM.format(
            name=escape(self._org.app.policy.name),
            scopes=scopes,
            problem=f"<p>{escape(problem)}</p>\n" if problem else "",
            page=PAGE,
            request=self._open.put(asked),
            hint=escape(hint, quote=True),
        )
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def _back(redirect_uri: str, state: str, **told: str) -> web.Response:
    parts = urlsplit(redirect_uri)
    added = urlencode(told | ({"state": state} if state else {}))
    location = urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
    return web.Response(status=302, headers={"Location": location})


def _refused(error: str, description: str, *, status: int = 400) -> web.Response:
    """A page of the org's own: nobody is sent to an address that cannot be trusted."""
    text = f"<!doctype html><title>OAuth Error</title><p>error={escape(error)}</p><p>{escape(description)}</p>"
    return web.Response(text=text, status=status, content_type="text/html")
