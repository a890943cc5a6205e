"""Where Kafka is, how to log in to it, and how hard to press a record on it."""

import re
import ssl
from typing import Any, Literal, Self

from aiokafka.helpers import create_ssl_context
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/,@\[\]]+):(\d{1,5})")


class KafkaSettings(BaseSettings):
    """The group `KAFKA_*`."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True, extra="ignore", hide_input_in_errors=True)

    bootstrap_servers: str = Field(description="Brokers to begin with: host:port, a comma between several.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="SSL encrypts, SASL logs in with a user name and password."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="How to log in, where the protocol is a SASL one."
    )
    sasl_username: str = Field(default="", description="User name, where the protocol is a SASL one.")
    sasl_password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    ssl_cafile: FilePath | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's. Needs an SSL protocol."
    )
    ssl_certfile: FilePath | None = Field(
        default=None, description="Our own certificate (PEM), if the brokers want one."
    )
    ssl_keyfile: FilePath | None = Field(default=None, description="The key of our own certificate (PEM).")
    replication_factor: int = Field(
        default=1, ge=1, le=9, description="Copies of each partition of topics made by us; 3 where there are 3 brokers."
    )
    partitions: int = Field(
        default=6,
        ge=1,
        le=10_000,
        description="Partitions of topics made by us: as many copies of a process can share.",
    )
    retention_days: float = Field(
        default=7,
        ge=7,
        le=3650,
        description="How long topics made by us keep a record, in days: longer than the longest outage to survive.",
    )
    delivery_timeout: float = Field(
        default=5.0, gt=0, le=300, description="How long a record may take to be acknowledged, in seconds."
    )
    request_timeout: float = Field(
        default=10.0, gt=0, le=300, description="How long any other request may take, as a commit, in seconds."
    )
    session_timeout: float = Field(
        default=10.0, ge=1, le=300, description="How long a consumer may be silent before it is given up, in seconds."
    )
    rebalance_timeout: float = Field(
        default=90.0,
        ge=1,
        le=600,
        description=(
            "How long a consumer may take to let go of its partitions, in seconds; more than RUNNER_REVOKE_SECONDS."
        ),
    )
    poll_interval: float = Field(
        default=300.0,
        ge=10,
        le=3600,
        description=(
            "How long a consumer may fetch nothing before it leaves its group, in seconds. It fetches while calls are "
            "under way too, so a slow Salesforce does not count; waits for Kafka and MongoDB do: more than "
            "RUNNER_RETRY_CAP_SECONDS and KAFKA_REQUEST_TIMEOUT together."
        ),
    )
    compression: Literal["none", "gzip"] = Field(default="none", description="How records are packed on their way.")
    linger_ms: int = Field(
        default=0, ge=0, le=1000, description="How long a record may wait for company, in milliseconds; 0 hardly costs."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, given: str) -> str:
        servers = [server.strip() for server in given.split(",") if server.strip()]
        if not servers or not all((found := _SERVER.fullmatch(one)) and 0 < int(found[2]) < 65536 for one in servers):
            raise _wrong("KAFKA_BOOTSTRAP_SERVERS must be host:port, a comma between several: kafka:9092,kafka-2:9092")
        return ",".join(servers)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        sasl = self.security_protocol.startswith("SASL")
        password = bool(self.sasl_password.get_secret_value())
        login = {
            "KAFKA_SASL_MECHANISM": bool(self.sasl_mechanism),
            "KAFKA_SASL_USERNAME": bool(self.sasl_username),
            "KAFKA_SASL_PASSWORD": password,
        }
        files = {
            "KAFKA_SSL_CAFILE": bool(self.ssl_cafile),
            "KAFKA_SSL_CERTFILE": bool(self.ssl_certfile),
            "KAFKA_SSL_KEYFILE": bool(self.ssl_keyfile),
        }
        for variable, given in login.items():
            if given and not sasl:
                raise _wrong(f"{variable} needs KAFKA_SECURITY_PROTOCOL=SASL_SSL (or SASL_PLAINTEXT)")
            if sasl and not given:
                raise _wrong(f"KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs {variable}")
        for variable, given in files.items():
            if given and not self.uses_tls:
                raise _wrong(f"{variable} needs KAFKA_SECURITY_PROTOCOL=SSL (or SASL_SSL)")
        if files["KAFKA_SSL_CERTFILE"] != files["KAFKA_SSL_KEYFILE"]:
            raise _wrong("KAFKA_SSL_CERTFILE and KAFKA_SSL_KEYFILE go together: one is set and the other is not")
        if self.uses_tls:
            self._tls()  # files that are no certificates are found now, before anything connects
        return self

    @property
    def uses_tls(self) -> bool:
        """True where the connection is encrypted."""
        return self.security_protocol.endswith("SSL")

    def client_options(self) -> dict[str, Any]:
        """What every client of aiokafka is given."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.uses_tls:
            options["ssl_context"] = self._tls()
        if self.sasl_mechanism:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password.get_secret_value()
        return options

    def _tls(self) -> ssl.SSLContext:
        try:
            context: ssl.SSLContext = create_ssl_context(
                cafile=self.ssl_cafile,
                certfile=self.ssl_certfile,
                keyfile=self.ssl_keyfile,
                password=lambda: "",  # else OpenSSL asks for it, and a process without a terminal waits for ever
            )
        except (OSError, ssl.SSLError):
            raise _wrong(
                "KAFKA_SSL_CAFILE, KAFKA_SSL_CERTFILE or KAFKA_SSL_KEYFILE: not a certificate or key in PEM form, "
                "the key has a passphrase, or certificate and key do not belong together"
            ) from None
        return context


def _wrong(line: str) -> PydanticCustomError:
    # Not a ValueError: pydantic would put its own words before the line.
    return PydanticCustomError("kafka_settings", "{line}", {"line": line})
