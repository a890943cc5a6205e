"""A process that starts while Kafka or MongoDB is away waits for it, so long, and says so."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.running import Notes, until

from adapters.kafka import topics as kafka_topics
from adapters.kafka.settings import KafkaSettings
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.settings import TelemetrySettings
from ops import processes
from ops.processes import arriving
from ops.processes import frame as frames
from ops.processes.arriving import arrived, when_there
from ops.processes.frame import Frame, StoppedEarly
from schemas.unavailable import Unavailable


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(arriving, "FIRST_SECONDS", 0.001)
    monkeypatch.setattr(arriving, "LONGEST_SECONDS", 0.002)


@pytest.fixture
def frame() -> Frame:
    return Frame(stage="test", log=Notes(), metrics=Metrics(), stop=asyncio.Event())


class Part:
    """Is away so many times, or with -1 for ever."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise Unavailable("nobody listens")
        return "here"


async def test_a_part_that_comes_is_waited_for_and_told_of(frame: Frame) -> None:
    """Each wait is a line that names what it is for; what the part answers is what comes of it."""
    part = Part(away=3)
    assert await arrived("Kafka", part.ask, frame) == "here"
    assert part.asked == 4
    told = [(level, event, row["what"], row["reason"]) for level, event, row in frame.log.rows]
    assert told == [("warning", "unavailable", "Kafka", "nobody listens")] * 3


async def test_a_part_that_stays_away_ends_the_process_as_before(frame: Frame) -> None:
    """Bounded: a supervisor sees that it does not run, and the reason is the part's own."""
    part = Part(away=-1)
    with pytest.raises(Unavailable, match="nobody listens"):
        async with asyncio.timeout(30):
            await arrived("Kafka", part.ask, replace(frame, start_seconds=0.05))
    assert part.asked > 1
    part.asked = 0
    with pytest.raises(Unavailable):
        await arrived("Kafka", part.ask, replace(frame, start_seconds=0))
    assert part.asked == 1


async def test_what_is_no_absence_is_not_waited_for(frame: Frame) -> None:
    """A password that is wrong does not become right."""

    async def refused() -> None:
        raise PermissionError("wrong password")

    with pytest.raises(PermissionError):
        await arrived("MongoDB", refused, frame)
    assert frame.log.rows == []


async def test_who_is_told_to_stop_waits_no_longer(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait itself ends; the part is not asked again."""
    monkeypatch.setattr(arriving, "FIRST_SECONDS", 60)
    monkeypatch.setattr(arriving, "LONGEST_SECONDS", 60)
    part = Part(away=-1)
    waiting = asyncio.create_task(arrived("Kafka", part.ask, replace(frame, start_seconds=600)))
    await until(lambda: frame.log.rows, "it waits")
    frame.stop.set()
    with pytest.raises(StoppedEarly):
        async with asyncio.timeout(30):
            await waiting
    assert part.asked == 1


async def test_a_process_that_stops_while_it_waits_has_not_failed() -> None:
    """It had nothing in hand: exit code 0, as of one that was stopped at its work."""
    notes = Notes()
    frames_seen: list[Frame] = []

    async def stage(frame: Frame) -> None:
        frames_seen.append(frame)
        await arrived("Kafka", Part(away=-1).ask, frame)

    settings = TelemetrySettings(ops_port=0, ops_start_seconds=600)
    process = asyncio.create_task(frames._process("test", [stage], settings, notes))
    try:
        await until(lambda: notes.last("unavailable"), "it waits")
        assert frames_seen[0].start_seconds == 600
        frames_seen[0].stop.set()
        async with asyncio.timeout(30):
            await process
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert notes.last("stopped_while_waiting") == {"what": "Kafka"}
    assert notes.last("stopped") == {}


async def test_what_is_opened_is_waited_for_and_closed_once(frame: Frame) -> None:
    """Not the first time it is tried; an error of the block is the block's, and is not tried again."""
    part, ends = Part(away=2), list[str]()

    @asynccontextmanager
    async def opening() -> AsyncIterator[str]:
        try:
            yield await part.ask()
        finally:
            ends.append("closed" if part.away == 0 and part.asked == 3 else "given up")

    async def block() -> None:
        async with when_there("Kafka", opening, frame) as opened:
            assert opened == "here"
            raise Unavailable("in the block")

    with pytest.raises(Unavailable, match="in the block"):
        await block()
    assert (part.asked, ends) == (3, ["given up", "given up", "closed"])


def test_no_process_opens_kafka_or_mongodb_without_waiting() -> None:
    """Kafka may go between two of its clients: each is waited for."""
    opened = {
        (file.name, line.strip())
        for file in Path(processes.__file__).parent.glob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"\bopen_(producer|consumer|backlog|database)\(", line) and "when_there(" not in line
    }
    assert opened == set()


class Admin:
    """A Kafka whose controller answers with a code, and whose broker then shows these leaders of a new topic, one list
    a look and the last for good."""

    def __init__(self, code: int, *looks: list[int]) -> None:
        self.code = code
        self.looks = list(looks)

    async def list_topics(self) -> list[str]:
        return []

    async def create_topics(self, wanted: list[Any]) -> Any:
        return type("Answer", (), {"topic_errors": [(topic.name, self.code, "") for topic in wanted]})

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        leaders = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [{"topic": name, "partitions": [{"leader": leader} for leader in leaders]} for name in names]

    async def start(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Callable[..., KafkaSettings]:
    """Settings of such a Kafka."""

    def of(admin: Admin) -> KafkaSettings:
        monkeypatch.setattr(kafka_topics, "AIOKafkaAdminClient", lambda **_options: admin)
        return KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout=1)

    return of


@pytest.mark.parametrize(
    ("code", "error"), [(41, Unavailable), (7, Unavailable), (38, kafka_topics.TopicRefused)], ids=str
)
async def test_a_topic_that_cannot_be_made_yet_is_no_refusal(
    code: int, error: type[Exception], kafka: Callable[..., KafkaSettings]
) -> None:
    """What Kafka's protocol calls retriable is waited for; too many copies asked for is not."""
    with pytest.raises(error, match="the topic one"):
        await kafka_topics.make_topics(kafka(Admin(code)), ["one"])


@pytest.mark.parametrize("code", [0, 36], ids=["made", "made by another process"])
async def test_a_new_topic_is_there_once_a_broker_shows_it(code: int, kafka: Callable[..., KafkaSettings]) -> None:
    """A broker hears of it after the controller has answered; asked in between, it would be named as missing."""
    admin = Admin(code, [], [-1, -1], [1, -1], [1, 1])
    assert await kafka_topics.make_topics(kafka(admin), ["one"]) == (["one"] if code == 0 else [])
    assert admin.looks == [[1, 1]]


async def test_a_new_topic_that_no_broker_shows_is_waited_for_elsewhere(kafka: Callable[..., KafkaSettings]) -> None:
    """Not for longer than any answer: who starts asks again, and tells what it waits for."""
    with pytest.raises(Unavailable, match="does not answer"):
        await kafka_topics.make_topics(kafka(Admin(0, [])), ["one"])
