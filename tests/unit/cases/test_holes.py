"""The holes that can be read in the strongest peer's source, by their letters in docs/failure-cases.md; ours has none.

Hole a is in `tests/integration/test_hole_a.py`: a first load needs the real MongoDB.
"""

import time
from pathlib import Path

import pytest
from support.case_world import CHANNEL, KEY, SOON, CaseWorld, case_world
from support.fake_documents import FakeParked
from support.fakes_changes import eventually

from listener.changes import subscriber
from schemas.gap import GapReason
from schemas.outcome import Outcome
from schemas.stream import EARLIEST
from simulator.org.cometd.faults import FaultKind as StreamKind
from simulator.org.cometd.faults import StreamFault
from simulator.org.faults import FaultKind

HOUR = 3_600_000
ROWS_OF_A_JOB = 4
LONG_ENOUGH = 600


async def title(world: CaseWorld, id_: str = "c-1") -> str:
    """What both sides show."""
    shown, held = await world.both(id_, "title", "Title")
    assert shown == held
    return str(shown)


async def test_hole_b_an_expired_position_is_not_cleared(tmp_path: Path) -> None:
    """In the field: in the middle of a run the replay id is refused, cleared, and the topic resumed at the newest.

    Here: the stream rests until the gap is kept, and goes on from the oldest event: the session's own cursor counts.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        await world.held()
        faults = world.org.org.cometd.faults
        faults.forget_replay_ids()
        faults.forget_sessions()
        world.edit("c-1", Title="behind the refusal")
        await world.settle()
        assert await title(world) == "behind the refusal"
        (gap,) = world.open_gaps()
        assert gap.reason is GapReason.POSITION_REFUSED
        assert world.positions.stored[CHANNEL].replay_id == world.org.org.org.bus.latest()


async def test_hole_c_a_failed_row_is_not_acknowledged_with_a_log_line(tmp_path: Path) -> None:
    """In the field: partial success is allowed, a row fails, the batch is acknowledged, and a log line is all there is.

    Here: the doorbell ends as parked, with the code and Salesforce's words; the document keeps its value and says why.
    """
    async with case_world(tmp_path) as world:
        world.trigger(object="Contact", field="Title", action="refuse", matches="^Forbidden", message="Not this one.")
        await world.post("c-1", "customer.created", last_name="Good")
        await world.post("c-2", "customer.created", last_name="Bad", title="Forbidden")
        await world.settle()
        assert world.made() == 1
        assert world.outcomes(Outcome.PARKED) == 1
        assert isinstance(world.stage.parked, FakeParked)
        (row,) = world.stage.parked.rows.values()
        assert (row.reason, row.document_id) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "c-2")
        assert "Not this one." in row.detail
        document = await world.document("c-2")
        assert (document["title"], document["salesforce"]["syncStatus"]) == ("Forbidden", "error")


async def test_hole_d_an_upload_is_not_the_end_of_a_job(tmp_path: Path) -> None:
    """In the field: rows are acknowledged when the upload is complete, before Salesforce has run one of them.

    Here: until the job has ended each document says that it is pending, and is due to be asked after by any process.
    """
    async with case_world(tmp_path, bulk_rows=ROWS_OF_A_JOB) as world:
        ids = [f"c-{number}" for number in range(ROWS_OF_A_JOB)]
        fault = world.plant(FaultKind.JOB_DELAY, path="Contact", count=1, delay_ms=600_000)
        for id_ in ids:
            await world.post(id_, "customer.created", last_name="L")
        world.stage.now += 3_000
        await world.stage.answer_doorbells()
        await eventually(lambda: fault not in world.org.org.org.faults.planted(), SOON)
        world.stage.now += 10_000
        await world.stage.sweep.ring_due()
        results = await world.stage.answer_doorbells()
        assert [result.outcome for result in results] == [Outcome.DEFERRED] * ROWS_OF_A_JOB
        assert world.made() == 0
        documents = [await world.document(id_) for id_ in ids]
        assert {each["salesforce"]["syncStatus"] for each in documents} == {"pending"}
        assert {each["_sync"]["writes"][-1]["state"] for each in documents} == {"open"}
        assert all(each["_sync"]["due_at"] for each in documents)


async def test_hole_e_the_header_of_a_job_is_every_rows(tmp_path: Path) -> None:
    """In the field: the CSV takes its header from the first record and writes null as an empty cell.

    Here: a column that only the last row has is there, and what is cleared is cleared.
    """
    async with case_world(tmp_path, bulk_rows=ROWS_OF_A_JOB) as world:
        ids = [f"c-{number}" for number in range(ROWS_OF_A_JOB)]
        for id_ in ids:
            await world.post(id_, "customer.created", last_name="L", title="CTO")
        await world.settle(LONG_ENOUGH)
        for id_ in ids[:-1]:
            await world.post(id_, title=None)
        await world.post(ids[-1], department="The last row's alone")
        await world.settle(LONG_ENOUGH)
        assert world.calls("POST", "/jobs/ingest") == 2
        assert [world.record(id_)["Title"] for id_ in ids] == [None] * (ROWS_OF_A_JOB - 1) + ["CTO"]
        assert world.record(ids[-1])["Department"] == "The last row's alone"


async def test_hole_f_cleared_and_untouched_fields_are_told_apart(tmp_path: Path) -> None:
    """In the field: the marks of changed and of cleared fields are not decoded, so what was cleared looks untouched.

    Here: a field that a user clears is cleared, alone and as part of an address; what the event leaves out stays.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="CTO", department="Sales", address={"city": "Cluj"})
        world.edit("c-1", Title=None)
        await world.settle()
        document = await world.document("c-1")
        assert (document["title"], document["department"], document["address"]["city"]) == (None, "Sales", "Cluj")
        world.edit("c-1", MailingCity=None)
        await world.settle()
        document = await world.document("c-1")
        assert (document["department"], document["address"]["city"]) == ("Sales", None)


async def test_hole_g_a_silent_line_is_noticed_by_itself(tmp_path: Path) -> None:
    """In the field: the connection is opened without a keepalive; a line that has gone dead is never noticed.

    Here: every request has its own limit; a server that carries all out and is not heard ends the session, and what it
    has put into lost replies comes again, once.
    """
    async with case_world(tmp_path, listen=False) as world:
        listener = world.listen(poll_slack_seconds=0.3, request_seconds=0.3)
        await world.linked("c-1", title="before")
        await world.held()
        faults = world.org.org.cometd.faults
        faults.arm(StreamFault(kind=StreamKind.BLACK_HOLE, seconds=600))
        world.edit("c-1", Title="into the black hole")
        await eventually(lambda: faults.lost_events, SOON)
        await eventually(lambda: listener.health.counts["lost_reply"], SOON)
        faults.clear()
        await world.settle()
        assert await title(world) == "into the black hole"


async def test_hole_h_the_position_of_a_quiet_topic_does_not_age(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the field: a keepalive's position is kept in memory alone; a topic quiet for 72 hours loses its place.

    Here: while the subscription stands, a stored position that nears that age is replaced by one that is never refused,
    so a restart days after the last event misses nothing and records no gap.
    """
    monkeypatch.setattr(subscriber, "LOOK_SECONDS", 0.02)
    async with case_world(tmp_path, listen=False) as world:
        world.listen(clock=time.monotonic, lease_seconds=600)
        await world.linked("c-1", title="before")
        stored = world.positions.stored[CHANNEL]
        world.stage.now += 50 * HOUR
        await eventually(lambda: world.positions.stored[CHANNEL] != stored, SOON)
        renewed = world.positions.stored[CHANNEL]
        assert renewed.replay_id == EARLIEST
        assert renewed.commit_timestamp > stored.commit_timestamp + 49 * HOUR
        await world.listeners[0].end()
        world.stage.now += 40 * HOUR
        world.edit("c-1", Title="90 hours later")
        world.listen("b")
        await world.settle()
        assert await title(world) == "90 hours later"
        assert world.gaps.recorded == []
        assert world.record("c-1")[KEY] == "c-1"


async def test_hole_h_a_topic_that_was_quiet_from_the_first_day_has_a_position(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the field: a topic in which nothing has happened yet has no stored place; an absence of days goes unnoticed.

    Here: it has one as soon as the subscription has proven itself, so five days away are a gap, and its repair finds
    what no event tells any more.
    """
    monkeypatch.setattr(subscriber, "LOOK_SECONDS", 0.02)
    async with case_world(tmp_path, listen=False) as world:
        world.listen(clock=time.monotonic, lease_seconds=600)
        await eventually(lambda: CHANNEL in world.positions.stored, SOON)
        first = world.positions.stored[CHANNEL]
        assert first.replay_id == EARLIEST
        assert world.log.records == []
        await world.listeners[0].end()
        await world.linked("c-1", title="before")
        world.edit("c-1", Title="while it was away")
        world.forget_events()
        world.stage.now += 120 * HOUR
        world.listen("b")
        await world.held()
        (gap,) = world.open_gaps()
        assert (gap.reason, gap.since) == (GapReason.POSITION_EXPIRED, first.commit_timestamp)
        assert (await world.document("c-1"))["title"] == "before", "no event tells of it"
        await world.listeners[1].end()
        await world.repair()
        assert await title(world) == "while it was away"
        assert world.open_gaps() == []
