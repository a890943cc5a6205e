"""The webhook's settings, as the environment gives them."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from listener.webhook.settings import WebhookSettings

ONE, TWO = bytes(range(32)), bytes(range(1, 33))


def secret(key: bytes) -> str:
    return f"whsec_{base64.b64encode(key).decode()}"


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine itself has set does not matter here."""
    for name in ("WEBHOOK_SECRETS", "WEBHOOK_PORT", "WEBHOOK_HOST"):
        monkeypatch.delenv(name, raising=False)


def refused() -> str:
    """The one line that is said of wrong secrets."""
    with pytest.raises(ValidationError) as caught:
        WebhookSettings()
    (error,) = caught.value.errors()
    assert error["msg"] in str(caught.value)
    return error["msg"]


def test_each_variable_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the variable's name, in lower case, is the source; a comma stands between two secrets."""
    monkeypatch.setenv("WEBHOOK_SECRETS_TICKETS", f"{secret(ONE)}, {secret(TWO)}")
    monkeypatch.setenv("WEBHOOK_SECRETS_Box_Office", secret(TWO))
    monkeypatch.setenv("WEBHOOK_PORT", "0")
    settings = WebhookSettings()
    assert settings.keys == {"tickets": (ONE, TWO), "box_office": (TWO,)}
    assert settings.port == 0


def test_secrets_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor dump shows one."""
    monkeypatch.setenv("WEBHOOK_SECRETS_TICKETS", secret(ONE))
    settings = WebhookSettings()
    assert secret(ONE)[6:] not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


def test_a_dotenv_file_is_read_alike(tmp_path: Path) -> None:
    """What a composition reads from a file has the same names."""
    file = tmp_path / "env"
    file.write_text(f"WEBHOOK_SECRETS_TICKETS={secret(ONE)}\n")
    assert WebhookSettings(_env_file=file).keys == {"tickets": (ONE,)}  # type: ignore[call-arg]


def test_with_none_it_does_not_start() -> None:
    """No secret at all is said in one line that names the variable."""
    assert refused() == "WEBHOOK_SECRETS_<SOURCE>: none is set, so no webhook could be verified"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("WEBHOOK_SECRETS_TICKETS", "", "WEBHOOK_SECRETS_TICKETS: is empty"),
        ("WEBHOOK_SECRETS_TICKETS", "whsec_", "WEBHOOK_SECRETS_TICKETS: is empty"),
        ("WEBHOOK_SECRETS_TICKETS", "hunter2!", "WEBHOOK_SECRETS_TICKETS: is not base64"),
        (
            "WEBHOOK_SECRETS_TICKETS",
            "whsec_aHVudGVyMg==",
            "WEBHOOK_SECRETS_TICKETS: is too short: 7 bytes, at least 24 are needed",
        ),
        ("WEBHOOK_SECRETS_TICKETS", f"{secret(ONE)},", "WEBHOOK_SECRETS_TICKETS: secret 2 of 2 is empty"),
        (
            "WEBHOOK_SECRETS_",
            secret(ONE),
            "WEBHOOK_SECRETS_: the name of the source is missing, as in WEBHOOK_SECRETS_TICKETS",
        ),
        (
            "WEBHOOK_SECRETS",
            secret(ONE),
            "WEBHOOK_SECRETS: name the source in the variable, as WEBHOOK_SECRETS_TICKETS",
        ),
    ],
)
def test_a_wrong_secret_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str) -> None:
    """It names the variable, says what is wrong and shows nothing of the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        WebhookSettings()
    (error,) = caught.value.errors(include_input=False)
    assert error["msg"] == line
    assert not value or value not in str(caught.value)


def test_every_wrong_secret_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start it twice to learn of the second."""
    monkeypatch.setenv("WEBHOOK_SECRETS_A", "!")
    monkeypatch.setenv("WEBHOOK_SECRETS_B", "!")
    line = refused()
    assert "WEBHOOK_SECRETS_A: is not base64" in line
    assert "WEBHOOK_SECRETS_B: is not base64" in line


def test_every_setting_is_described() -> None:
    """The settings page is made from the descriptions."""
    assert all(field.description for field in WebhookSettings.model_fields.values())
