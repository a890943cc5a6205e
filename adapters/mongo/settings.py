"""Where MongoDB is and how to log in to it."""

import re
import ssl
from datetime import timedelta
from typing import Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from adapters.mongo.retention import KEPT, Retention

_SRV = re.compile(r"mongodb\+srv://(?:[^/?@]+@)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:[/?].*)?")
_KEY_OPENED_BY = "tlscertificatekeyfilepassword="
"""An option of the connection string, as it is compared."""
_FORM = "must be a MongoDB connection string such as mongodb://host:27017/?replicaSet=rs0"


class MongoSettings(BaseSettings):
    """The group `MONGODB_*`. Options of the connection string hold where no setting here says otherwise."""

    model_config = SettingsConfigDict(env_prefix="MONGODB_", frozen=True, extra="ignore", hide_input_in_errors=True)

    uri: SecretStr = Field(
        description="The connection string. A secret, since it may hold a password: mongodb://host:27017/?replicaSet=rs0"
    )
    database: str = Field(
        default="tandem",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="The database that holds the documents and everything else that is kept.",
    )
    username: str = Field(default="", description="User name, where the connection string has none.")
    password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    tls: bool = Field(default=False, description="Connect by TLS.")
    tls_ca_file: FilePath | None = Field(
        default=None, description="Certificates (PEM) to trust instead of the system's. Needs MONGODB_TLS."
    )
    tls_certificate_key_file: FilePath | None = Field(
        default=None, description="Our own certificate and key in one PEM file. Needs MONGODB_TLS."
    )
    connect_seconds: float = Field(
        default=10, gt=0, le=300, description="How long to wait for MongoDB at start, in seconds."
    )
    operation_seconds: float = Field(
        default=30, gt=0, le=300, description="How long one operation may take with its retries, in seconds."
    )

    outcomes_days: float = Field(
        default=90,
        gt=0,
        le=3650,
        description="How long the log's plain rows are kept, in days: what became of each record and each write.",
    )
    audit_days: float = Field(
        default=730,
        gt=0,
        le=3650,
        description="How long the log's audit rows are kept, in days: both values of each conflict, personal data.",
    )
    decisions_days: float = Field(
        default=7,
        gt=0,
        le=365,
        description="How long the log's rows of what was debugged are kept, in days: each decision, values masked.",
    )
    operations_days: float = Field(
        default=730, gt=0, le=3650, description="How long it is kept what people have done by command, in days."
    )
    gaps_days: float = Field(
        default=180, gt=0, le=3650, description="How long a gap is kept once it is closed, in days."
    )
    runs_days: float = Field(
        default=90, gt=0, le=3650, description="How long a run is kept once it has ended, in days."
    )
    parked_days: float = Field(
        default=90,
        gt=0,
        le=3650,
        description="How long a parked record is kept, with its bytes, once it is resolved or discarded, in days. One "
        "that waits for a person is kept without end.",
    )

    def retention(self) -> Retention:
        """The same, as the collections take it."""
        return Retention(**{name: timedelta(days=getattr(self, f"{name}_days")) for name in KEPT})

    @field_validator("uri")
    @classmethod
    def _is_connection_string(cls, uri: SecretStr) -> SecretStr:
        text = uri.get_secret_value()
        if _SRV.fullmatch(text):
            return uri  # reading it whole would ask the name server
        if not text.startswith("mongodb://"):
            raise ValueError(_FORM)
        try:
            parse_uri(text)
        except (PyMongoError, ValueError):
            # The parser's own message may quote a part of the password.
            raise ValueError(f"{_FORM}; user name and password percent-encoded") from None
        return uri

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.password.get_secret_value() and not self.username:
            raise ValueError("MONGODB_PASSWORD is set and MONGODB_USERNAME is not")
        if self.username and not self.password.get_secret_value():
            raise ValueError("MONGODB_USERNAME is set and MONGODB_PASSWORD is not")
        if not self.tls and (self.tls_ca_file or self.tls_certificate_key_file):
            raise ValueError("MONGODB_TLS_CA_FILE and MONGODB_TLS_CERTIFICATE_KEY_FILE need MONGODB_TLS=true")
        self._check_certificates()
        return self

    def _check_certificates(self) -> None:
        """Files that are no certificates are found now, before anything connects."""
        try:
            if self.tls_ca_file:
                ssl.create_default_context(cafile=self.tls_ca_file)
        except (OSError, ssl.SSLError):
            raise ValueError("MONGODB_TLS_CA_FILE: holds no certificate in PEM form") from None
        if not self.tls_certificate_key_file or _KEY_OPENED_BY in self.uri.get_secret_value().casefold():
            return
        try:
            # Without a passphrase given OpenSSL would ask for it, and a process without a terminal wait for ever.
            ssl.create_default_context().load_cert_chain(self.tls_certificate_key_file, password=lambda: "")
        except (OSError, ssl.SSLError):
            raise ValueError(
                "MONGODB_TLS_CERTIFICATE_KEY_FILE: holds no certificate with its key in PEM form, or the key has a "
                "passphrase"
            ) from None
