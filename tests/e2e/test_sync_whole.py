"""A run asked for by a person, and one asked for on the topic, with everything real but Salesforce."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from support.running import until

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from ops import sync_command
from schemas import topics
from schemas.sync_run import Purpose, RunDirection
from simulator.org.edits import Edit

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

OpenWhole = Callable[..., Any]
OPTIONS = {
    "direction": RunDirection.BOTH,
    "purpose": Purpose.SYNC,
    "since": "",
    "created_since": "",
    "filter_text": "",
    "sure": True,
}


async def command(run: Callable[..., int], *arguments: Any, **options: Any) -> int:
    """Its exit code."""
    return await asyncio.to_thread(run, *arguments, **options)


async def test_a_first_load_and_a_comparison_from_end_to_end(
    open_whole: OpenWhole, capsys: pytest.CaptureFixture[str], kafka_bootstrap: str
) -> None:
    """Documents that were there before are written; what happens while nobody listens is found by the comparison."""
    async with open_whole(start=("subscribe", "reconcile", "write")) as world:
        names = world.names(6)
        for name in names:
            await world.database["customers"].insert_one({"_id": name, "last_name": f"Last {name}"})
        await until(world.connected, "somebody follows the changes")
        known = {"LastName": "Known", world.kind.external_id: names[0], "Title": "Dr"}
        world.edits([Edit(action="create", fields=known)])

        assert await command(sync_command.run_sync, "customer", dry_run=True, **OPTIONS) == 0
        told = capsys.readouterr().out
        assert "          5    to be made in Salesforce, where no record matches\n" in told
        assert "          1    to be linked: a record holds their id\n" in told
        assert len(await world.records()) == 1
        assert await world.database["tandem_runs"].count_documents({}) == 0

        assert await command(sync_command.run_sync, "customer", dry_run=False, **OPTIONS) == 0
        await world.rest()
        assert len(await world.records()) == 6
        assert [await world.both(name, "last_name") for name in names[1:]] == [f"Last {name}" for name in names[1:]]
        assert await world.both(names[0], "title") == "Dr"

        await world.stop("subscribe")
        gone, edited = await world.record(names[1]), await world.record(names[2])
        world.edits([Edit(action="delete", id=gone["Id"]), Edit(id=edited["Id"], fields={"Title": "Countess"})])
        world.start("schedule")
        request = orjson.dumps({"id": f"night-{names[0]}", "what": "customer", "purpose": "compare", "by": "e2e"})
        async with open_producer(KafkaSettings(bootstrap_servers=kafka_bootstrap)) as producer:
            await producer.deliver_all(topics.COMMANDS, [(b"night", request, []), (b"night", request, [])])

        async def ended() -> bool:
            run = await world.database["tandem_runs"].find_one({"_id": f"night-{names[0]}"})
            return run is not None and run["state"] == "done"

        await until(ended, "the comparison is done")
        await until(lambda: _status(world, names[1], "gone"), "the deleted record is known to be gone")
        await until(lambda: _title(world, names[2], "Countess"), "the edit is in the document")
        assert await world.database["tandem_runs"].count_documents({"_id": f"night-{names[0]}"}) == 1
        assert await command(sync_command.run_show, f"night-{names[0]}") == 0
        shown = capsys.readouterr().out
        assert "compare customer: 5 of 5, done" in shown
        assert "          1  missing" in shown
        assert await command(sync_command.run_list, 10) == 0
        assert {"customer", "compare", "done"} <= set(capsys.readouterr().out.split())
        assert await command(sync_command.run_cancel, f"night-{names[0]}") == 1


async def _status(world: Any, name: str, status: str) -> bool:
    return bool((await world.document(name))["salesforce"]["syncStatus"] == status)


async def _title(world: Any, name: str, title: str) -> bool:
    return bool((await world.document(name)).get("title") == title)


async def test_ctrl_c_pauses_a_run_and_resuming_goes_on_with_it(open_whole: OpenWhole) -> None:
    """It waits, since nobody writes what it has made due; what is done stays done, and the rest follows."""
    async with open_whole(start=("reconcile",), settings={"SCHEDULE_BACKLOG": "100"}) as world:
        names = sorted(world.names(600))
        await world.database["customers"].insert_many([{"_id": name, "last_name": name} for name in names])
        await until(lambda: "reconcile" in world.stages["reconcile"].frame.up, "a mapping is published")
        asked = await _tandem("run", "customer", "--direction", "push", "--yes")

        async def waits() -> bool:
            run = await world.database["tandem_runs"].find_one({})
            return run is not None and run["waits"].endswith(" first")

        await until(waits, "the run waits for the stages")
        asked.send_signal(signal.SIGINT)
        _, told = await asyncio.wait_for(asked.communicate(), 60)
        paused = await world.database["tandem_runs"].find_one({})
        assert asked.returncode == 1, told
        assert (
            f"interrupted; what is done stays done, and `tandem sync resume {paused['_id']}` goes on" in told.decode()
        )
        assert (paused["state"], paused["steps"][0]["passed"]) == ("paused", 250)
        resumed = await _tandem("resume", paused["_id"], SCHEDULE_BACKLOG="10000")
        shown, told = await asyncio.wait_for(resumed.communicate(), 60)
        assert resumed.returncode == 0, told
        assert "push customer: 600 of 600, done" in shown.decode()


async def _tandem(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    """`tandem sync`, as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "sync", *arguments),
        env={**os.environ, "COLUMNS": "200", **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
