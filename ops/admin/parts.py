"""What the pages work with: made once by the process, handed to every handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.client import Database
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.erasures import MongoErasures
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.overview import MongoOverview
from adapters.mongo.processes import MongoProcesses
from adapters.mongo.runs import MongoRuns
from adapters.mongo.users import MongoSessions, MongoUsers
from adapters.platform.settings import DeliverSettings
from consumers.catalog import Catalog
from consumers.rules.timing import Timing
from ops.admin.sessions import Lasting
from ops.admin.settings import AdminSettings
from ops.finding import Finding
from ops.parked import Parking, Publisher
from ops.reviews import Reviews
from schemas.connection import Connection
from schemas.mapping import Mapping


class Stages(Protocol):
    """How far each stage has come, as Kafka tells."""

    async def by_topic(self) -> dict[str, tuple[int, int]]:
        """By topic: records in all, and how many of them its group has still to do.

        Raises:
            Unavailable: Kafka does not answer.
        """


class Org(Protocol):
    """What is asked of Salesforce while somebody waits for the page."""

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[list[str], str]:
        """What it has against a change of the mapping, a line each; and why it was not asked, where it was not."""

    async def findings(self, mapping: Mapping) -> list[Finding]:
        """Whether one can sign in, and what is missing there."""

    async def begin_consent(self, owner: str) -> str:
        """The address at which a person agrees that Tandem signs in; `owner` is the visit in which that is asked.

        Raises:
            CannotAsk: the settings tell another way to sign in, or not enough.
        """

    async def finish_consent(self, answer: str, owner: str) -> Connection:
        """Take what the browser brought back in the same visit.

        Raises:
            CannotConnect: it answers no attempt of this visit's, or somebody said no.
        """

    async def held(self, kind: str, document_id: str) -> dict[str, Any]:
        """All that is held of one person, here and there.

        Raises:
            NothingHeld: nothing is.
            Unavailable: one of both does not answer, or the settings do not name it.
        """


@dataclass(frozen=True, slots=True)
class AdminParts:
    """`now` gives epoch milliseconds. `erasures` is None where no key is set by which the erased are known."""

    settings: AdminSettings
    database: Database
    documents: MongoDocuments
    users: MongoUsers
    sessions: MongoSessions
    operations: MongoOperations
    gaps: MongoGapRows
    overview: MongoOverview
    processes: MongoProcesses
    runs: MongoRuns
    deliveries: MongoDeliveries
    endpoints: MongoEndpoints
    api_keys: MongoApiKeys
    mappings: MongoMappings
    erasures: MongoErasures | None
    reviews: Reviews
    parking: Callable[[], Parking]
    publisher: Publisher
    org: Org
    deliver: DeliverSettings
    stages: Stages
    mapping: Callable[[], Mapping]
    catalog: Callable[[], Catalog]
    ready: Callable[[], Awaitable[dict[str, str]]]
    now: Callable[[], int]
    repair_overlap: int
    timing: Timing
    log: MongoSyncLog

    @property
    def lasting(self) -> Lasting:
        """How long visits last."""
        return Lasting(int(self.settings.idle_minutes * 60_000), int(self.settings.session_hours * 3_600_000))
