"""`MONGODB_*`: what is accepted, and that no message shows a secret."""

from pathlib import Path

import pytest
import trustme
from pydantic import ValidationError
from pymongo.errors import ServerSelectionTimeoutError
from support.tls import locked_certificate

from adapters.mongo.client import _first_line
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
        "mongodb+srv://someone:hunter2@",
        "mongodb+srv://a.hunter2.example:27017",
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


def test_a_name_server_may_tell_the_hosts() -> None:
    """`mongodb+srv://` is taken as it stands: nothing is asked while settings are read."""
    for uri in ("mongodb+srv://db.example.net", "mongodb+srv://a:b@db.example.net/?retryWrites=true"):
        assert MongoSettings(uri=uri).uri.get_secret_value() == uri


def test_files_that_are_no_certificates_are_found_before_anything_connects(tmp_path: Path) -> None:
    """Each is told by its variable."""
    with pytest.raises(ValidationError, match="MONGODB_TLS_CA_FILE: holds no certificate"):
        MongoSettings(uri="mongodb://h", tls=True, tls_ca_file=__file__)
    with pytest.raises(ValidationError, match="MONGODB_TLS_CERTIFICATE_KEY_FILE: holds no certificate"):
        MongoSettings(uri="mongodb://h", tls=True, tls_certificate_key_file=__file__)


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    """OpenSSL's prompt would hold a process for ever; the connection string may hold the passphrase."""
    file = tmp_path / "own.pem"
    file.write_bytes(b"".join(locked_certificate()))
    with pytest.raises(ValidationError, match="the key has a passphrase"):
        MongoSettings(uri="mongodb://h", tls=True, tls_certificate_key_file=file)
    MongoSettings(uri="mongodb://h/?tlsCertificateKeyFilePassword=hunter2", tls=True, tls_certificate_key_file=file)


def test_good_certificates_are_taken(tmp_path: Path) -> None:
    """As they come from an authority: one file for trust, one with our certificate and its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("tandem").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    MongoSettings(
        uri="mongodb://h", tls=True, tls_ca_file=tmp_path / "ca.pem", tls_certificate_key_file=tmp_path / "own.pem"
    )


def test_the_driver_s_view_of_the_cluster_is_left_out() -> None:
    """What is told of a server that is away is one short line."""
    said = "db:1: refused (configured timeouts: connectTimeoutMS: 1000.0ms), Timeout: 1s, Topology Description: <…>"
    assert _first_line(ServerSelectionTimeoutError(said)) == "db:1: refused"
