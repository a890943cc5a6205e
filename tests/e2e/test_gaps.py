"""Each way to miss something is made, on real Kafka and MongoDB: in the end both sides are equal, the gap is closed.

`tandem gaps` and `tandem verify` look on as a person does.
"""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from support.running import until
from support.whole import Whole
from typer.testing import CliRunner, Result

from ops.cli import app
from schemas import topics
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

HOUR = 3_600_000


async def tandem(*arguments: str) -> Result:
    """Run a command, in a thread of its own as it runs a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments)


async def miss(world: Whole, hidden: str, told: str) -> None:
    """A position that is refused: of three edits the first and the deletion are never told."""
    await world.stop("subscribe")
    world.edit(hidden, Title="never told")
    world.edit(told, Title="never told either")
    world.org.cometd.faults.forget_replay_ids()
    world.edit(told, Department="told")
    world.start("subscribe")


async def open_gap(world: Whole, **which: Any) -> dict[str, Any]:
    """A gap of this sort, as soon as it is recorded."""

    async def recorded() -> bool:
        return await world.database["tandem_gaps"].count_documents(which) > 0

    await until(recorded, f"a gap is recorded: {which}")
    found = await world.database["tandem_gaps"].find_one(which)
    assert found is not None
    return found


async def test_a_person_repairs_a_gap_and_sees_that_both_sides_are_the_same(world: Whole) -> None:
    """No process repairs: the list names the gap, verify what may be in it; by hand it is repaired, and both say so."""
    hidden, told = world.take(2)
    await world.stop("repair")
    await miss(world, hidden, told)
    await open_gap(world, reason="position_refused", state="open")
    await world.rest()
    listed = await tandem("gaps", "list", "--json")
    assert listed.exit_code == 0, listed.output
    gap = next(row for row in map(json.loads, listed.stdout.splitlines()) if row["reason"] == "position_refused")
    shown = await tandem("gaps", "show", gap["gap"][:6])
    assert "every record changed since" in shown.stdout, shown.output

    # Salesforce's clock is not ours to move: what was changed this moment may be in flight.
    async def in_the_gap() -> bool:
        verified = await tandem("verify", "--kind", "customer", "--repair", "--json")
        counts = json.loads(verified.stdout.splitlines()[0])
        assert (verified.exit_code, counts["asked_again"]) == (0, 0), verified.output
        return _reasons(verified) == {"in_gap": 2}

    await until(in_the_gap, "both may be in the gap", every=0.5)

    repaired = await tandem("gaps", "repair", gap["gap"])
    assert (repaired.exit_code, "closed" in repaired.stdout) == (0, True), repaired.output
    await world.rest()
    assert [await world.both(name, "title") for name in (hidden, told)] == ["never told", "never told either"]
    verified = await tandem("verify")
    assert (verified.exit_code, "nothing is truly different" in verified.stdout) == (0, True), verified.output
    assert "no gap is open" in (await tandem("gaps", "list")).stdout
    assert "closed" in (await tandem("gaps", "list", "--all")).stdout
    await world.clean()


async def test_verify_has_what_differs_looked_at_again(world: Whole) -> None:
    """An edit whose event was lost, of which no gap tells, and a deletion whose event was lost too."""
    hidden, deleted = world.take(2)
    record = await world.record(deleted)
    await world.rest()
    await world.stop("subscribe")
    with world.untold():
        world.edit(hidden, Title="lost without a trace")
        world.edits([Edit(action="delete", id=record["Id"])])
    world.start("subscribe")

    async def different() -> bool:
        verified = await tandem("verify", "--kind", "customer", "--json")
        counts = json.loads(verified.stdout.splitlines()[0])
        return verified.exit_code == 1 and counts["truly_different"] == {"customer": 2}

    await until(different, "both are truly different", every=0.5)
    named = (await tandem("verify", "--show", "10")).stdout
    assert f"customer {hidden}" in named
    assert "lost without a trace" not in named
    assert "lost without a trace" in (await tandem("verify", "--values")).stdout

    asked_again = 0

    async def all_found() -> bool:
        """What was changed this moment may be in flight, so the two are found one after the other."""
        nonlocal asked_again
        verified = await tandem("verify", "--repair", "--json")
        assert verified.exit_code in (0, 1), verified.output
        asked_again += json.loads(verified.stdout.splitlines()[0])["asked_again"]
        return asked_again >= 2

    await until(all_found, "both are looked at again", every=0.5)
    await world.rest()
    assert await world.both(hidden, "title") == "lost without a trace"
    assert (await world.document(deleted))["salesforce"]["syncStatus"] == "gone"
    assert (await tandem("verify")).exit_code == 0


async def test_what_waits_in_kafka_is_no_true_difference(world: Whole) -> None:
    """The reconciler is down: an edit and a deletion were told of, and are only not handled yet."""
    edited, deleted = world.take(2)
    record = await world.record(deleted)
    await world.rest()
    await world.stop("reconcile")
    world.edit(edited, Title="waits in Kafka")
    world.edits([Edit(action="delete", id=record["Id"])])
    await _in_the_log(world, 2)

    async def not_handled() -> bool:
        """Before that they may be in flight."""
        verified = await tandem("verify", "--repair", "--json")
        counts = json.loads(verified.stdout.splitlines()[0])
        told = verified.exit_code, counts["asked_again"], counts["not_looked_at_in_kafka"]
        assert told == (0, 0, ""), verified.output
        return _reasons(verified).get("not_handled") == 2

    await until(not_handled, "both wait in Kafka", every=0.5)
    world.start("reconcile")
    await world.rest()
    after = await tandem("verify", "--json")
    assert (after.exit_code, "not_handled" in _reasons(after)) == (0, False), after.output
    await world.clean()


def _reasons(verified: Result) -> dict[str, int]:
    """How many fields differ, by the reason."""
    return {one["why"]: one["fields"] for one in json.loads(verified.stdout.splitlines()[0])["reasons"]}


async def test_a_repair_that_is_killed_is_ended_by_the_next(world: Whole) -> None:
    """In the middle of its look at Salesforce, by whichever process has the lease then; in the end nothing differs."""
    hidden, told = world.take(2)
    world.plant(FaultKind.DELAY, path="queryAll", delay_ms=700)
    await miss(world, hidden, told)
    gap = await open_gap(world, reason="position_refused", state={"$ne": "closed"})
    await world.kill("repair")
    world.start("repair")
    world.start("repair-2", stage="repair")
    await world.kill("repair")
    (closed,) = await world.closed_gaps(_id=gap["_id"])
    await world.stop("repair-2")
    world.start("repair")
    assert closed["progress"]["Contact"]["done"]
    await world.rest()
    assert await world.both(hidden, "title") == "never told"
    await world.clean()


async def test_a_subscriber_that_was_down_beyond_the_retention(world: Whole) -> None:
    """Its position is 80 hours old: a gap before anything else, and everything that is retained after it."""
    hidden, told = world.take(2)
    await world.stop("subscribe")
    await world.database["tandem_positions"].update_many(
        {"channel": "/data/ChangeEvents"}, {"$inc": {"commit_timestamp": -80 * HOUR}}
    )
    with world.untold():
        world.edit(hidden, Title="forgotten by now")
    world.edit(told, Title="retained")
    world.start("subscribe")
    await world.closed_gaps(reason="position_expired")
    await world.rest()
    assert [await world.both(name, "title") for name in (hidden, told)] == ["forgotten by now", "retained"]
    await world.clean()


async def test_changes_that_kafka_has_removed(world: Whole, kafka_bootstrap: str) -> None:
    """Nobody had handled them: both offsets are kept, the log is read on, and every record is read again."""
    names = world.take(4)
    await world.stop("reconcile")
    for name in names:
        world.edit(name, Title=f"removed {name}")
    await _in_the_log(world, len(names))
    await _remove_all(kafka_bootstrap, topics.SALESFORCE_CHANGES)
    world.start("reconcile")
    gaps = await world.closed_gaps(reason="offset_out_of_range")
    # A partition looked at after the first repair holds that repair's rows already.
    assert all(gap["wanted"] < gap["first"] <= gap["end"] for gap in gaps)
    await world.rest()
    assert [await world.both(name, "title") for name in names] == [f"removed {name}" for name in names]
    await world.clean()


async def test_platform_events_that_kafka_has_removed_wait_for_a_person(world: Whole, kafka_bootstrap: str) -> None:
    """They are nowhere else: the gap says so, the platform posts again, a person closes it."""
    (name,) = world.take()
    await world.stop("reconcile")
    await world.rename(name, title="removed")
    await _in_the_log(world, 1, topic=topics.PLATFORM_EVENTS)
    await _remove_all(kafka_bootstrap, topics.PLATFORM_EVENTS)
    world.start("reconcile")
    gap = await open_gap(world, reason="offset_out_of_range", channel=topics.PLATFORM_EVENTS)
    await until(lambda: world.stages["repair"].notes.last("gap_needs_a_person"), "a person is asked")
    shown = await tandem("gaps", "show", gap["_id"])
    assert "post again" in shown.stdout, shown.output
    await world.rename(name, title="posted again")
    await world.rest()
    assert await world.both(name, "title") == "posted again"
    closed = await tandem("gaps", "close", gap["_id"], "--note", "posted again")
    assert closed.exit_code == 0, closed.output
    (row,) = await world.closed_gaps(_id=gap["_id"])
    assert row["note"] == "posted again"
    assert (await tandem("gaps", "close", gap["_id"], "--note", "twice")).exit_code == 1


async def _in_the_log(world: Whole, records: int, topic: str = topics.SALESFORCE_CHANGES) -> None:
    async def there() -> bool:
        return (await world.backlog.read())[topic].unfinished >= records

    await until(there, f"{records} records are in {topic}")


async def _remove_all(bootstrap: str, topic: str) -> None:
    """As retention does: everything up to the end of each partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([topic])
        places = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
        await admin.delete_records({place: RecordsToDelete(before_offset=-1) for place in places})
    finally:
        await admin.close()
