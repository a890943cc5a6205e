"""The collections beside the documents, and every index: declared here, made at start."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collation import Collation
from pymongo.errors import CollectionInvalid, OperationFailure

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.retention import DEFAULT, Retention

SYNC_LOGS = "salesforce_sync_logs"
PARKED = "tandem_parked"
GAPS = "tandem_gaps"
OPERATIONS = "tandem_operations"
ALLOCATIONS = "tandem_allocations"
RUNS = "tandem_runs"
CLAIMS = "salesforce_object_cache"
RESERVATIONS = "tandem_reservations"
API_KEYS = "tandem_api_keys"
API_ANSWERS = "tandem_api_answers"
IDENTITIES = "tandem_identities"
ATTEMPTS = "tandem_attempts"
QUERY_PAGES = "tandem_query_pages"
USERS = "tandem_users"
SESSIONS = "tandem_sessions"
TRIES = "tandem_tries"
SAMPLES = "tandem_samples"
DELIVERIES = "tandem_deliveries"
ENDPOINTS = "tandem_endpoints"
ALERTS = "tandem_alerts"
DEBUG = "tandem_debug"
PROCESSES = "tandem_processes"
DAY_SECONDS = 24 * 60 * 60

ANY_CASE: Final = Collation(locale="en", strength=2)
"""Texts that differ in case alone are the same, as they are in Salesforce's queries."""

SYNC_STATUS: Final = "salesforce.syncStatus"
NOT_SYNCED: Final = {SYNC_STATUS: {"$lt": "synced"}}
"""Documents of which the platform is told anything else. A partial index knows no `$ne`: all other words of
`syncStatus` stand before this one."""

_NAMESPACE_EXISTS = 48
_INDEX_NOT_FOUND = 27
_INDEX_OPTIONS_CONFLICT = 85

DOCUMENT_INDEXES = (
    IndexModel([("_sync.link.id", ASCENDING)], name="link", sparse=True),
    IndexModel([("_sync.link.former", ASCENDING)], name="former", sparse=True),
    IndexModel([("_sync.due_at", ASCENDING)], name="due", sparse=True),
    IndexModel([("_sync.audit._id", ASCENDING)], name="undrained_audit", sparse=True),
    IndexModel([("_sync.told._id", ASCENDING)], name="untold", sparse=True),
    IndexModel([("_sync.reviews", ASCENDING)], name="reviews", sparse=True),
    IndexModel([("_sync.refusal.at", ASCENDING)], name="refused", sparse=True),
    IndexModel([("salesforce.held", ASCENDING)], name="held", sparse=True),
    # Most documents are synced and stay so: they have no entry, and what is written to them costs none.
    IndexModel([(SYNC_STATUS, ASCENDING)], name="not_synced", partialFilterExpression=NOT_SYNCED),
    # By lookup field and what it waits for: an entry for each that waits, whatever the mapping calls them.
    IndexModel([("_sync.awaited.$**", ASCENDING)], name="awaited"),
    IndexModel([("_sync.enriched.due", ASCENDING)], name="to_enrich", sparse=True),
    IndexModel([("_sync.enriched.record", ASCENDING)], name="enriched_from", sparse=True),
    IndexModel([("_sync.enriched.parents", ASCENDING)], name="enriched_from_parent", sparse=True),
    IndexModel([("_sync.enriched.member", ASCENDING)], name="naming_member", sparse=True),
)
"""Of every kind's collection."""


def _kept(name: str, date: str, kept: timedelta) -> IndexModel:
    """Rows go when so much time has passed since their date; those without one stay."""
    return IndexModel([(date, ASCENDING)], name=name, sparse=True, expireAfterSeconds=int(kept.total_seconds()))


INDEXES = {
    SYNC_LOGS: (
        IndexModel([("kind", ASCENDING), ("document", ASCENDING), ("at", DESCENDING)], name="document"),
        # Most rows are the plain ones of platform events, which have no record and are looked for by their document.
        IndexModel(
            [("record", ASCENDING), ("at", DESCENDING)],
            name="of_record",
            partialFilterExpression={"record": {"$gt": ""}},
        ),
        IndexModel([("type", ASCENDING), ("at", DESCENDING)], name="audit", partialFilterExpression={"type": "audit"}),
        IndexModel([("at", DESCENDING)], name="slow_lookups", partialFilterExpression={"type": "lookup"}),
        # A row has one of the three dates, so each costs one entry.
        _kept("old_outcomes", "logged_at", DEFAULT.outcomes),
        _kept("old_audit", "audited_at", DEFAULT.audit),
        _kept("old_decisions", "debugged_at", DEFAULT.decisions),
    ),
    DEBUG: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    PARKED: (
        IndexModel([("kind", ASCENDING), ("document", ASCENDING)], name="document"),
        IndexModel([("reason", ASCENDING), ("at", DESCENDING)], name="reason"),
        IndexModel([("state", ASCENDING), ("at", ASCENDING)], name="state"),
        IndexModel([("key", ASCENDING)], name="of_key"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    OPERATIONS: (
        IndexModel([("kind", ASCENDING), ("document", ASCENDING), ("at", DESCENDING)], name="document"),
        IndexModel([("at", DESCENDING)], name="newest"),
        IndexModel([("what", ASCENDING), ("at", DESCENDING)], name="of_sort"),
        IndexModel([("work", ASCENDING), ("at", ASCENDING)], name="work", sparse=True),
        _kept("old", "made_at", DEFAULT.operations),
    ),
    GAPS: (
        IndexModel([("state", ASCENDING), ("until", ASCENDING)], name="unrepaired"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    CLAIMS: (
        IndexModel([("at", ASCENDING)], name="expires", expireAfterSeconds=DAY_SECONDS),
        IndexModel([("expires_at", ASCENDING)], name="runs_out", expireAfterSeconds=0),
        IndexModel([("records", ASCENDING)], name="of_record", sparse=True),
        IndexModel([("address", ASCENDING)], name="of_address", sparse=True),
    ),
    SESSIONS: (
        IndexModel([("user", ASCENDING)], name="user"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    TRIES: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    SAMPLES: (
        IndexModel([("width", ASCENDING), ("at", ASCENDING)], name="of_width"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    RESERVATIONS: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    DELIVERIES: (
        IndexModel([("state", ASCENDING), ("next_at", ASCENDING)], name="due"),
        IndexModel([("key", ASCENDING), ("state", ASCENDING), ("revision", ASCENDING)], name="of_key"),
        IndexModel([("made_at", DESCENDING), ("_id", DESCENDING)], name="in_order"),
        IndexModel([("state", ASCENDING), ("made_at", DESCENDING), ("_id", DESCENDING)], name="of_state"),
        IndexModel([("kind", ASCENDING), ("made_at", DESCENDING), ("_id", DESCENDING)], name="of_kind"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    RUNS: (
        IndexModel([("state", ASCENDING), ("asked_at", ASCENDING)], name="state"),
        IndexModel([("asked_at", DESCENDING)], name="newest"),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
    PROCESSES: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    ALLOCATIONS: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    IDENTITIES: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    ATTEMPTS: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    QUERY_PAGES: (IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),),
    API_ANSWERS: (
        IndexModel([("about", ASCENDING)], name="about", partialFilterExpression={"about": {"$gt": ""}}),
        IndexModel([("expires_at", ASCENDING)], name="expires", expireAfterSeconds=0),
    ),
}


def indexes(retention: Retention) -> dict[str, list[IndexModel]]:
    """By collection, where rows are kept so long."""
    by_setting = {
        (SYNC_LOGS, "old_outcomes"): _kept("old_outcomes", "logged_at", retention.outcomes),
        (SYNC_LOGS, "old_audit"): _kept("old_audit", "audited_at", retention.audit),
        (SYNC_LOGS, "old_decisions"): _kept("old_decisions", "debugged_at", retention.decisions),
        (OPERATIONS, "old"): _kept("old", "made_at", retention.operations),
    }
    return {
        where: [by_setting.get((where, index.document["name"]), index) for index in declared]
        for where, declared in INDEXES.items()
    }


def matching_index(path: str) -> IndexModel:
    """The index of documents by a path whose text is looked for."""
    return IndexModel([(path, ASCENDING)], name=f"by_{path}", sparse=True, collation=ANY_CASE)


async def prepare(
    database: Database,
    kinds: Iterable[str],
    counted: Iterable[tuple[str, str]] = (),
    matched: Iterable[tuple[str, str]] = (),
    *,
    retention: Retention = DEFAULT,
) -> None:
    """Make the indexes, and for each kind's collection the view without `_sync` that the platform reads.

    `counted` has the collections and paths by which totals are taken (rule 28), `matched` those by which the document
    of a record is looked for. Where rows were kept for another time, that of `retention` holds from now on.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        for name, wanted in indexes(retention).items():
            await _make_indexes(database, name, wanted)
        for name in kinds:
            await database[name].create_indexes(list(DOCUMENT_INDEXES))
            await _make_view(database, name)
        for name, path in counted:
            await database[name].create_indexes([IndexModel([(path, ASCENDING)], name=f"of_{path}", sparse=True)])
        for name, path in matched:
            await database[name].create_indexes([matching_index(path)])


async def _make_indexes(database: Database, name: str, wanted: Iterable[IndexModel]) -> None:
    try:
        await database[name].create_indexes(list(wanted))
    except OperationFailure as error:
        if error.code != _INDEX_OPTIONS_CONFLICT:
            raise
        for index in wanted:
            kept = index.document.get("expireAfterSeconds")
            if kept is not None:
                changed = {"name": index.document["name"], "expireAfterSeconds": kept}
                await _change_index(database, name, changed)
        await database[name].create_indexes(list(wanted))


async def _change_index(database: Database, name: str, changed: dict[str, Any]) -> None:
    try:
        await database.command({"collMod": name, "index": changed})
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:  # one that is new is made next
            raise


async def _make_view(database: Database, name: str) -> None:
    try:
        await database.create_collection(f"{name}_public", viewOn=name, pipeline=[{"$unset": "_sync"}])
    except CollectionInvalid:
        return  # an earlier start has made it
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise  # else another process has made it just now
