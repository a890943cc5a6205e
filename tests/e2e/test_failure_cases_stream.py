"""Failure cases of the way in from Salesforce, by their numbers: 1, 2, 4, 5 and 9 to 13.

Each brings its case about in the simulated org, on real Kafka and MongoDB, and has the demo's observer count what was
lost, doubled, echoed or left different. What was missed is a gap, and is closed with what was found. The cases that
need an org of their own are in `test_failure_cases_orgs.py`.
"""

from collections.abc import Callable
from typing import Any

import pytest
from support.running import until
from support.whole import Whole

from schemas import topics
from schemas.change import OVERFLOW_RECORD_ID
from simulator.org.cometd.faults import FaultKind as StreamKind
from simulator.org.cometd.faults import StreamFault
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind

pytestmark = [pytest.mark.integration, pytest.mark.e2e]


async def edits_arrive(world: Whole, names: list[str], title: str) -> None:
    """Whatever has just happened to the stream, a user's edits come through."""
    for name in names:
        world.edit(name, Title=title)
    await world.rest()
    assert [await world.both(name, "title") for name in names] == [title] * len(names)


async def test_case_01_refused_position_is_a_recorded_gap(world: Whole) -> None:
    """An expired position: one gap over just the window that was missed, an alarm, and a repair by itself."""
    name, other, third = world.take(3)
    world.edit(name, Title="before the gap")
    await world.rest()
    good = world.org.org.bus.after(await world.position() - 1, None, 1)[0].at
    await world.stop("subscribe")
    world.edit(other, Title="in the gap")
    world.org.cometd.faults.forget_replay_ids()
    world.edit(third, Title="after the gap")
    world.start("subscribe")
    (gap,) = await world.closed_gaps()
    assert (gap["reason"], gap["closed_by"]) == ("position_refused", "repair")
    assert gap["progress"]["Contact"]["looked"] >= 2
    await world.rest()
    lost = [row for row in await world.org_witness.commits() if row["after"].get("Title") == "in the gap"]
    assert good == gap["since"] <= lost[0]["timestamp"] <= gap["until"]
    metrics = world.stages["subscribe"].frame.metrics.render().decode()
    assert 'tandem_gaps_total{channel="/data/ChangeEvents",reason="position_refused"} 1.0' in metrics
    assert await world.both(third, "title") == "after the gap"
    assert await world.both(other, "title") == "in the gap"
    await world.clean()


async def test_case_02_nothing_jumps_to_the_latest(world: Whole) -> None:
    """Everything committed after the expiry and before the new subscription arrives: not one event is skipped."""
    names = world.take(10)
    await world.stop("subscribe")
    world.edit(names[0], Title="expires")
    world.org.cometd.faults.forget_replay_ids()
    before = len(await world.gaps())
    for name in names:
        world.edit(name, Title=f"retained {name}", Department="Sales")
    world.start("subscribe")
    await world.rest()
    assert [await world.both(name, "title") for name in names] == [f"retained {name}" for name in names]
    assert len(await world.gaps()) == before + 1
    await world.clean()


async def test_case_04_gap_event_has_the_record_read(world: Whole) -> None:
    """Header-only events: the records are read, many in a call, and what was hidden is in the documents."""
    names = world.take(6)
    reads = world.calls("POST", "composite")
    world.plant(FaultKind.GAP_EVENT, path="Contact", count=len(names))
    key = world.kind.external_id
    world.edits([Edit(key={key: name}, fields={"Title": f"hidden {name}"}) for name in names], together=True)
    await world.clean()
    assert [await world.both(name, "title") for name in names] == [f"hidden {name}" for name in names]
    assert world.calls("POST", "composite") - reads <= len(names)
    gaps = await world.closed_gaps(reason="gap_event")
    records = {(await world.record(name))["Id"] for name in names}
    assert {record_id for gap in gaps for record_id in gap["record_ids"]} >= records


async def test_case_04_gap_events_of_deletion_and_undeletion(world: Whole) -> None:
    """GAP_DELETE and GAP_UNDELETE name a state that only the record tells."""
    (name,) = world.take()
    record = await world.record(name)
    world.plant(FaultKind.GAP_EVENT, path="Contact", count=1)
    world.edits([Edit(action="delete", id=record["Id"])])
    await world.rest()
    assert (await world.document(name))["salesforce"]["syncStatus"] == "gone"
    world.plant(FaultKind.GAP_EVENT, path="Contact", count=1)
    world.edits([Edit(action="undelete", id=record["Id"])])
    await world.clean()
    assert (await world.document(name))["salesforce"]["syncStatus"] == "synced"


async def test_case_05_overflow_is_a_gap_and_skips_nothing(world: Whole) -> None:
    """An event without record ids has its object compared, and the stream goes on behind it."""
    name, hidden = world.take(2)
    before = await world.parked()
    await world.stop("subscribe")
    with world.untold():
        world.edit(hidden, Title="told by the overflow alone")
    org = world.org.org
    for record_ids in ([OVERFLOW_RECORD_ID], ["003*"]):
        org.ledger.publish_gap("Contact", "GAP_OVERFLOW", record_ids, org.api_user)
    world.start("subscribe")
    await edits_arrive(world, [name], "after the overflow")
    (overflow,) = await world.closed_gaps(reason="overflow")
    (wildcard,) = await world.closed_gaps(reason="wildcard")
    assert overflow["entity"] == wildcard["entity"] == "Contact"
    assert wildcard["progress"]["Contact"]["looked"] >= 80
    assert await world.parked() == before
    await world.rest()
    assert await world.both(hidden, "title") == "told by the overflow alone"
    await world.clean()


Happening = Callable[[Whole], Any]


def _revoke(world: Whole) -> None:
    assert world.org.org.tokens.revoke_all()


def _refuse_connect(world: Whole) -> None:
    world.org.cometd.faults.arm(StreamFault(kind=StreamKind.UNAUTHORIZED, times=2, on=frozenset({"/meta/connect"})))


def _refuse_handshake(world: Whole) -> None:
    world.org.cometd.faults.arm(StreamFault(kind=StreamKind.DENY_HANDSHAKE, times=2))
    world.org.cometd.faults.forget_sessions()


def _forget(world: Whole) -> None:
    world.org.cometd.faults.forget_sessions()


def _forget_and_cut(world: Whole) -> None:
    world.org.cometd.faults.forget_sessions(cut=True)


def _sent_away(advice: str | None) -> Happening:
    def happen(world: Whole) -> None:
        world.org.cometd.faults.disconnect_clients(advice)  # type: ignore[arg-type]

    return happen


def _strike(kind: StreamKind, **options: Any) -> Happening:
    def happen(world: Whole) -> None:
        world.org.cometd.faults.arm(StreamFault(kind=kind, **options))

    return happen


@pytest.mark.parametrize(
    "happen",
    [
        pytest.param(_revoke, id="case_09_token_revoked_mid_stream"),
        pytest.param(_refuse_connect, id="case_09_connect_answered_401"),
        pytest.param(_refuse_handshake, id="case_09_handshake_denied"),
        pytest.param(_forget, id="case_10_unknown_client"),
        pytest.param(_forget_and_cut, id="case_10_server_restarted"),
        pytest.param(_sent_away("none"), id="case_11_sent_away_advice_none"),
        pytest.param(_sent_away("handshake"), id="case_11_sent_away_advice_handshake"),
        pytest.param(_sent_away(None), id="case_11_sent_away_without_advice"),
        pytest.param(_strike(StreamKind.LOSE, times=2, with_events=True), id="case_12_replies_lost_with_events"),
        pytest.param(_strike(StreamKind.CUT, times=2, with_events=True), id="case_12_replies_cut_with_events"),
        pytest.param(_strike(StreamKind.BAD_JSON, times=2, with_events=True), id="case_12_replies_cut_in_the_json"),
        pytest.param(_strike(StreamKind.BLACK_HOLE, seconds=2), id="case_12_half_open_line"),
        pytest.param(
            _strike(StreamKind.STALL, seconds=600, on=frozenset({"/meta/connect"})), id="case_12_request_never_answered"
        ),
        pytest.param(_strike(StreamKind.UNAVAILABLE, times=3), id="case_12_gateway_says_503"),
    ],
)
async def test_case_09_to_12_the_stream_breaks(world: Whole, happen: Happening) -> None:
    """Before, while and after: every edit arrives once, nothing is written for it, and no gap is recorded."""
    names = world.take(3)
    gaps = len(await world.gaps())
    commits = len(await world.org_witness.commits())
    await until(world.connected, "the stream is held")
    world.edit(names[0], Title="just before")
    happen(world)
    world.edit(names[1], Title="just after")
    await edits_arrive(world, names[2:], "a while after")
    assert await world.both(names[0], "title") == "just before"
    assert await world.both(names[1], "title") == "just after"
    assert len(await world.org_witness.commits()) == commits + 3
    assert len(await world.gaps()) == gaps
    await world.clean()


async def test_case_10_events_between_sessions_come_after_the_stored_position(world: Whole) -> None:
    """Killed between the log and its position, the next session repeats and skips nothing; repeats change nothing."""
    names = world.take(5)
    await world.kill("subscribe")
    for name in names:
        world.edit(name, Title="while nobody listened")
    await world.database["tandem_positions"].update_many({}, {"$set": {"replay_id": world.org.org.bus.earliest()}})
    commits = len(await world.org_witness.commits())
    world.start("subscribe")
    await world.clean()
    assert [await world.both(name, "title") for name in names] == ["while nobody listened"] * 5
    assert len(await world.org_witness.commits()) == commits


async def test_case_13_two_subscribers_have_one_owner(world: Whole) -> None:
    """A second one stands by: every event is in the log once. When the first goes, the second takes over at once."""
    names = world.take(6)
    await until(world.connected, "the first holds the stream")
    world.start("subscribe-2", stage="subscribe")
    before = (await world.backlog.read())[topics.SALESFORCE_CHANGES].records
    await edits_arrive(world, names[:3], "one owner")
    assert (await world.backlog.read())[topics.SALESFORCE_CHANGES].records == before + 3
    await world.kill("subscribe")
    await edits_arrive(world, names[3:], "the other owner")
    assert (await world.backlog.read())[topics.SALESFORCE_CHANGES].records == before + 6
    world.start("subscribe")
    await world.stop("subscribe-2")
    await world.clean()


async def test_case_13_a_lost_lease_moves_no_position(world: Whole) -> None:
    """Someone else owns the org for a while: the old owner stops, its position stays, and then nothing is missing."""
    names = world.take(3)
    leases = world.database["tandem_leases"]
    await until(world.connected, "the stream is held")
    taken = [
        {
            "$set": {
                "owner": "somebody else",
                "epoch": {"$add": ["$epoch", 1]},
                "expires_at": {"$add": ["$$NOW", 600_000]},
            }
        }
    ]
    await leases.update_many({}, taken)
    await world.database["tandem_positions"].update_many({}, [{"$set": {"epoch": {"$add": ["$epoch", 1]}}}])
    stood = await world.position()
    world.edit(names[0], Title="heard by nobody yet")
    await until(lambda: not world.connected(), "the old owner has let go")
    assert await world.position() == stood
    await leases.update_many({}, [{"$set": {"expires_at": "$$NOW"}}])
    await edits_arrive(world, names[1:], "owned again")
    assert await world.both(names[0], "title") == "heard by nobody yet"
    await world.clean()
