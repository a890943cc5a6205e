"""MongoDB lost, and restored from a backup that is older: the procedure of docs/runbook.md, with everything real but
Salesforce.

What was acknowledged since is in Kafka, whose consumers stand behind it, and in Salesforce, whose position is restored
with the documents.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from support.backup import dump, restore
from support.running import MAIN, until
from support.whole import Whole

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.users import MongoSessions
from ops import sync_command, verify_command
from ops.processes import reconcile
from schemas import topics
from schemas.operators import Session
from schemas.sync_run import Purpose, RunDirection
from simulator.org.edits import Edit

pytestmark = [pytest.mark.integration, pytest.mark.e2e, pytest.mark.timeout(400)]

OpenWhole = Callable[..., Any]
FACTS = (topics.PLATFORM_EVENTS, topics.SALESFORCE_CHANGES)
PARTITIONS = 3
REST = 120.0
"""More than a busy machine takes, in seconds."""
POISON = b"{not json"


async def move_back(bootstrap: str, since: datetime) -> int:
    """The reconcilers' group, to a moment: `kafka-consumer-groups.sh --reset-offsets --to-datetime`. By how much."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=reconcile.GROUP, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in FACTS for number in range(PARTITIONS)]
        moment = int(since.timestamp() * 1000)
        found = await consumer.offsets_for_times(dict.fromkeys(places, moment))
        ends = await consumer.end_offsets(places)
        to = {place: ends[place] if found[place] is None else found[place].offset for place in places}
        consumer.assign(places)
        stood = sum([await consumer.committed(place) or 0 for place in places])
        await consumer.commit(to)
        return stood - sum(to.values())
    finally:
        await consumer.stop()


async def nothing_unread(world: Whole) -> None:
    """The reconcilers have handled both topics of facts, and the subscriber has brought all that Salesforce keeps."""

    async def handled() -> bool:
        left = await world.backlog.read()
        behind = sum(left[topic].unfinished for topic in FACTS)
        return not behind and await world.position() == world.org.org.bus.latest()

    await until(handled, "what was missed is heard again", seconds=REST)


async def test_a_restored_backup_catches_up_without_loss_or_doubling(
    open_whole: OpenWhole, kafka_bootstrap: str
) -> None:
    """Facts come again from Kafka and Salesforce; the writer starts when they have, and makes nothing a second time."""
    async with open_whole() as world:
        old, young = world.names(12), world.names(3)
        await world.post_new(old, title="Engineer")
        await world.rest(REST)
        visit = Session("of-a-browser", "ada", "csrf", began_at=0, seen_at=0)
        await MongoSessions(world.database).begin(visit, int(datetime.now(UTC).timestamp() * 1000) + 3_600_000)
        assert await MongoSessions(world.database).find(visit.id)
        began = datetime.now(UTC)
        await world.rename(old[0], title="Seen by half of the backup")
        backup = await dump(world.database)
        restored_position = await world.position()

        # What the backup does not know: edits of either side, of both, people who came, a record that went.
        for name in old[:4]:
            await world.rename(name, title=f"Platform {name}")
        await world.rest(REST)
        for name in old[2:6]:
            world.edit(name, Department=f"SALES {name}")
        await world.rest(REST)
        await world.rename(old[0], title="Twice since the backup")
        await world.post_new(young, title="Countess")
        async with open_producer(KafkaSettings(bootstrap_servers=kafka_bootstrap)) as producer:
            await producer.deliver_all(topics.PLATFORM_EVENTS, [(b"customer:poison", POISON, [])])
        gone = await world.record(old[11])
        world.edits([Edit(action="delete", id=gone["Id"])])
        await world.rest(REST)
        before = {name: await world.document(name) for name in (*old, *young)}
        assert before[old[11]]["salesforce"]["syncStatus"] == "gone"
        records = await world.records()
        (parked,) = await world.parked()

        # The disk is lost. What happens in Salesforce meanwhile is heard by nobody.
        for name in MAIN:
            await world.stop(name)
        await world.database.client.drop_database(world.database.name)
        world.edit(old[7], Department="WHILE NOBODY LISTENED")
        await restore(backup, world.database)
        assert await world.position() <= restored_position
        assert not await world.document(young[0])
        assert await MongoSessions(world.database).find(visit.id) is None

        # Facts first, and nothing is written until they have come.
        written = world.calls("POST", "composite") + world.calls("PATCH")
        assert await move_back(kafka_bootstrap, began) > 0
        world.start("subscribe")
        world.start("reconcile")
        await nothing_unread(world)
        assert world.calls("POST", "composite") + world.calls("PATCH") == written

        for name in ("write", "webhook", "repair"):
            world.start(name)
        await world.rest(REST)
        after = {name: await world.document(name) for name in (*old, *young)}
        for name, document in before.items():
            for path in ("title", "last_name", "email"):
                assert after[name][path] == document[path], (name, path)
            if name != old[7]:
                assert after[name].get("department") == document.get("department"), name
            assert after[name]["salesforce"]["recordId"] == document["salesforce"]["recordId"]
        assert after[old[7]]["department"] == "WHILE NOBODY LISTENED"
        assert after[old[11]]["salesforce"]["syncStatus"] == "gone"
        assert sorted(each["Id"] for each in await world.records()) == sorted(each["Id"] for each in records)
        (again,) = await world.parked()
        assert (again["_id"], again["reason"]) == (parked["_id"], parked["reason"])
        assert not await world.gaps()

        # And life goes on, in both directions.
        await world.rename(old[1], title="After the restore")
        world.edit(old[2], Department="AFTER THE RESTORE")
        await world.rename(young[0], title="Known again")
        await world.rest(REST)
        assert await world.both(old[1], "title") == "After the restore"
        assert await world.both(young[0], "title") == "Known again"
        assert await world.both(old[2], "department") == "AFTER THE RESTORE"
        for name in (*old[:11], *young):
            for path in ("title", "last_name", "email", "department"):
                await world.both(name, path)


async def empty(bootstrap: str) -> None:
    """All records that Kafka keeps are lost; its groups stand at the end of nothing."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        places = [TopicPartition(topic, number) for topic in topics.ALL for number in range(PARTITIONS)]
        await admin.delete_records({place: RecordsToDelete(before_offset=-1) for place in places})
    finally:
        await admin.close()


async def test_kafka_is_lost_too_and_a_comparison_finds_what_nobody_tells_again(
    open_whole: OpenWhole, kafka_bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row of the runbook: nothing to hear again, the platform posts again, and after a run nothing is different."""
    async with open_whole() as world:
        old, young = world.names(8), world.names(2)
        await world.post_new(old, title="Engineer")
        await world.rest(REST)
        backup = await dump(world.database)
        for name in old[:2]:
            await world.rename(name, title=f"Platform {name}")
        await world.post_new(young, title="Countess")
        await world.rest(REST)
        world.edit(old[2], Department="SALES")
        await world.rest(REST)
        records = sorted(each["Id"] for each in await world.records())

        for name in MAIN:
            await world.stop(name)
        await world.database.client.drop_database(world.database.name)
        with world.untold():
            world.edit(old[3], Department="TOLD BY NOBODY")
        gone = await world.record(old[7])
        with world.untold():
            world.edits([Edit(action="delete", id=gone["Id"])])
        await empty(kafka_bootstrap)
        await restore(backup, world.database)

        world.start("subscribe")
        world.start("reconcile")
        await nothing_unread(world)
        for name in ("write", "webhook", "repair"):
            world.start(name)
        for name in old[:2]:
            await world.rename(name, title=f"Platform {name}")
        await world.post_new(young, title="Countess")
        await world.rest(REST)
        assert (await world.document(old[3])).get("department") is None
        ended = await asyncio.to_thread(
            sync_command.run_sync,
            "all",
            direction=RunDirection.BOTH,
            purpose=Purpose.COMPARE,
            since="",
            created_since="",
            filter_text="",
            dry_run=False,
            sure=True,
        )
        assert ended == 0
        await world.rest(REST)

        async def nothing_differs() -> bool:
            wanted = verify_command.Wanted()
            return await asyncio.to_thread(verify_command.run, wanted, values=False, as_json=False) == 0

        # What was written this moment may be in flight.
        await until(nothing_differs, "nothing is truly different", seconds=REST)
        assert "nothing is truly different" in capsys.readouterr().out
        assert await world.both(old[3], "department") == "TOLD BY NOBODY"
        assert await world.both(old[2], "department") == "SALES"
        for name in old[:2]:
            assert await world.both(name, "title") == f"Platform {name}"
        for name in young:
            assert await world.both(name, "title") == "Countess"
        assert (await world.document(old[7]))["salesforce"]["syncStatus"] == "gone"
        assert sorted(each["Id"] for each in await world.records()) == [each for each in records if each != gone["Id"]]
