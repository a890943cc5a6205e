"""What every process is built around: readiness, work beside the main work, an end within its limit, counts."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from support.running import until

from adapters.mongo.retention import Retention
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.settings import TelemetrySettings
from listener.changes.health import Health, State
from listener.changes.settings import ChangesSettings
from ops.connection_notes import LastSync
from ops.processes import frame as frames
from ops.processes import subscribe
from ops.processes.counted import CountedRecords
from ops.processes.frame import Frame, Stage, stopped_in_time
from ops.processes.parts import MappingInForce, Timed, beside, conflict_told
from ops.processes.stream_seen import StreamWatch
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.outcome import Outcome, Result
from schemas.presets import preset
from schemas.records import Failure, RowResult


class Log:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def info(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))

    error = warning = exception = info


def new_frame() -> Frame:
    return Frame(stage="test", log=Log(), metrics=Metrics(), stop=asyncio.Event())


async def test_a_process_is_not_ready_before_each_of_its_stages_works() -> None:
    """A supervisor that asks early must not send webhooks to a port that nobody listens on yet."""
    log = Log()
    go_on = asyncio.Event()
    answers: list[int] = []
    begun: asyncio.Queue[Frame] = asyncio.Queue()

    async def stage(frame: Frame) -> None:
        begun.put_nowait(frame)
        await go_on.wait()
        frame.up.add("slow")
        await frame.stop.wait()

    process = asyncio.create_task(frames._process("test", [stage], TelemetrySettings(ops_port=0), log))
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            frame = await begun.get()
            url = f"http://127.0.0.1:{log.lines[0][1]['ops_port']}/ready"
            for _time in range(2):
                async with http.get(url) as answer:
                    answers.append(answer.status)
                go_on.set()
            frame.stop.set()
            await process
    finally:
        process.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert answers == [503, 200]


async def shown(frame: Frame, line: str) -> None:
    """Wait until the metrics have this line."""
    await until(lambda: line in frame.metrics.render().decode().splitlines(), line)


async def test_what_is_away_is_a_metric_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """An alarm needs nobody who probes `/ready`."""
    monkeypatch.setattr(frames, "AWAY_SECONDS", 0.01)
    back = asyncio.Event()

    async def ping() -> None:
        if not back.is_set():
            raise ConnectionError

    async def stage(frame: Frame) -> None:
        frame.pings["mongodb"] = ping
        frame.up.add("test")
        for away in ("1.0", "0.0"):
            await shown(frame, f'tandem_part_away{{part="mongodb"}} {away}')
            back.set()
        frame.stop.set()

    await process_of(stage)


async def test_the_owner_of_the_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standing by is not owning, and neither is starting; being sent away for a while is."""
    monkeypatch.setattr(subscribe, "TELL_SECONDS", 0.01)
    frame = new_frame()
    health = Health()
    telling = asyncio.create_task(subscribe._tell(health, StreamWatch(health), ChangesSettings(), LastSync(), frame))
    try:
        for state, owns in ((State.STARTING, 0), (State.CONNECTED, 1), (State.STANDBY, 0), (State.BACKING_OFF, 1)):
            health.state = state
            await shown(frame, f"tandem_subscriber_owner {owns:.1f}")
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def test_a_stage_that_fails_stops_the_others_in_order() -> None:
    """`tandem all`: they finish what they have in hand, as at SIGTERM, and the failure is the process's."""
    finished: list[str] = []

    async def works(frame: Frame) -> None:
        await frame.stop.wait()
        finished.append("in order")

    async def fails(_frame: Frame) -> None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup) as failed:
        await process_of(works, fails)
    assert [str(one) for one in failed.value.exceptions] == ["broken"]
    assert finished == ["in order"]


async def test_a_stage_that_swallows_its_cancellation_ends_when_another_fails() -> None:
    """Before Python 3.12 `asyncio.wait_for` may swallow one: half of the work must not go on for ever."""
    swallowed: list[bool] = []

    async def stubborn(_frame: Frame) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.append(True)
        await asyncio.Event().wait()

    async def fails(_frame: Frame) -> None:
        raise ValueError("broken")

    with pytest.raises(ExceptionGroup):
        await process_of(stubborn, fails)
    assert swallowed == [True]


async def process_of(*stages: Stage) -> None:
    """These as one process, until it ends by itself."""
    limit = asyncio.timeout(30)
    try:
        async with limit:
            await frames._process("test", stages, TelemetrySettings(ops_port=0, ops_stop_seconds=0.05), Log())
    finally:
        assert not limit.expired()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_work_beside_that_fails_stops_the_process_and_is_its_error() -> None:
    """A sweep or a look at the mapping that ended unseen would leave half of the work undone in silence."""
    frame = new_frame()

    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        async with asyncio.timeout(30), beside(fails(), frame):
            await frame.stop.wait()


async def test_work_beside_ends_with_the_block() -> None:
    """And its cancellation is no error."""
    frame = new_frame()
    async with asyncio.timeout(30), beside(asyncio.Event().wait(), frame) as task:  # type: ignore[arg-type]
        pass
    assert task.cancelled()
    assert not frame.stop.is_set()


async def test_what_hangs_at_the_stop_is_given_up() -> None:
    """Even where the first cancellation is swallowed; what ends in time is left alone."""
    frame = new_frame()
    swallowed: list[bool] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed.append(True)
        await asyncio.Event().wait()

    working = asyncio.create_task(stubborn())
    frame.stop.set()
    async with asyncio.timeout(30):
        await stopped_in_time(frame, [working], 0.01)
    assert working.cancelled()
    assert swallowed == [True]
    assert [event for event, _ in frame.log.lines] == ["stopping_takes_too_long"]


async def test_a_mapping_that_cannot_be_used_leaves_the_one_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has written past `tandem mapping publish`: the process goes on, says so, and takes up the next one."""
    frame = new_frame()
    looks = 0

    class Mappings:
        """Tells a broken version first, then a good one."""

        async def watch(self, after: int, *, every: float) -> AsyncIterator[Mapping]:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise InvalidMapping(["kinds: missing"])
            yield preset("customers").model_copy(update={"version": after + 1})
            frame.stop.set()
            await asyncio.Event().wait()

    async def prepared(*_: object, **__: object) -> None:
        """Indexes are another test's."""

    monkeypatch.setattr("ops.processes.parts.prepare", prepared)
    monkeypatch.setattr("ops.processes.parts.MAPPING_LOOK_SECONDS", 0.0)
    in_force = MappingInForce(preset("customers").model_copy(update={"version": 1}))
    following = in_force.follow(Mappings(), None, frame, Retention())  # type: ignore[arg-type]
    async with asyncio.timeout(30), beside(following, frame):
        await frame.stop.wait()
    assert in_force.current().version == 2
    assert [event for event, _ in frame.log.lines] == ["mapping_not_taken_up", "mapping_taken_up"]


def test_only_what_a_policy_settled_counts_as_a_conflict() -> None:
    """The audit has rows of other rules: what a trigger made of a write is nobody's conflict."""
    frame = new_frame()
    told = conflict_told(frame)
    for rule in ("13.latest_wins", "18.platform_wins", "26", "10", "6"):
        told({"path": "phone", "rule": rule, "winner": "platform"})
    page = frame.metrics.render().decode()
    counted = [line for line in page.splitlines() if line.startswith("tandem_conflicts_total")]
    assert counted == [
        'tandem_conflicts_total{field="phone",policy="latest_wins",winner="platform"} 1.0',
        'tandem_conflicts_total{field="phone",policy="platform_wins",winner="platform"} 1.0',
    ]


async def test_rows_are_counted_by_their_own_outcome() -> None:
    """One call, two ends; what was deleted is not what was written."""

    class Records:
        """Writes the first row and refuses the second."""

        read = find = match = conversions = converted = None

        async def update(self, *_: object) -> list[RowResult]:
            return [RowResult(record_id="003A"), RowResult(failure=Failure.REJECTED, code="STRING_TOO_LONG")]

        upsert = delete = update

    frame = new_frame()
    counted = CountedRecords(Records(), frame.metrics.rows_written)  # type: ignore[arg-type]
    await counted.update("Contact", [])
    await counted.upsert("Contact", "Id__c", [])
    await counted.delete("Contact", [])
    page = frame.metrics.render().decode()
    assert 'tandem_salesforce_rows_total{outcome="written",sobject="Contact"} 2.0' in page
    assert 'tandem_salesforce_rows_total{outcome="deleted",sobject="Contact"} 1.0' in page
    assert 'tandem_salesforce_rows_total{outcome="rejected",sobject="Contact"} 3.0' in page


async def test_batches_are_timed() -> None:
    """By stage."""
    frame = new_frame()

    class Handler:
        """Applies nothing at once."""

        async def handle(self, records: Any) -> list[Result]:
            return [Result(Outcome.APPLIED) for _ in records]

    assert len(await Timed(Handler(), frame).handle([])) == 0
    assert 'tandem_batch_seconds_count{stage="test"} 1.0' in frame.metrics.render().decode()


def test_a_port_that_is_taken_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its address, without a traceback, and the exit code says that the process failed."""

    async def stage(frame: Frame) -> None:
        await frame.stop.wait()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("OPS_PORT", port)
        assert frames.run("test", [stage]) == frames.EXIT_FAILED
    (line,) = capsys.readouterr().out.splitlines()
    assert port in line
    assert "exception" not in line
