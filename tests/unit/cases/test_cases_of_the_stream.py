"""The failure cases of the way in from Salesforce, each by its number in docs/failure-cases.md: 1 to 6 and 9 to 15.

What others met in the field is brought about in a simulated org; the client, the subscriber, the rules and the writer
are ours. Kafka and MongoDB are in memory; the same cases on the real ones are in `tests/e2e`.
"""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from support.case_world import CHANNEL, KEY, SOON, CaseWorld, case_world
from support.fakes_changes import eventually

from consumers.repair.repairer import Closed
from listener.changes.health import State
from schemas import topics
from schemas.change import Change
from schemas.codec import decode
from schemas.gap import GapReason
from schemas.outcome import Outcome
from simulator.org.cometd.faults import FaultKind as StreamKind
from simulator.org.cometd.faults import StreamFault
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind

CONNECT = frozenset({"/meta/connect"})


def titles_heard(world: CaseWorld) -> list[str]:
    """Every title that is in the log, in order."""
    changes = [decode(Change, each.value) for each in world.log.records]
    return [change.fields["Title"] for change in changes if "Title" in change.fields]


async def titles(world: CaseWorld, *ids: str) -> list[str]:
    """What the documents show, where the records show the same."""
    shown = [await world.both(id_, "title", "Title") for id_ in ids]
    assert all(document == record for document, record in shown), shown
    return [document for document, _record in shown]


async def test_case_01_an_expired_replay_id(tmp_path: Path) -> None:
    """In the field: after 72 hours the stored replay id is refused, and the subscription is dead for days.

    Here: the gap is a row from the last good commit to now, the stream goes on from the oldest event there is, and the
    repair finds what no event tells any more.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", "c-2", title="before")
        await world.listeners[0].end()
        good = world.positions.stored[CHANNEL].commit_timestamp
        world.edit("c-1", Title="in the gap")
        world.forget_events()
        world.edit("c-2", Title="after it")
        world.listen("b")
        await world.settle()
        assert (await world.document("c-1"))["title"] == "before", "no event tells of it"
        (gap,) = world.open_gaps()
        assert (gap.reason, gap.since) == (GapReason.POSITION_REFUSED, good)
        assert gap.until >= good
        (closed,) = await world.repair()
        assert isinstance(closed, Closed)
        assert closed.found.looked >= 2
        assert await titles(world, "c-1", "c-2") == ["in the gap", "after it"]
        assert world.open_gaps() == []


async def test_case_02_a_fall_back_to_the_newest(tmp_path: Path) -> None:
    """In the field: a client whose position is refused goes on from the newest event, and nobody hears of the hole.

    Here: everything that is retained arrives, and the hole is an open gap until it is repaired.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", "c-2", "c-3", title="before")
        await world.listeners[0].end()
        world.forget_events()
        for id_ in ("c-1", "c-2", "c-3"):
            world.edit(id_, Title=f"retained {id_}")
        world.listen("b")
        await world.settle()
        assert await titles(world, "c-1", "c-2", "c-3") == ["retained c-1", "retained c-2", "retained c-3"]
        assert len(world.open_gaps()) == 1


async def test_case_03_changes_before_the_first_subscription(tmp_path: Path) -> None:
    """In the field: what changes between a snapshot and the first subscription is lost.

    Here: records are linked and read whole while nobody listens; the first subscription begins at the oldest event.
    """
    async with case_world(tmp_path, listen=False) as world:
        await world.linked("c-1", "c-2", title="in the snapshot")
        world.edit("c-1", Title="between the two")
        await world.settle()
        assert (await world.document("c-1"))["title"] == "in the snapshot"
        world.listen()
        await world.settle()
        assert await titles(world, "c-1", "c-2") == ["between the two", "in the snapshot"]
        assert world.open_gaps() == []


async def test_case_04_a_gap_event(tmp_path: Path) -> None:
    """In the field: an event of more than a megabyte, or of a direct change in the database, has a header only.

    Here: its records are read, several in one call, the hidden values arrive, and the gap is closed by that.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", "c-2", title="before")
        calls = world.org.org.org.usage.used()
        world.plant(FaultKind.GAP_EVENT, path="Contact", count=2)
        world.act(*(Edit(key={KEY: id_}, fields={"Title": f"hidden {id_}"}) for id_ in ("c-1", "c-2")), together=True)
        await world.settle()
        assert titles_heard(world)[-1] == "before"
        assert world.org.org.org.usage.used() == calls + 1
        assert await titles(world, "c-1", "c-2") == ["hidden c-1", "hidden c-2"]
        (gap,) = world.open_gaps()
        assert gap.reason is GapReason.GAP_EVENT
        assert len(gap.record_ids) == 2
        assert isinstance((await world.repair())[0], Closed)


async def test_case_05_an_overflow_event(tmp_path: Path) -> None:
    """In the field: a transaction of more than 100,000 changes is told by one event without any record id.

    Here: the object and the moment are a gap, and every record that was changed since is compared.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        world.plant(FaultKind.OVERFLOW_EVENT, path="Contact", count=1)
        world.edit("c-1", Title="one of 100,001")
        await world.settle()
        assert (await world.document("c-1"))["title"] == "before"
        (gap,) = world.open_gaps()
        assert (gap.reason, gap.entity) == (GapReason.OVERFLOW, "Contact")
        assert world.parked() == {}
        await world.repair()
        assert await titles(world, "c-1") == ["one of 100,001"]
        assert world.open_gaps() == []


async def test_case_06_a_merged_event(tmp_path: Path) -> None:
    """In the field: one event stands for many records, or by a wildcard for all, and one of them is taken in.

    Here: it is a record in the log for each id, and a wildcard has the whole object compared.
    """
    async with case_world(tmp_path, merge_identical_changes=True) as world:
        ids = [f"c-{number}" for number in range(4)]
        await world.linked(*ids, title="before")
        heard, commits = len(world.log.records), world.commits()
        edits = [Edit(key={KEY: id_}, fields={"Title": "for all"}) for id_ in ids]
        world.act(*edits, together=True)
        assert world.commits() == commits + 1
        await world.settle()
        assert len(world.log.records) == heard + 4
        keys = {each.key for each in world.log.records[heard:]}
        assert keys == {topics.record_key(world.record(id_)["Id"]) for id_ in ids}
        assert await titles(world, *ids) == ["for all"] * 4
        org = world.org.org.org
        org.ledger.publish_gap("Contact", "GAP_UPDATE", ["003*"], org.api_user)
        await world.settle()
        assert [gap.reason for gap in world.open_gaps()] == [GapReason.WILDCARD]
        (closed,) = await world.repair()
        assert isinstance(closed, Closed)
        assert closed.found.looked == 4


async def test_case_09_a_token_that_is_revoked_in_the_stream(tmp_path: Path) -> None:
    """In the field: `401::Authentication invalid` in the middle of the stream ends it, or a cursor in memory is lost.

    Here: one login, a new handshake, a subscription from the last event that is in hand: nothing is missed or doubled.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        await world.held()
        world.edit("c-1", Title="with the old token")
        world.org.org.org.tokens.revoke_all()
        world.edit("c-1", Title="with none")
        await world.settle()
        world.edit("c-1", Title="with the new one")
        await world.settle()
        assert titles_heard(world)[-3:] == ["with the old token", "with none", "with the new one"]
        assert await titles(world, "c-1") == ["with the new one"]
        assert world.listeners[0].health.counts["logins"] == 1
        assert world.open_gaps() == []


@pytest.mark.parametrize("cut", [False, True])
async def test_case_10_an_unknown_client(tmp_path: Path, *, cut: bool) -> None:
    """In the field: after `403::Unknown client` the client shakes hands again and never subscribes, or from now on.

    Here: the new session subscribes from the last event in hand, also to what was committed between the two.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        await world.held()
        world.org.org.cometd.faults.forget_sessions(cut=cut)
        world.edit("c-1", Title="between two sessions")
        world.edit("c-1", Department="Sales")
        await world.settle()
        assert titles_heard(world).count("between two sessions") == 1
        assert await titles(world, "c-1") == ["between two sessions"]
        assert world.listeners[0].health.counts["sessions"] == 2
        assert world.listeners[0].health.counts["logins"] == 0


@pytest.mark.parametrize("advice", ["none", "handshake", None])
async def test_case_11_a_disconnect_by_the_server(tmp_path: Path, advice: str | None) -> None:
    """In the field: the server sends its clients away before a release (API 64 on), and nobody reads that message.

    Here: it is an ordinary end of a session, known by its name; a new one begins within the window for it, and goes on.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        await world.held()
        world.org.org.cometd.faults.disconnect_clients(advice)  # type: ignore[arg-type]
        world.edit("c-1", Title="after it")
        await world.settle()
        assert titles_heard(world).count("after it") == 1
        assert await titles(world, "c-1") == ["after it"]
        counts = world.listeners[0].health.counts
        assert (counts["server_disconnect"], counts["unknown_client"], counts["logins"]) == (1, 0, 0)


async def test_case_12_a_line_that_is_half_open(tmp_path: Path) -> None:
    """In the field: no error and no event for hours; the connection is dead, and the client goes on waiting.

    Here: a poll may be silent for the server's own hold and a little more; then the session is over and resumed.
    """
    async with case_world(tmp_path, listen=False) as world:
        world.listen(poll_slack_seconds=0.3)
        await world.linked("c-1", title="before")
        await world.held()
        faults = world.org.org.cometd.faults
        faults.arm(StreamFault(kind=StreamKind.STALL, seconds=600, on=CONNECT))
        await eventually(lambda: faults.struck["stall"], SOON)
        world.edit("c-1", Title="into the silence")
        await world.settle()
        assert await titles(world, "c-1") == ["into the silence"]
        assert world.listeners[0].health.counts["lost_reply"] >= 1


async def test_case_13_a_second_subscription(tmp_path: Path) -> None:
    """In the field: each reconnect leaves the old subscription alive, and every event comes once for each of them.

    Here: one owner by a lease, the other stands by; an owner that slept past its lease finds its epoch fenced off and
    moves the position no more; what it appended meanwhile is known again by the rules.
    """
    async with case_world(tmp_path, listen=False) as world:
        awake = asyncio.Event()
        awake.set()

        async def pause(seconds: float) -> None:
            await asyncio.sleep(seconds)
            await awake.wait()

        first = world.listen("a", clock=lambda: 0.0, pause=pause)
        await world.linked("c-1", title="before")
        second = world.listen("b")
        await eventually(lambda: second.health.state is State.STANDBY, SOON)
        world.edit("c-1", Title="with two at work")
        await world.settle()
        assert Counter(titles_heard(world))["with two at work"] == 1
        world.log.gate.clear()
        world.edit("c-1", Title="in the first one's hands")
        await eventually(lambda: world.log.waiting == 1, SOON)
        awake.clear()
        world.lease_seconds = 60.0
        await eventually(lambda: second.health.state is State.CONNECTED, SOON)
        epoch = world.positions.epochs[CHANNEL]
        world.log.gate.set()
        awake.set()
        await eventually(lambda: first.health.counts["lease_losses"], SOON)
        await world.settle()
        assert world.positions.epochs[CHANNEL] >= epoch
        assert await titles(world, "c-1") == ["in the first one's hands"]
        assert Counter(titles_heard(world))["in the first one's hands"] <= 2
        assert world.outcomes(Outcome.PARKED) == 0
        assert [each.health.state for each in (first, second)].count(State.STANDBY) == 1


async def test_case_14_a_full_buffer(tmp_path: Path) -> None:
    """In the field: the receive buffer is full, an event is dropped, and the cursor moves on over it.

    Here: the client stops asking at the high mark, so memory is bounded; the position stays behind what is not in the
    log, and afterwards every event is there, once and in order.
    """
    cometd = {"entities": ["Contact"], "token_check_seconds": 0.02, "hold_seconds": 1.0, "batch_size": 2}
    async with case_world(tmp_path, listen=False, cometd=cometd) as world:
        await world.linked("c-1", title="before")
        listener = world.listen(high_mark=4, low_mark=1, batch_records=2)
        await world.settle()
        stood = world.positions.stored[CHANNEL]
        world.log.gate.clear()
        for number in range(20):
            world.edit("c-1", Title=f"edit {number}")
        await eventually(lambda: listener.health.state is State.HELD_BACK or listener.health.buffered > 6, SOON)
        assert listener.health.buffered <= 4 + 2 - 1
        assert world.positions.stored[CHANNEL] == stood
        world.log.gate.set()
        await world.settle()
        assert [title for title in titles_heard(world) if title.startswith("edit")] == [f"edit {n}" for n in range(20)]
        assert await titles(world, "c-1") == ["edit 19"]


async def test_case_15_a_poison_event(tmp_path: Path) -> None:
    """In the field: an event that cannot be read is skipped without a word, or holds its topic up for ever.

    Here: it is parked with its bytes and the reason, its neighbours arrive, and the position is behind it.
    """
    async with case_world(tmp_path) as world:
        await world.linked("c-1", title="before")
        bus = world.org.org.org.bus
        at = world.now
        header = {"entityName": "Contact", "recordIds": [world.record("c-1")["Id"]], "changeType": "NO_SUCH_TYPE"}
        world.edit("c-1", Title="before the poison")
        bus.publish_all([("Contact", {"ChangeEventHeader": header, "Title": "secret"})], at, at)
        bus.publish_all([("Contact", {"no": "header"})], at, at)
        world.edit("c-1", Title="behind the poison")
        await world.settle()
        assert await titles(world, "c-1") == ["behind the poison"]
        assert world.outcomes(Outcome.PARKED) == 2
        rows = list(world.stage.parked.rows.values())  # type: ignore[attr-defined]
        assert {row.reason for row in rows} == {"undecodable"}
        assert b"NO_SUCH_TYPE" in rows[0].value
        assert not any("secret" in row.detail for row in rows)
        assert world.positions.stored[CHANNEL].replay_id == bus.latest()
