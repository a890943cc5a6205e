"""Settings of the Salesforce login."""

import pytest
from pydantic import ValidationError

from adapters.salesforce.settings import SalesforceSettings
from schemas.codec import wrong_places

URL = "https://acme.my.salesforce.com"
NAMES = ("CLIENT_ID", "CLIENT_SECRET", "LOGIN_URL")


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, "API_VERSION", "SANDBOX", "CLIENT_NAME"):
        monkeypatch.delenv(f"SALESFORCE_{name}", raising=False)
        monkeypatch.delenv(f"SF_{name}", raising=False)


def settings(**values: object) -> SalesforceSettings:
    return SalesforceSettings(**{"client_id": "id", "client_secret": "hush-hush", "login_url": URL, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["SALESFORCE", "SF"])
def test_both_families_of_names_are_read(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    """The product document's names and the hackathon document's names mean the same."""
    for name, value in zip(NAMES, ("id", "hush-hush", f"{URL}/"), strict=True):
        monkeypatch.setenv(f"{prefix}_{name}", value)
    read = SalesforceSettings()  # type: ignore[call-arg]
    assert (read.client_id, read.client_secret.get_secret_value(), read.login_url) == ("id", "hush-hush", URL)
    assert "hush-hush" not in repr(read)


def test_missing_settings_are_named() -> None:
    """Every variable that is missing is named, none but those."""
    with pytest.raises(ValidationError) as wrong:
        SalesforceSettings()  # type: ignore[call-arg]
    assert wrong_places(wrong.value) == [f"SALESFORCE_{name}: Field required" for name in NAMES]


def test_a_wrong_setting_never_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the text of the validation error itself holds what was given."""
    monkeypatch.setenv("SALESFORCE_CLIENT_SECRET", "hush-hush")
    monkeypatch.setenv("SALESFORCE_LOGIN_URL", "https://user:hush-hush@acme.my.salesforce.com")
    with pytest.raises(ValidationError) as wrong:
        SalesforceSettings()  # type: ignore[call-arg]
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
