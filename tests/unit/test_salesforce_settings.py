"""Settings of the Salesforce login."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.keys import new_curve_key, new_key, pem

from adapters.salesforce.settings import SalesforceSettings

URL = "https://acme.my.salesforce.com"
NAMES = ("CLIENT_ID", "CLIENT_SECRET", "LOGIN_URL")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("SALESFORCE_", "SF_")):
            monkeypatch.delenv(name)


def told(wrong: ValidationError) -> list[str]:
    """The lines of what cannot hold together."""
    return [line for error in wrong.errors() for line in str(error.get("ctx", {}).get("error", "")).splitlines()]


def settings(**values: object) -> SalesforceSettings:
    return SalesforceSettings(**{"client_id": "id", "client_secret": "hush-hush", "login_url": URL, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["SALESFORCE", "SF"])
def test_both_families_of_names_are_read(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """The product document's names and the hackathon document's names mean the same."""
    for name, value in zip(NAMES, ("id", "hush-hush", f"{URL}/"), strict=True):
        monkeypatch.setenv(f"{prefix}_{name}", value)
    read = SalesforceSettings()
    assert (read.client_id, read.client_secret.get_secret_value(), read.login_url) == ("id", "hush-hush", URL)
    assert "hush-hush" not in repr(read)


def test_missing_settings_are_named() -> None:
    """Every variable that is missing is named, none but those, in one go."""
    with pytest.raises(ValidationError) as wrong:
        SalesforceSettings()
    lines = told(wrong.value)
    assert [line.partition(":")[0] for line in lines] == [f"SALESFORCE_{name}" for name in NAMES]


def test_a_wrong_setting_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the text of the validation error itself holds what was given."""
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "hush-hush")
    monkeypatch.setenv("SALESFORCE_LOGIN_URL", "https://user:hush-hush@acme.my.salesforce.com")
    with pytest.raises(ValidationError) as wrong:
        SalesforceSettings()
    assert "hush-hush" not in str(wrong.value)
    assert "SALESFORCE_LOGIN_URL" in str(wrong.value)


@pytest.mark.parametrize("version", ["v58.0", "58.0", "58", " v58.0 "])
def test_versions_are_written_with_or_without_the_v(version: str) -> None:
    """Both forms that Salesforce's own documents use mean the same version."""
    assert (settings(api_version=version).version, settings(api_version=version).api_version) == ("v58.0", "58.0")


@pytest.mark.parametrize("version", ["v57.0", "v68.0", "62.1", "latest", ""])
def test_versions_not_known_are_refused(version: str) -> None:
    """An untried version is refused before anything connects."""
    with pytest.raises(ValidationError, match=r"must be v58\.0 to v67\.0"):
        settings(api_version=version)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://acme.my.salesforce.com", "must begin with https"),
        ("ftp://acme.my.salesforce.com", "must begin with https"),
        ("https://login.salesforce.com", "My Domain"),
        ("https://test.salesforce.com/", "My Domain"),
        ("https://acme.my.salesforce.com/services", "nothing behind it"),
        ("https://acme.my.salesforce.com?x=1", "nothing behind it"),
        ("acme.my.salesforce.com", "must be an address"),
        ("", "must be an address"),
    ],
)
def test_addresses_that_cannot_work_are_refused(address: str, message: str) -> None:
    """A secret is sent by https only, and client credentials work at the org's own address only."""
    with pytest.raises(ValidationError, match=message):
        settings(login_url=address)


@pytest.mark.parametrize("address", ["http://localhost:8090", "http://127.0.0.1:1", "http://[::1]:1"])
def test_http_is_for_this_machine(address: str) -> None:
    """The simulated org runs on loopback without TLS."""
    assert settings(login_url=address).login_url == address


def test_a_sandbox_is_not_a_production_org() -> None:
    """With SALESFORCE_SANDBOX a production address is refused, a sandbox's or a local one is taken."""
    with pytest.raises(ValidationError, match="SALESFORCE_SANDBOX is true but SALESFORCE_LOGIN_URL"):
        settings(sandbox=True)
    for address in ("https://acme--uat.sandbox.my.salesforce.com", "http://localhost:8090"):
        assert settings(sandbox=True, login_url=address).sandbox


def test_the_echo_mark_is_one_word() -> None:
    """It stands inside a header and comes back inside `changeOrigin`, both with separators of their own."""
    with pytest.raises(ValidationError, match="client_name"):
        settings(client_name="a;b")


def test_every_setting_is_described() -> None:
    """The settings' page is made of these descriptions."""
    assert [name for name, field in SalesforceSettings.model_fields.items() if not field.description] == []


FLOWS: dict[str, dict[str, str]] = {
    "client_credentials": {"CLIENT_ID": "id", "CLIENT_SECRET": "hush-hush", "LOGIN_URL": URL},
    "jwt_bearer": {"CLIENT_ID": "id", "USERNAME": "ops@acme.example", "PRIVATE_KEY_PATH": "key"},
    "web_server": {"CLIENT_ID": "id", "CLIENT_SECRET": "hush-hush", "REDIRECT_URI": "https://acme.example/callback"},
    "password": {
        "CLIENT_ID": "id",
        "CLIENT_SECRET": "hush-hush",
        "USERNAME": "ops@acme.example",
        "PASSWORD": "hush-hush",
        "SECURITY_TOKEN": "hush-hush",
    },
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., SalesforceSettings]:
    """Settings from variables without their prefix; `key` stands for a private key's file."""
    key = tmp_path / "key.pem"
    key.write_bytes(pem(new_key()))

    def read(prefix: str, **values: str) -> SalesforceSettings:
        for name, value in values.items():
            monkeypatch.setenv(f"{prefix}_{name}", str(key) if value == "key" else value)
        return SalesforceSettings()

    return read


@pytest.mark.parametrize("prefix", ["SALESFORCE", "SF"])
@pytest.mark.parametrize("flow", FLOWS)
def test_the_flow_is_told_by_what_is_given(
    environment: Callable[..., SalesforceSettings], prefix: str, flow: str
) -> None:
    """Nobody has to name it: the private key, the callback URL or the password do, under both families of names."""
    read = environment(prefix, **FLOWS[flow])
    assert read.flow == flow
    assert "hush-hush" not in repr(read)
    assert read.login_url == (URL if flow == "client_credentials" else "https://login.salesforce.com")


def test_the_sandbox_has_its_own_login_host(environment: Callable[..., SalesforceSettings]) -> None:
    """SALESFORCE_SANDBOX alone is enough; production's login host is refused then."""
    read = environment("SALESFORCE", **FLOWS["jwt_bearer"], SANDBOX="true")
    assert (read.login_url, read.audience) == ("https://test.salesforce.com",) * 2
    with pytest.raises(ValidationError, match="SALESFORCE_SANDBOX is true but SALESFORCE_LOGIN_URL"):
        environment("SALESFORCE", LOGIN_URL="https://login.salesforce.com")


@pytest.mark.parametrize(
    ("flow", "without", "line"),
    [
        ("jwt_bearer", "USERNAME", "SALESFORCE_USERNAME: is not set."),
        ("jwt_bearer", "CLIENT_ID", "SALESFORCE_CLIENT_ID: is not set."),
        ("web_server", "CLIENT_ID", "SALESFORCE_CLIENT_ID: is not set."),
        ("password", "CLIENT_SECRET", "SALESFORCE_CLIENT_SECRET: is not set."),
        ("password", "USERNAME", "SALESFORCE_USERNAME: is not set."),
        ("client_credentials", "LOGIN_URL", "SALESFORCE_LOGIN_URL: must be the org's own My Domain address"),
    ],
)
def test_what_a_flow_wants_is_named(
    environment: Callable[..., SalesforceSettings], flow: str, without: str, line: str
) -> None:
    """By its variable, before anything connects."""
    values = {name: value for name, value in FLOWS[flow].items() if name != without}
    with pytest.raises(ValidationError) as wrong:
        environment("SALESFORCE", **values)
    (found,) = told(wrong.value)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (
            FLOWS["jwt_bearer"] | {"PASSWORD": "hush-hush"},
            "SALESFORCE_PRIVATE_KEY_PATH and SALESFORCE_PASSWORD are given: say which with SALESFORCE_OAUTH_FLOW",
        ),
        (
            FLOWS["jwt_bearer"] | {"PASSWORD": "hush-hush", "OAUTH_FLOW": "jwt_bearer"},
            "SALESFORCE_PASSWORD is given, and jwt_bearer does not use it",
        ),
        (
            FLOWS["client_credentials"] | {"USERNAME": "ops@acme.example"},
            "SALESFORCE_USERNAME is given, and client_credentials does not use it",
        ),
        (
            FLOWS["jwt_bearer"] | {"SECURITY_TOKEN": "hush-hush"},
            "SALESFORCE_SECURITY_TOKEN is given, and jwt_bearer does not use it",
        ),
    ],
)
def test_what_does_not_go_together_is_named(
    environment: Callable[..., SalesforceSettings], values: dict[str, str], line: str
) -> None:
    """Two ways in at once, and what the way in does not use: somebody expects it to do something."""
    with pytest.raises(ValidationError) as wrong:
        environment("SALESFORCE", **values)
    (found,) = told(wrong.value)
    assert found.startswith(line)
    assert "hush-hush" not in str(wrong.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"-----BEGIN NOTHING-----", "holds no private key"),
        (pem(new_key(1024)), "the key has 1024 bits"),
        (pem(new_curve_key()), "must hold an RSA key"),
        (pem(new_key(), passphrase=b"hush-hush"), "has a passphrase"),
    ],
)
def test_a_private_key_that_cannot_sign_is_told_at_start(tmp_path: Path, content: bytes, message: str) -> None:
    """Not at the first login, and without showing any of it."""
    (tmp_path / "key.pem").write_bytes(content)
    with pytest.raises(ValidationError, match=message) as wrong:
        settings(private_key_path=tmp_path / "key.pem", username="ops@acme.example")
    assert "PRIVATE KEY" not in str(wrong.value)


@pytest.mark.parametrize("hosts", ["https://partner.example", "*.partner.example", "partner.example:443", "a b"])
def test_allowed_hosts_are_plain_names(hosts: str) -> None:
    """No wildcard opens more than somebody meant to."""
    with pytest.raises(ValidationError, match="must be host names such as"):
        settings(allowed_hosts=hosts)
    assert settings(allowed_hosts=" One.example ,two.example,").allowed_hosts == ("one.example", "two.example")
