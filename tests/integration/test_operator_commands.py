"""`tandem parked`, `tandem replay` and `tandem show --story` as a person runs them, on the real Kafka and MongoDB."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.redriving import Operator
from support.replaying import Replays

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import make_topics
from adapters.kafka.window import open_window
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.gaps import MongoLogGaps
from ops import gaps_command, parked_command, replay_command, show, show_story
from ops.errands import replays as errands
from ops.gaps_view import handle
from ops.operator_name import operator_name
from ops.parked_command import Chosen
from ops.replay import Run
from ops.replay_command import Asked
from ops.replay_plan import Window
from schemas import topics
from schemas.stream import LostOffsets

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    kafka_bootstrap: str,
    mongodb_uri: str,
    database: AsyncDatabase[dict[str, Any]],
) -> AsyncIterator[Replays]:
    """Settings as a person would set them, and the stages of the processes that run."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_DELIVERY_TIMEOUT": "30",
        "KAFKA_REQUEST_TIMEOUT": "30",
        "MAPPING_PRESET": "customers",
        "MONGODB_URI": mongodb_uri,
        "MONGODB_DATABASE": database.name,
        "COLUMNS": "80",
    }.items():
        monkeypatch.setenv(name, value)
    kafka = KafkaSettings()  # type: ignore[call-arg]
    await make_topics(kafka)
    async with open_producer(kafka) as producer, open_window(kafka, topics.PLATFORM_EVENTS) as window:
        made = Replays(await Operator.at(database), kafka, producer, window)
        made.operator.stage.now = time.time_ns() // 1_000_000
        yield made


async def ran(
    command: Callable[[], int], capsys: pytest.CaptureFixture[str], beside: Callable[[], Any] | None = None
) -> tuple[int, list[str]]:
    """The exit code and the lines, while the stages work beside it."""
    capsys.readouterr()
    running = asyncio.create_task(asyncio.to_thread(command))
    while not running.done():
        if beside is not None:
            await beside()
        await asyncio.wait([running], timeout=0.1)
    captured = capsys.readouterr()
    return running.result(), (captured.out + captured.err).splitlines()


async def test_parked_is_listed_told_of_redriven_and_discarded(
    told: Replays, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way through the real topic; a dry run changes nothing."""
    stage, rows = told.operator.stage, told.operator.database["tandem_parked"]
    await told.put([stage.event({**ADA, "total_tickets": "many"}), stage.event(ADA, id_="c2")])
    await told.handle()
    (row,) = await rows.find().to_list()
    code, lines = await ran(partial(parked_command.run_list, Chosen(), as_json=False), capsys)
    assert code == 0
    assert lines[0].split()[:3] == ["1", "invalid_value", "platform.events"]
    assert [line for line in lines if line.startswith(f"{row['_id']}  invalid_value, customer:cust-1")]
    redrive = partial(parked_command.run_redrive, everything=True, note="tried", wait=30.0)
    code, lines = await ran(partial(redrive, Chosen(), sure=False), capsys)
    assert (code, lines) == (
        0,
        [
            f"{row['_id']}  would be parked again: invalid_value: total_tickets: must be a number",
            "nothing was changed: 1 would be redriven; --yes does it",
        ],
    )
    assert await rows.find().to_list() == [row]
    unheard = partial(parked_command.run_redrive, Chosen(), everything=True, note="", wait=0.0, sure=True)
    code, lines = await ran(unheard, capsys)
    assert (code, lines[0]) == (0, f"{row['_id']}  redriven; not heard of yet")
    code, lines = await ran(partial(parked_command.run_list, Chosen(), as_json=False), capsys)
    assert lines == ["1 redriven and not heard of yet: --state redriven shows them", "nothing is parked"]
    await told.handle()
    code, lines = await ran(partial(redrive, Chosen(), sure=True), capsys, beside=told.handle)
    assert (code, lines) == (
        1,
        [
            f"{row['_id']}  redriven; parked again: invalid_value",
            "1 of 1 have failed as before: the cause is still there",
        ],
    )
    (again,) = await rows.find().to_list()
    assert (again["_id"], again["attempts"], bytes(again["value"])) == (row["_id"], 3, bytes(row["value"]))
    discard = partial(parked_command.run_discard, Chosen(ids=[row["_id"]]), everything=False, note="theirs")
    code, lines = await ran(partial(discard, sure=False), capsys)
    assert lines == [
        f"{row['_id']}  would be discarded: invalid_value",
        "nothing was changed: 1 would be discarded; --yes does it",
    ]
    code, lines = await ran(partial(discard, sure=True), capsys)
    assert (code, lines) == (0, [f"{row['_id']}  discarded"])
    code, lines = await ran(partial(parked_command.run_list, Chosen(), as_json=False), capsys)
    assert (code, lines) == (0, ["nothing is parked"])
    code, lines = await ran(partial(show_story.run, "customer", "cust-1", rows=20, values=False), capsys)
    assert code == 0
    assert "discarded" in "".join(lines)
    assert "many" not in "".join(lines)
    alone = lines[1:]
    code, lines = await ran(partial(show.run, "customer", "cust-1", rows=20, values=False), capsys)
    assert (code, lines[-len(alone) :]) == (0, alone)
    code, lines = await ran(partial(show.run, "customer", "cust-1", rows=2, values=False), capsys)
    assert (code, lines[-2:]) == (0, alone[-2:])
    assert [line for line in lines if line.startswith("the last 2 entries; ")]


@pytest.mark.parametrize(
    ("chosen", "line"),
    [
        (Chosen(), "say which: ids, --reason, --topic, --kind, --key, --from, --to, or --all"),
        (Chosen(since="yesterday"), '"yesterday" is no moment'),
        (Chosen(kind="person"), '"person" is no kind of the mapping; there are: customer'),
        (Chosen(ids=["platform.events:0:1"]), "platform.events:0:1: there is nothing of this id"),
        (Chosen(ids=["customer:nobody"]), "customer:nobody: there is no customer nobody in customers"),
    ],
)
@pytest.mark.usefixtures("told")
async def test_what_cannot_be_done_is_one_line(chosen: Chosen, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is."""
    redrive = partial(parked_command.run_redrive, chosen, everything=False, note="", wait=0.0, sure=True)
    code, lines = await ran(redrive, capsys)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(line)


async def test_a_gap_that_is_closed_is_in_the_audit(told: Replays, capsys: pytest.CaptureFixture[str]) -> None:
    """Who closed it, and why; and of one that could not be closed nothing was done."""
    gaps = MongoLogGaps(told.operator.database)
    await gaps.record("tandem.reconcile", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", LostOffsets(5, 9, 12), 1)
    (gap,) = await MongoGapRows(told.operator.database).unrepaired()
    code, lines = await ran(partial(gaps_command.run_close, handle(gap.id), "sent again"), capsys)
    assert code == 0, lines
    (row,) = await told.operator.operations()
    assert (row["what"], row["item"].split(",")[0]) == ("close gap", f"gap {handle(gap.id)}")
    assert (row["by"], row["note"], row["result"]) == (operator_name(), "sent again", "done")


async def test_a_replay_is_planned_run_and_run_again(told: Replays, capsys: pytest.CaptureFixture[str]) -> None:
    """In the words of the runbook; the second one finds nothing to do."""
    stage = told.operator.stage
    ours = uuid.uuid4().hex  # the topic is everybody's, the test's last try too
    await told.put([stage.event(ADA), stage.event(ADA, id_=ours)])
    await told.handle()
    await told.operator.database["customers"].delete_one({"_id": ours})
    since = f"{(time.time_ns() // 1_000_000 - told.since) // 1000 + 2}s"
    asked = Asked(topic=topics.PLATFORM_EVENTS, start=since, key=f"customer:{ours}")
    replay = partial(replay_command.run, asked, note="lost", lag=1_000, names=1, group=told.group)
    code, lines = await ran(partial(replay, dry=True, sure=False), capsys)
    assert code == 0
    assert re.fullmatch(r"1 would be published again; \d+ (is|are) left where (it is|they are)", lines[-1]), lines
    assert await told.handle() == []
    code, lines = await ran(partial(replay, dry=False, sure=True), capsys)
    assert code == 0, lines
    assert lines[-1].startswith("1 record was published again, by run ")
    assert [str(result.outcome) for result in await told.handle()] == ["applied"]
    assert (await stage.document(ours))["last_name"] == "Lovelace"
    code, lines = await ran(partial(replay, dry=False, sure=True), capsys)
    assert (code, lines[-1]) == (0, "nothing would change, so nothing is published")
    run = (await told.operator.operations())[0]["_id"]
    resume = partial(replay_command.run, Asked(resume=run), dry=False, sure=True, note="", lag=0, names=0)
    code, lines = await ran(resume, capsys)
    assert (code, lines) == (1, [f"{run} has come to its end: 1 were published"])
    code, lines = await ran(replay_command.run_list, capsys)
    assert (code, lines) == (0, ["every replay has come to its end"])


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ({"state": "planning", "work": errands.PLAN}, "is worked at by `tandem admin`: pause it on its page first"),
        ({"state": "planned"}, "was only planned: begin it on the admin page, or plan another"),
        ({"state": "begun", "begun_at": 1, "work": errands.PUBLISH}, "is worked at by `tandem admin`: pause it on its"),
        ({"state": "cancelled", "begun_at": 1}, "was cancelled after 0 records; plan another"),
        ({"state": "paused", "begun_at": 1}, ""),
    ],
)
async def test_a_replay_of_the_admin_page_is_gone_on_with_where_that_was_meant(
    told: Replays, capsys: pytest.CaptureFixture[str], page: dict[str, Any], line: str
) -> None:
    """One that was begun there and paused; never beside it, and not before somebody has said why."""
    stage, operations = told.operator.stage, told.operator.parking.operations
    run = Run("of-the-page", topics.PLATFORM_EVENTS, Window({}))
    row = errands.asked_row(run, stage.now, None, by="grace", at=stage.now)
    row.pop("work")
    await operations.add([{**row, **page}])
    resume = partial(replay_command.run, Asked(resume=run.id), dry=False, sure=True, note="", lag=0, names=0)
    code, lines = await ran(resume, capsys)
    assert code == bool(line)
    assert not line or lines[0].startswith(f"{run.id} {line}")
