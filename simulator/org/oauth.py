"""OAuth 2.0 as HTTP: tokens, introspection, revocation, userinfo. What is given for what is in `token_grants.py`."""

import base64
import binascii
import hashlib
import hmac

from aiohttp import web

from simulator.org.org import ORGANIZATION_ID, Org
from simulator.org.refusal import OAuthRefused
from simulator.org.replies import json_reply, oauth_error
from simulator.org.token_grants import Asking, TokenGrants
from simulator.org.tokens import Session, User


class OAuth:
    """The `/services/oauth2` endpoints of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._grants = TokenGrants(org)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Serve them."""
        router.add_post("/services/oauth2/token", self.token)
        router.add_post("/services/oauth2/introspect", self.introspect)
        router.add_route("GET", "/services/oauth2/revoke", self.revoke)
        router.add_route("POST", "/services/oauth2/revoke", self.revoke)
        router.add_route("GET", "/services/oauth2/userinfo", self.userinfo)
        router.add_route("POST", "/services/oauth2/userinfo", self.userinfo)

    async def token(self, request: web.Request) -> web.Response:
        """A new token."""
        form = await _form(request)
        client_id, secret = _client(request, form)
        try:
            given = self._grants.give(Asking(form, client_id, secret, base_url(request)))
        except OAuthRefused as refused:
            return oauth_error(refused.error, refused.description, refused.status)
        session = given.session
        identity = _identity(session.user)
        told = {
            "access_token": session.token,
            "signature": self._signature(identity, session),
            "scope": session.scope,
            "instance_url": base_url(request),
            "id": identity,
            "token_type": "Bearer",
            "issued_at": str(session.issued_at),
        }
        return json_reply(told | ({"refresh_token": given.refresh_token} if given.refresh_token else {}))

    async def introspect(self, request: web.Request) -> web.Response:
        """Whether a token is alive, and whose it is."""
        form = await _form(request)
        try:
            self._grants.check_client(*_client(request, form))
        except OAuthRefused as refused:
            return oauth_error(refused.error, refused.description, refused.status)
        token, tokens = form.get("token", ""), self._org.tokens
        refresh = self._org.refresh_tokens.live(token)
        if refresh is not None:
            return json_reply(self._alive(refresh.user, refresh.scope, "refresh_token"))
        session = tokens.session(token)
        if session is None:
            return json_reply({"active": False})
        issued = session.issued_at // 1000
        times = {"exp": tokens.expires_at(session) // 1000, "iat": issued, "nbf": issued - 5}
        return json_reply(self._alive(session.user, session.scope, "access_token") | times)

    async def revoke(self, request: web.Request) -> web.Response:
        """End a token's life; a refresh token's with all that came of it."""
        form = await _form(request) if request.method == "POST" else dict(request.query)
        token = form.get("token", "")
        if not self._org.tokens.revoke(token) and not self._org.refresh_tokens.revoke(token):
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

    def _alive(self, user: User, scope: str, kind: str) -> dict[str, object]:
        return {
            "active": True,
            "scope": scope,
            "client_id": self._org.app.client_id,
            "username": user.username,
            "sub": _identity(user),
            "token_type": kind,
        }

    def _signature(self, identity: str, session: Session) -> str:
        signed = hmac.new(
            self._org.app.client_secret.encode(), f"{identity}{session.issued_at}".encode(), hashlib.sha256
        )
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


def _client(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    return _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))


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
