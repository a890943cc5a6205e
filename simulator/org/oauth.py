"""OAuth 2.0: client credentials, introspection, revocation, userinfo."""

import base64
import binascii
import hashlib
import hmac

from aiohttp import web

from simulator.org.org import ORGANIZATION_ID, Org
from simulator.org.replies import json_reply, oauth_error
from simulator.org.tokens import Session, User

_SCOPE = "api id"


class OAuth:
    """The `/services/oauth2` endpoints of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_post("/services/oauth2/token", self.token)
        router.add_post("/services/oauth2/introspect", self.introspect)
        router.add_route("GET", "/services/oauth2/revoke", self.revoke)
        router.add_route("POST", "/services/oauth2/revoke", self.revoke)
        router.add_route("GET", "/services/oauth2/userinfo", self.userinfo)
        router.add_route("POST", "/services/oauth2/userinfo", self.userinfo)

    async def token(self, request: web.Request) -> web.Response:
        """A new token for the app, which acts as its run-as user."""
        form = await _form(request)
        grant = form.get("grant_type", "")
        if grant != "client_credentials":
            return oauth_error("unsupported_grant_type", "grant type not supported")
        refused = self._refuse_client(request, form)
        if refused is not None:
            return refused
        session = self._org.tokens.issue(self._org.api_user, self._org.settings.client_id)
        identity = _identity(session.user)
        return json_reply(
            {
                "access_token": session.token,
                "signature": self._signature(identity, session),
                "scope": _SCOPE,
                "instance_url": base_url(request),
                "id": identity,
                "token_type": "Bearer",
                "issued_at": str(session.issued_at),
            }
        )

    async def introspect(self, request: web.Request) -> web.Response:
        """Whether a token is alive, and whose it is."""
        form = await _form(request)
        refused = self._refuse_client(request, form)
        if refused is not None:
            return refused
        session = self._org.tokens.session(form.get("token", ""))
        if session is None:
            return json_reply({"active": False})
        issued = session.issued_at // 1000
        return json_reply(
            {
                "active": True,
                "scope": _SCOPE,
                "client_id": session.client_id,
                "username": session.user.username,
                "sub": _identity(session.user),
                "token_type": "access_token",
                "exp": self._org.tokens.expires_at(session) // 1000,
                "iat": issued,
                "nbf": issued - 5,
            }
        )

    async def revoke(self, request: web.Request) -> web.Response:
        """End a token's life."""
        form = await _form(request) if request.method == "POST" else dict(request.query)
        if not self._org.tokens.revoke(form.get("token", "")):
            return oauth_error("invalid_token", "invalid token")
        return web.Response(status=200)

    async def userinfo(self, request: web.Request) -> web.Response:
        """Who the bearer is."""
        user = self._org.tokens.valid(bearer(request) or "")
        if user is None:
            return web.Response(status=403, text="Bad_OAuth_Token")
        first, _, last = user.name.rpartition(" ")
        base = base_url(request)
        return json_reply(
            {
                "sub": _identity(user),
                "user_id": user.id,
                "organization_id": ORGANIZATION_ID,
                "preferred_username": user.username,
                "nickname": user.username.partition("@")[0],
                "name": user.name,
                "email": user.username,
                "email_verified": True,
                "given_name": first or None,
                "family_name": last,
                "zoneinfo": "UTC",
                "urls": {
                    "rest": f"{base}/services/data/v{{version}}/",
                    "sobjects": f"{base}/services/data/v{{version}}/sobjects/",
                    "query": f"{base}/services/data/v{{version}}/query/",
                },
                "active": True,
                "user_type": "STANDARD",
                "language": "en_US",
                "locale": "en_US",
                "utcOffset": 0,
            }
        )

    def _refuse_client(self, request: web.Request, form: dict[str, str]) -> web.Response | None:
        client_id, secret = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        settings = self._org.settings
        if not hmac.compare_digest(client_id.encode(), settings.client_id.encode()):
            return oauth_error("invalid_client_id", "client identifier invalid")
        if not hmac.compare_digest(secret.encode(), settings.client_secret.get_secret_value().encode()):
            return oauth_error("invalid_client", "invalid client credentials")
        return None

    def _signature(self, identity: str, session: Session) -> str:
        secret = self._org.settings.client_secret.get_secret_value().encode()
        signed = hmac.new(secret, f"{identity}{session.issued_at}".encode(), hashlib.sha256)
        return base64.b64encode(signed.digest()).decode()


def base_url(request: web.Request) -> str:
    """The org's address as the caller wrote it."""
    return f"{request.scheme}://{request.host}"


def bearer(request: web.Request) -> str | None:
    """The access token of `Authorization: Bearer <token>` or `OAuth <token>`."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() in {"bearer", "oauth"} else None


def _identity(user: User) -> str:
    return f"https://login.salesforce.com/id/{ORGANIZATION_ID}/{user.id}"


def _basic(request: web.Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret


async def _form(request: web.Request) -> dict[str, str]:
    form = await request.post()
    return {name: value for name, value in form.items() if isinstance(value, str)}
