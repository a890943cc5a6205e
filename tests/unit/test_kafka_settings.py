"""`KAFKA_*`: what is accepted, and that a wrong setting is one clear line that names the variable and no secret."""

from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError
from support.tls import locked_certificate

from adapters.kafka.settings import KafkaSettings

SASL = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "tandem",
    "sasl_password": "hunter2",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KafkaSettings.model_fields:
        monkeypatch.delenv(f"KAFKA_{name.upper()}", raising=False)


def settings(**given: Any) -> KafkaSettings:
    """With a broker."""
    return KafkaSettings(**{"bootstrap_servers": "kafka:9092", **given})


def refusal(**given: Any) -> str:
    """The one line with which these are refused."""
    with pytest.raises(ValidationError) as caught:
        settings(**given)
    (problem,) = caught.value.errors()
    assert "\n" not in problem["msg"]
    assert "hunter2" not in str(caught.value)
    return str(problem["msg"])


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting is `KAFKA_` and its name."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", " one:9092 , [::1]:9093,")
    monkeypatch.setenv("KAFKA_PARTITIONS", "12")
    read = KafkaSettings()
    assert read.client_options()["bootstrap_servers"] == ["one:9092", "[::1]:9093"]
    assert (read.partitions, read.replication_factor, read.delivery_timeout) == (12, 1, 5)


@pytest.mark.parametrize(
    "given", ["", "kafka", "kafka:", "kafka:0", "kafka:70000", "http://kafka:9092", "a:1,,b", ":1"]
)
def test_refuses_what_are_no_servers(given: str) -> None:
    """Before anything connects."""
    assert refusal(bootstrap_servers=given).startswith("KAFKA_BOOTSTRAP_SERVERS must be host:port")


def test_the_servers_are_needed() -> None:
    """There is no default broker."""
    with pytest.raises(ValidationError) as caught:
        KafkaSettings()
    assert caught.value.errors()[0]["loc"] == ("bootstrap_servers",)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            {"sasl_mechanism": "PLAIN"},
            "KAFKA_SASL_MECHANISM needs KAFKA_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT)",
        ),
        (
            {"sasl_password": "hunter2", "security_protocol": "SSL"},
            "KAFKA_SASL_PASSWORD needs KAFKA_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT)",
        ),
        (SASL | {"sasl_mechanism": None}, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs KAFKA_SASL_MECHANISM"),
        (SASL | {"sasl_username": ""}, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs KAFKA_SASL_USERNAME"),
        (SASL | {"sasl_password": ""}, "KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT needs KAFKA_SASL_PASSWORD"),
        ({"ssl_cafile": __file__}, "KAFKA_SSL_CAFILE needs KAFKA_SECURITY_PROTOCOL=SSL (or SASL_SSL)"),
        (
            {"ssl_certfile": __file__, "security_protocol": "SSL"},
            "KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE go together: one is set and the other is not",
        ),
    ],
)
def test_names_what_does_not_go_together(given: dict[str, Any], line: str) -> None:
    """Half a login or half a certificate is refused with the variable that is missing or out of place."""
    assert refusal(**given) == line


def test_refuses_files_that_are_no_certificates() -> None:
    """Found when the settings are read, not at the first connection."""
    assert "KAFKA_SSL_CAFILE" in refusal(ssl_cafile=__file__, security_protocol="SSL")


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    """OpenSSL's prompt would hold a process without a terminal for ever."""
    certificate, key = locked_certificate()
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    said = refusal(security_protocol="SSL", ssl_certfile=tmp_path / "cert.pem", ssl_keyfile=tmp_path / "key.pem")
    assert "the key has a passphrase" in said


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    """The setting is named by pydantic's place."""
    with pytest.raises(ValidationError) as caught:
        settings(ssl_cafile=tmp_path / "none.pem", security_protocol="SSL")
    assert caught.value.errors()[0]["loc"] == ("ssl_cafile",)


def test_tls_and_login_reach_the_client(tmp_path: Path) -> None:
    """What is set is what aiokafka is given; hosts are checked against their certificates."""
    authority = trustme.CA()
    own = authority.issue_cert("tandem")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    options = settings(
        **SASL | {"security_protocol": "SASL_SSL"},
        ssl_cafile=tmp_path / "ca.pem",
        ssl_certfile=tmp_path / "cert.pem",
        ssl_keyfile=tmp_path / "key.pem",
    ).client_options()
    assert options["ssl_context"].check_hostname
    assert len(options["ssl_context"].get_ca_certs()) == 1
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_username"] == "tandem"
    assert options["sasl_plain_password"] == "hunter2"


def test_the_password_is_not_shown() -> None:
    """Not in the repr."""
    assert "hunter2" not in repr(settings(**SASL))
