"""How the pretend org is set up."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from simulator.org.cometd.settings import CometdSettings
from simulator.org.connected_app import AppPolicy
from simulator.org.duplicates import DuplicateRule
from simulator.org.tokens import Expiry
from simulator.org.triggers import TriggerRule


class OrgSettings(BaseSettings):
    """Everything about the org that can be chosen. Environment variables begin with `SIMULATED_ORG_`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="SIMULATED_ORG_", env_nested_delimiter="__"
    )

    directory: Path | None = Field(
        default=None, description="folder of the org's database; in memory, gone at the end, without one"
    )
    seed: int = Field(default=1, description="seed of everything that happens by chance")
    client_id: str = Field(default="3MVG9tandem.simulated.org", min_length=1, description="the app's consumer key")
    client_secret: SecretStr = Field(
        default=SecretStr("5E1B2D0C4A96F7E8D3C2B1A09F8E7D6C"), description="the app's consumer secret"
    )
    edition: str = Field(default="Developer Edition", description="what Organization.OrganizationType says")
    sandbox: bool = Field(default=False, description="what Organization.IsSandbox says")
    username: str = Field(
        default="integration@tandem.example", description="the user whom the app's client credentials run as"
    )
    password: SecretStr = Field(default=SecretStr("correct horse battery"), description="every user's password")
    security_token: SecretStr = Field(
        default=SecretStr("9kWq3VbTz7XrN1mP5cYdHs2L"), description="every user's security token"
    )
    app: AppPolicy = Field(default_factory=AppPolicy, description="how an admin has set up the app")
    token_lifetime_seconds: float = Field(
        default=7200.0, gt=0, description="how long a token lives: two hours in a real org unless it is set otherwise"
    )
    token_expiry: Expiry = Field(
        default="idle",
        description="a token's life runs from its last use (`idle`, as at Salesforce) or its issue (`fixed`)",
    )
    daily_api_requests: int = Field(
        default=100_000, ge=1, description="API calls in 24 hours: 15,000 in a Developer Edition org, 100,000 in others"
    )
    daily_bulk_batches: int = Field(
        default=15_000, ge=1, description="batches of up to 10,000 rows that Bulk ingest jobs may run in 24 hours"
    )
    daily_bulk_query_jobs: int = Field(default=10_000, ge=1, description="Bulk query jobs in 24 hours")
    bulk_results_days: float = Field(default=7.0, gt=0, description="how long a Bulk job and its results are kept")
    bulk_page_rows: int = Field(
        default=50_000, ge=1, description="rows on a page of Bulk query results where the caller names no maxRecords"
    )
    no_change_event: Literal["none", "last_modified"] = Field(
        default="none", description="what an update that changes no value brings: no event, or LastModifiedDate alone"
    )
    collections_keep_client: bool = Field(
        default=True, description="whether changes made through Collections keep the caller's client mark"
    )
    merge_identical_changes: bool = Field(
        default=False, description="identical changes of a transaction come as one event with several record ids"
    )
    event_delay_ms: int = Field(default=0, ge=0, description="how long after its commit a change event is seen")
    event_retention_hours: float = Field(default=72.0, gt=0, description="how long change events are kept")
    unreadable_row: Literal["call", "row"] = Field(
        default="call",
        description="a Collections row with an unknown field or a wrong JSON type fails its call with 400, or itself",
    )
    row_lock_ms: int = Field(
        default=0,
        ge=0,
        description="how long a call of rows holds them and the parents that they name; 0: nothing is ever locked",
    )
    row_lock_wait_ms: int = Field(
        default=10_000, ge=0, description="how long a row waits for a lock before it fails with UNABLE_TO_LOCK_ROW"
    )
    cursor_seconds: float = Field(default=172_800.0, gt=0, description="how long a query locator lives: two days")
    schema_file: Path | None = Field(
        default=None, description="YAML with custom objects, and custom fields for the objects that are there"
    )
    person_accounts: bool = Field(
        default=False, description="the org has Person Accounts: an Account given a LastName is a person"
    )
    duplicate_rules: tuple[DuplicateRule, ...] = Field(default=(), description="duplicate rules in force at start")
    lead_conversion_fields: tuple[str, ...] = Field(
        default=(), description="custom fields that a conversion takes from the Lead to the Contact's of the same name"
    )
    triggers: tuple[TriggerRule, ...] = Field(default=(), description="triggers and validation rules in force at start")
    cometd: CometdSettings = Field(default_factory=CometdSettings, description="the streaming endpoint")
