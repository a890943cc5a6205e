"""What the token endpoint gives for what: one function a grant type, each to a session and perhaps a refresh token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.org import assertions
from simulator.org.org import Org
from simulator.org.refusal import OAuthRefused
from simulator.org.tokens import Session, User

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Asking:
    """A token request: form, the app's id and secret however they came, the org's address as the caller wrote it."""

    form: Mapping[str, str]
    client_id: str
    secret: str
    own_url: str


@dataclass(frozen=True, slots=True)
class Given:
    """A new session; `refresh_token` is empty where the grant brings none."""

    session: Session
    refresh_token: str = ""


class TokenGrants:
    """The grants of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._by_type: dict[str, Callable[[Asking], Given]] = {
            "client_credentials": self._client_credentials,
            JWT_BEARER: self._jwt_bearer,
            "authorization_code": self._authorization_code,
            "refresh_token": self._refresh_token,
            "password": self._password,
        }

    def give(self, asking: Asking) -> Given:
        """What the request is worth.

        Raises:
            OAuthRefused: nothing.
        """
        grant = self._by_type.get(asking.form.get("grant_type", ""))
        if grant is None:
            raise OAuthRefused("unsupported_grant_type", "grant type not supported")
        return grant(asking)

    def check_client(self, client_id: str, secret: str, *, secret_needed: bool = True) -> None:
        """Return where they are the app's.

        Raises:
            OAuthRefused: they are not.
        """
        if not self._org.app.is_it(client_id):
            raise OAuthRefused("invalid_client_id", "client identifier invalid")
        if (secret_needed or secret) and not self._org.app.has_secret(secret):
            raise OAuthRefused("invalid_client", "invalid client credentials")

    def _client_credentials(self, asking: Asking) -> Given:
        self.check_client(asking.client_id, asking.secret)
        return Given(self._session(self._org.api_user, "api id"))

    def _jwt_bearer(self, asking: Asking) -> Given:
        org = self._org
        approved = org.app.policy.approved_users
        username = assertions.checked(
            asking.form.get("assertion", ""),
            org.app,
            own_url=asking.own_url,
            approved=(org.api_user.username,) if approved is None else approved,
            now=org.clock(),
        )
        user = org.find_user(username)
        if user is None:
            raise OAuthRefused("invalid_grant", "user hasn't approved this consumer")
        return Given(self._session(user, "api id"))

    def _authorization_code(self, asking: Asking) -> Given:
        self.check_client(asking.client_id, asking.secret, secret_needed=self._org.app.policy.require_secret)
        form = asking.form
        consent = self._org.codes.exchange(
            form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", "")
        )
        scope = " ".join(consent.asked.scopes)
        if "refresh_token" not in consent.asked.scopes:
            return Given(self._session(consent.user, scope))
        refresh = self._org.refresh_tokens.issue(consent.user, scope)
        return Given(self._session(consent.user, scope, refresh.family), refresh.token)

    def _refresh_token(self, asking: Asking) -> Given:
        policy = self._org.app.policy
        self.check_client(asking.client_id, asking.secret, secret_needed=policy.require_secret)
        found = self._org.refresh_tokens.use(asking.form.get("refresh_token", ""), rotate=policy.rotate_refresh_tokens)
        if found is None:
            raise OAuthRefused("invalid_grant", "expired access/refresh token")
        used, following = found
        return Given(self._session(used.user, used.scope, used.family), following.token if following else "")

    def _password(self, asking: Asking) -> Given:
        self.check_client(asking.client_id, asking.secret)
        username, password = asking.form.get("username", ""), asking.form.get("password", "")
        user = self._org.signs_in(username, password, security_token=True)
        if user is None or not self._org.app.policy.password_flow:
            raise OAuthRefused("invalid_grant", "authentication failure")
        return Given(self._session(user, "api id"))

    def _session(self, user: User, scope: str, family: str = "") -> Session:
        return self._org.tokens.issue(user, self._org.app.client_id, scope, family)
