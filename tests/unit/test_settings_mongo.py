"""`MONGODB_*`: what is accepted, and that no message shows a secret."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from adapters.mongo.settings import MongoSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MongoSettings.model_fields:
        monkeypatch.delenv(f"MONGODB_{name.upper()}", raising=False)


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting is `MONGODB_` and its name; the database is `tandem` where nothing is said."""
    monkeypatch.setenv("MONGODB_URI", "mongodb://db.example:27017/?replicaSet=rs0")
    monkeypatch.setenv("MONGODB_OPERATION_SECONDS", "5")
    settings = MongoSettings()
    assert settings.uri.get_secret_value() == "mongodb://db.example:27017/?replicaSet=rs0"
    assert settings.database == "tandem"
    assert settings.operation_seconds == 5


@pytest.mark.parametrize(
    "uri",
    [
        "postgres://someone:hunter2@db.example/x",
        "mongodb://someone:hun@ter2@db.example:27017",
        "mongodb://someone:hun:ter2@db.example:27017",
        "mongodb://db.example:port-hunter2",
        "mongodb://",
        "",
    ],
)
def test_refuses_what_is_no_connection_string_without_quoting_it(uri: str) -> None:
    """A connection string may hold a password, whole or in part, so none of it is repeated."""
    with pytest.raises(ValidationError) as caught:
        MongoSettings(uri=uri)
    assert "must be a MongoDB connection string" in str(caught.value)
    assert "ter2" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    """Neither the connection string nor the password is in the repr."""
    settings = MongoSettings(uri="mongodb://a:hunter2@h", username="a", password="hunter2")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"username": "tandem"}, "MONGODB_PASSWORD"),
        ({"password": "hunter2"}, "MONGODB_USERNAME"),
        ({"tls_ca_file": __file__}, "MONGODB_TLS=true"),
    ],
)
def test_names_the_setting_that_is_missing(given: dict[str, str], named: str) -> None:
    """Settings that need another one say which."""
    with pytest.raises(ValidationError, match=named):
        MongoSettings(uri="mongodb://h", **given)


def test_names_a_certificate_file_that_does_not_exist(tmp_path: Path) -> None:
    """A file named in a setting must be there when the process starts, not when the first connection is made."""
    with pytest.raises(ValidationError, match="tls_ca_file"):
        MongoSettings(uri="mongodb://h", tls=True, tls_ca_file=tmp_path / "missing.pem")
