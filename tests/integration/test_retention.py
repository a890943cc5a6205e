"""What only grows has an end: rows are dated, TTL indexes follow the settings, and what waits for somebody stays."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import GAPS, OPERATIONS, PARKED, RUNS, SYNC_LOGS, prepare
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.operations import MongoOperations
from adapters.mongo.retention import Retention, dated
from adapters.mongo.runs import MongoRuns
from consumers.catalog import Catalog
from ops.sync.asking import new_run
from schemas.marks import Redriven
from schemas.outcome import Outcome
from schemas.presets import preset
from schemas.storage import Concluded, Parked
from schemas.stream import Gap
from schemas.sync_run import RunRequest, RunState

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]

AT = 1_795_341_600_000
DAY = timedelta(days=1)


async def ttl(database: Database, collection: str) -> dict[str, float]:
    """By index, after how many days."""
    found = await database[collection].index_information()
    return {
        name: told["expireAfterSeconds"] / DAY.total_seconds()
        for name, told in found.items()
        if "expireAfterSeconds" in told
    }


async def only(database: Database, collection: str) -> Mapping[str, Any]:
    """The one row."""
    (row,) = await database[collection].find().to_list()
    return row


async def test_the_indexes_follow_the_settings_also_when_these_change(database: Database) -> None:
    """Rows that are there already go by the new time too: it is the index that changes."""
    await prepare(database, [])
    assert await ttl(database, SYNC_LOGS) == {"old_outcomes": 90, "old_audit": 730, "old_decisions": 7}
    await database[SYNC_LOGS].drop_index("old_outcomes")
    shorter = Retention(outcomes=7 * DAY, audit=30 * DAY, decisions=DAY, operations=DAY)
    for _start in range(2):
        await prepare(database, [], retention=shorter)
        assert await ttl(database, SYNC_LOGS) == {"old_outcomes": 7, "old_audit": 30, "old_decisions": 1}
        assert (await ttl(database, OPERATIONS))["old"] == 1


async def test_rows_of_the_log_have_one_date_by_what_they_are(database: Database) -> None:
    """Conflicts are kept longer than what became of each record."""
    rows = [{"_id": "a", "type": "audit", "at": AT}, {"_id": "b", "type": "write", "at": AT}]
    await MongoSyncLog(database).append(rows)
    kept = {row["_id"]: row for row in await database[SYNC_LOGS].find().to_list()}
    assert kept["a"]["audited_at"].replace(tzinfo=UTC) == dated(AT) == kept["b"]["logged_at"].replace(tzinfo=UTC)
    assert "logged_at" not in kept["a"]
    assert "audited_at" not in kept["b"]


async def test_operations_have_a_date(database: Database) -> None:
    """Of when they were begun."""
    await MongoOperations(database).add([{"_id": "discard:1", "at": AT}])
    assert (await only(database, OPERATIONS))["made_at"].replace(tzinfo=UTC) == dated(AT)


async def test_a_gap_that_waits_stays_and_a_closed_one_goes(database: Database) -> None:
    """Opened again it stays again, and one that a comparison has made good stays until it is closed."""
    rows, gaps = MongoGapRows(database, "00D", 2 * DAY), MongoGaps(database, "00D")
    for _time in range(2):
        await gaps.record(Gap("/data/ChangeEvents", "position_refused", 1, 2, 7))
        await gaps.cover(AT, by="compare", note="", published_to={0: 5})
        assert "expires_at" not in await only(database, GAPS)
        (gap,) = await rows.unrepaired()
        await rows.close(gap, by="repair", note="", at=AT)
        assert (await only(database, GAPS))["expires_at"].replace(tzinfo=UTC) == dated(AT) + 2 * DAY


async def test_a_run_that_waits_stays_and_one_that_has_ended_goes(database: Database) -> None:
    """From the end on; resumed, it waits again."""
    runs = MongoRuns(database, 4 * DAY)
    run = new_run(RunRequest.model_validate({"id": "all-once"}), Catalog(preset("customers")), now=AT)
    await runs.add(run)
    assert "expires_at" not in await only(database, RUNS)
    begun = datetime.now(UTC)
    assert await runs.turn(run.id, [run.state], RunState.CANCELLED)
    assert (await only(database, RUNS))["expires_at"].replace(tzinfo=UTC) >= begun + 4 * DAY - timedelta(seconds=1)
    assert await runs.turn(run.id, [RunState.CANCELLED], RunState.PLANNED)
    assert "expires_at" not in await only(database, RUNS)


async def test_a_parked_record_that_waits_stays_and_a_closed_one_goes(database: Database) -> None:
    """Promise 7: nobody but a person ends one."""
    parked = MongoParkedRecords(database, 5 * DAY)
    await parked.park([Parked("t", 0, 1, b"k", b"v", [], "undecodable", "", AT)])
    assert "expires_at" not in await only(database, PARKED)
    begun = datetime.now(UTC)
    await parked.conclude([Concluded(Redriven("t:0:1", 2), Outcome.APPLIED, "", AT)])
    assert (await only(database, PARKED))["expires_at"].replace(tzinfo=UTC) >= begun + 5 * DAY - timedelta(seconds=1)
