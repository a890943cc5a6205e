"""Keys of the platform's API: what one may do, and what is stored of it. The secret itself is stored nowhere."""

from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

KEY_PREFIX: Final = "tdm"
"""What every key begins with, so that one that leaked is known for what it is."""


class Scope(StrEnum):
    """What a key may do. Each route asks for one."""

    EVENTS = "events"
    """Say what the platform knows: make and change contacts, register people."""
    READ = "read"
    """See the connection, contacts, runs, the mapping, and what the platform was told."""
    SYNC = "sync"
    """Ask for runs."""
    QUERY = "query"
    """Ask Salesforce by SOQL or by the query builder, within the mapping."""
    MAPPINGS = "mappings"
    """Change the mapping."""
    ENRICH = "enrich"
    """Have people who are registered looked up, and hear what Salesforce knows of them."""
    ERASE = "erase"
    """Have people forgotten for good, and see the certificates."""
    EXPORT = "export"
    """See all that is held of a person."""
    DELIVERIES = "deliveries"
    """Have webhooks that the platform was sent posted again."""
    CONNECT = "connect"
    """Have a person agree that Tandem signs in to an org: whoever may do this says which org that is."""


class ApiKey(BaseModel):
    """A key as it is stored. Times are UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """The part of the key that is no secret: logs and `tandem api-keys list` show it."""
    name: str
    """Who uses it, in the words of whoever made it."""
    hash: str = Field(repr=False)
    """Of the secret, by argon2id."""
    scopes: tuple[Scope, ...]
    made_at: AwareDatetime
    made_by: str = ""
    ends_at: AwareDatetime | None = None
    """It is good until then; without end where not given."""
    revoked_at: AwareDatetime | None = None
    rate: float | None = None
    """Requests a second, where it has a limit of its own."""
