"""`tandem_gaps`: one suite, on the fake that the unit tests use and on the real MongoDB."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio
from pymongo.asynchronous.database import AsyncDatabase
from support.fake_gaps import FakeObjectGaps

from adapters.mongo.collections import prepare
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.gaps import MongoGaps, MongoObjectGaps
from consumers.ports import ObjectGaps
from consumers.repair.ports import GapRows
from schemas.gap import Found, GapReason, GapRow, GapState, ObjectGap, ObjectProgress
from schemas.polling import ModifiedRow
from schemas.stream import Gap

pytestmark = pytest.mark.integration

ORG = "00D000000000001EAA"
OVERFLOW = ObjectGap(GapReason.OVERFLOW, "Contact", "t1", since=1_000, until=1_000)


def named(*ids: str, mark: str = "t2") -> ObjectGap:
    """A gap event of these records."""
    return ObjectGap(GapReason.GAP_EVENT, "Contact", mark, since=2_000, until=2_000, record_ids=ids)


@dataclass
class Store:
    """Both ports over the same rows."""

    notes: ObjectGaps
    rows: GapRows
    read: Callable[[str], Awaitable[GapRow | None]]


@pytest_asyncio.fixture(params=["fake", "mongodb"])
async def store(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Store:
    """The fake, then the real thing."""
    if request.param == "fake":
        fake = FakeObjectGaps()

        async def read(row_id: str) -> GapRow | None:
            return fake.rows.get(row_id)

        return Store(fake, fake, read)
    rows = MongoGapRows(database, ORG)
    return Store(MongoObjectGaps(database), rows, rows.read)


async def test_the_same_event_is_one_row_and_told_of_once(store: Store) -> None:
    """However often it comes; what it is of is kept as it is."""
    assert list(await store.notes.note([OVERFLOW, named("a", "b")])) == [OVERFLOW, named("a", "b")]
    assert list(await store.notes.note([OVERFLOW, named("b")])) == []
    assert list(await store.notes.note([])) == []
    overflow, event = await store.rows.unrepaired()
    assert (overflow.reason, overflow.entity, overflow.since, overflow.record_ids) == (
        GapReason.OVERFLOW,
        "Contact",
        1_000,
        (),
    )
    assert (event.reason, event.record_ids, event.state, event.opened) == (
        GapReason.GAP_EVENT,
        ("a", "b"),
        GapState.OPEN,
        1,
    )


async def test_a_closed_gap_is_opened_by_records_that_it_did_not_name_and_by_no_others(store: Store) -> None:
    """One transaction's records come in several batches."""
    await store.notes.note([named("a")])
    (row,) = await store.rows.unrepaired()
    await store.rows.keep_progress(row, "Contact", ObjectProgress(Found(1, 1), done=True))
    await store.rows.keep_published(row, {0: 17})
    await store.rows.keep_rung(row, {0: 3})
    assert await store.rows.close(row, by="repair", note="read", at=5_000)
    assert await store.rows.unrepaired() == []
    await store.notes.note([named("a")])
    assert await store.rows.unrepaired() == []
    await store.notes.note([named("a", "b")])
    (again,) = await store.rows.unrepaired()
    assert (again.record_ids, again.opened, dict(again.progress)) == (("a", "b"), 2, {})
    assert (again.published_to, again.rung_to) == ({}, {})


async def test_progress_is_kept_and_comes_back_as_it_was(store: Store) -> None:
    """By object, with the row behind which the next try goes on."""
    await store.notes.note([OVERFLOW])
    (row,) = await store.rows.unrepaired()
    half = ObjectProgress(Found(2_000, 2_000, 3, 1), ModifiedRow("003000000000001AAA", 7_000, deleted=False))
    assert await store.rows.keep_progress(row, "Contact", half)
    assert await store.rows.keep_progress(row, "Lead", ObjectProgress(done=True))
    await store.rows.failed(row, "the org is away", 6_000)
    (kept,) = await store.rows.unrepaired()
    assert (kept.state, kept.error, kept.tried_at) == (GapState.REPAIRING, "the org is away", 6_000)
    assert dict(kept.progress) == {"Contact": half, "Lead": ObjectProgress(done=True)}
    assert kept.found == Found(2_000, 2_000, 3, 1)
    assert await store.rows.keep_published(kept, {0: 17, 11: 4})
    (kept,) = await store.rows.unrepaired()
    assert (kept.published_to, kept.error) == ({0: 17, 11: 4}, "")
    assert await store.rows.close(kept, by="ada", note="by hand", at=8_000)
    closed = await store.read(row.id)
    assert closed is not None
    assert (closed.closed_by, closed.note, closed.closed_at, closed.error) == ("ada", "by hand", 8_000, "")


async def test_a_repair_can_be_begun_anew(store: Store) -> None:
    """Nothing of what was done is left; why is there until the next try has got anywhere."""
    await store.notes.note([OVERFLOW])
    (row,) = await store.rows.unrepaired()
    assert await store.rows.keep_progress(row, "Contact", ObjectProgress(Found(1, 1), done=True))
    assert await store.rows.keep_published(row, {0: 17})
    assert await store.rows.keep_rung(row, {3: 2})
    (kept,) = await store.rows.unrepaired()
    assert (kept.published_to, kept.rung_to) == ({0: 17}, {3: 2})
    for judged in (row, replace(kept, published_to={0: 16}), replace(kept, rung_to={})):
        assert not await store.rows.start_anew(judged, "waits for something else", 5_000)
    assert await store.rows.start_anew(kept, "not in the log", 6_000)
    (anew,) = await store.rows.unrepaired()
    assert anew == replace(row, error="not in the log", tried_at=6_000)
    assert await store.rows.start_anew(anew, "still not", 7_000)
    (anew,) = await store.rows.unrepaired()
    assert await store.rows.keep_progress(anew, "Contact", ObjectProgress(done=True))
    (kept,) = await store.rows.unrepaired()
    assert kept.error == ""


async def test_a_gap_that_was_met_again_is_neither_moved_nor_closed_by_the_earlier_repair(store: Store) -> None:
    """Nor is one that is closed."""
    await store.notes.note([named("a")])
    (row,) = await store.rows.unrepaired()
    await store.notes.note([named("b")])
    assert not await store.rows.keep_progress(row, "Contact", ObjectProgress(done=True))
    assert not await store.rows.keep_published(row, {0: 1})
    assert not await store.rows.keep_rung(row, {0: 1})
    assert not await store.rows.start_anew(row, "not in the log", 1)
    assert not await store.rows.close(row, by="repair", note="", at=1)
    (again,) = await store.rows.unrepaired()
    assert await store.rows.close(again, by="repair", note="", at=1)
    assert not await store.rows.keep_progress(again, "Contact", ObjectProgress(done=True))


async def test_a_gap_tells_when_it_was_first_noticed_and_when_it_was_met_last(
    database: AsyncDatabase[dict[str, Any]],
) -> None:
    """By MongoDB's clock. The same event again, which names nothing new, does not count."""
    rows, gap = MongoGapRows(database, ORG), Gap("/data/ChangeEvents", "position_refused", 1, 2, 17)

    async def record(*ids: str) -> list[tuple[int, int]]:
        await asyncio.sleep(0.01)
        await MongoGaps(database, ORG).record(gap)
        await MongoObjectGaps(database).note([named(*ids)])
        return [(row.noticed_at, row.met_at) for row in await rows.rows()]

    now = (await database.command("hello"))["localTime"].timestamp() * 1_000
    stream, event = await record("a")
    assert all(now <= noticed_at == met_at < now + 5_000 for noticed_at, met_at in (stream, event))
    stream_again, event_again = await record("a")
    assert stream_again[0] == stream[0] < stream_again[1]
    assert event_again == event
    _, event_with_more = await record("b")
    assert event_with_more[0] == event[0] < event_with_more[1]


async def test_of_several_orgs_each_repairs_its_own(database: AsyncDatabase[dict[str, Any]]) -> None:
    """And those that name none; rows of an earlier release, which say less, can be read and closed."""
    for org, reason in ((ORG, "position_refused"), ("00D000000000002EAA", "position_refused")):
        await MongoGaps(database, org).record(Gap("/data/ChangeEvents", reason, 1, 2, 17))
    await MongoObjectGaps(database).note([OVERFLOW])
    await database["tandem_gaps"].insert_one(
        {
            "_id": "old",
            "org": ORG,
            "channel": "/c",
            "reason": "position_refused",
            "since": 0,
            "until": 1,
            "state": "open",
        }
    )
    rows = MongoGapRows(database, ORG)
    found = await rows.unrepaired()
    assert [row.reason for row in found] == ["position_refused", "position_refused", "overflow"]
    assert all([await rows.close(row, by="repair", note="", at=1) for row in found])
    assert len(await MongoGapRows(database).unrepaired()) == 1
    assert len(await MongoGapRows(database).rows(limit=2)) == 2


async def test_a_closed_gap_is_forgotten_in_half_a_year_unless_it_is_opened_again(
    database: AsyncDatabase[dict[str, Any]],
) -> None:
    """By MongoDB itself; an open one never is, whichever way it was opened again."""
    rows, gap = MongoGapRows(database, ORG), Gap("/data/ChangeEvents", "position_refused", 1, 2, 17)
    await prepare(database, [])
    indexes = await database["tandem_gaps"].index_information()
    assert indexes["expires"]["expireAfterSeconds"] == 0
    for _time in range(2):
        await MongoGaps(database, ORG).record(gap)
        await MongoObjectGaps(database).note([named("a", f"b{_time}")])
        assert await database["tandem_gaps"].count_documents({"expires_at": {"$exists": True}}) == 0
        for row in await rows.unrepaired():
            assert await rows.close(row, by="repair", note="", at=4_000_000_000_000)
        found = await database["tandem_gaps"].find({}).to_list()
        assert [row["expires_at"].isoformat() for row in found] == ["2097-03-31T07:06:40"] * 2


async def test_what_a_comparison_has_covered_is_as_it_was_once_it_is_met_again(
    database: AsyncDatabase[dict[str, Any]],
) -> None:
    """Else its repair would close it with what was missed since."""
    gaps, rows = MongoGaps(database, ORG), MongoGapRows(database, ORG)
    gap = Gap("/data/ChangeEvents", "position_refused", 1, 2, 17)
    await gaps.record(gap)
    assert await gaps.cover(2, by="compare-1", note="12 looked at", published_to={0: 5, 1: 0}) == 1
    (row,) = await rows.unrepaired()
    assert (row.covered_by, row.covered_note, row.published_to) == ("compare-1", "12 looked at", {0: 5, 1: 0})
    assert row.state is GapState.REPAIRING
    await gaps.record(gap)
    (row,) = await rows.unrepaired()
    assert (row.covered_by, row.covered_note, row.published_to) == ("", "", {})
    assert row.state is GapState.OPEN
