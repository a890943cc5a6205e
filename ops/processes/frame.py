"""What every process is built around: settings read once, logs, metrics, the ops port, and an orderly end."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.telemetry.logs import open_logs
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.opening import open_tracing
from adapters.telemetry.settings import TelemetrySettings
from adapters.telemetry.tracing import OFF, Tracing
from ops import server
from ops.processes.life import Life
from ops.settings import WrongSettings, read_settings
from schemas.unavailable import Unavailable

Notice = Callable[..., object]

CANCEL_AGAIN_SECONDS = 1.0
AWAY_SECONDS = 10.0
"""How often what `/ready` asks is asked for the metrics: an alarm needs no orchestrator that probes."""
EXIT_WRONG_SETTINGS = 2
EXIT_FAILED = 1


class StoppedEarly(Exception):
    """A stage was told to stop before what it needs was there: it had nothing in hand, and has not failed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Of one process: where its stages leave pings (for `/ready`) and signs of life (for `/health`)."""

    stage: str
    log: Any
    """A structlog logger."""
    metrics: Metrics
    stop: asyncio.Event
    tracing: Tracing = OFF
    pings: dict[str, server.Ping] = field(default_factory=dict)
    alive: dict[str, server.Alive] = field(default_factory=dict)
    up: set[str] = field(default_factory=set)
    """The stages that have opened what they need and do their work: before all are, the process is not ready."""
    start_seconds: float = 30.0
    """How long a stage waits for Kafka and MongoDB, each, before it fails."""
    life: Life = field(default_factory=Life)
    """What others are told of this process while it lives."""


Stage = Callable[[Frame], Awaitable[None]]
"""One stage: opens what it needs, works until `frame.stop` is set, and closes it again."""


def run(name: str, stages: Sequence[Stage]) -> int:
    """Run stages as one process until SIGTERM or SIGINT; the exit code.

    A stage that fails ends the process: a supervisor sees it, and nothing smiles on half of the work.
    """
    try:
        (telemetry,) = read_settings(TelemetrySettings)
    except WrongSettings as wrong:
        print("\n".join(wrong.lines), file=sys.stderr)  # noqa: T201 - there are no logs yet
        return EXIT_WRONG_SETTINGS
    code = 0
    with open_logs(telemetry, stage=name) as log, open_tracing(telemetry, stage=name) as tracing:
        try:
            _run_loop(_process(name, stages, telemetry, log, tracing))
        except* WrongSettings as wrong:
            for one in _leaves(wrong):
                print("\n".join(one.lines), file=sys.stderr)  # noqa: T201
            code = EXIT_WRONG_SETTINGS
        except* Exception as failures:
            for failure in _leaves(failures):
                reason = _known_reason(failure)
                exception = None if reason else failure
                log.critical("stage_failed", reason=reason or type(failure).__name__, exc_info=exception)
            code = EXIT_FAILED
    return code


async def _process(
    name: str, stages: Sequence[Stage], telemetry: TelemetrySettings, log: Any, tracing: Tracing = OFF
) -> None:
    frame = Frame(
        stage=name,
        log=log,
        metrics=Metrics(),
        stop=asyncio.Event(),
        tracing=tracing,
        start_seconds=telemetry.ops_start_seconds,
        life=Life(name),
    )
    frame.pings["start"] = lambda: _all_up(frame, len(stages))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, frame.stop.set)
    async with server.serve(
        host=telemetry.ops_host,
        port=telemetry.ops_port,
        metrics=frame.metrics.render,
        pings=frame.pings,
        ping_seconds=telemetry.ops_ping_seconds,
        alive=frame.alive,
    ) as port:
        log.info("started", ops_port=port)
        frame.life.answers_at(port)
        telling = asyncio.create_task(_tell_away(frame, telemetry.ops_ping_seconds))
        working = [asyncio.create_task(_until_stopped(stage, frame)) for stage in stages]
        try:
            await stopped_in_time(frame, working, telemetry.ops_stop_seconds)
        finally:
            await _cancelled([telling, *working])
        failures = [task.exception() for task in working if not task.cancelled()]
        if failed := [failure for failure in failures if isinstance(failure, Exception)]:
            raise ExceptionGroup("stages have failed", failed)
        log.info("stopped")


async def stopped_in_time(frame: Frame, working: Sequence["asyncio.Task[None]"], seconds: float) -> None:
    """End what has not ended so long after `frame.stop` was set: what it had in hand was not committed and comes again.

    Each stage gives up waiting by itself sooner; this is for what hangs all the same.
    """
    await frame.stop.wait()
    _, late = await asyncio.wait(working, timeout=seconds)
    if late:
        frame.log.error("stopping_takes_too_long", seconds=seconds)
    await _cancelled(late)


async def _cancelled(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Cancel what is not done, and again: `asyncio.wait_for` may swallow a cancellation before Python 3.12."""
    while late := [task for task in tasks if not task.done()]:
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=CANCEL_AGAIN_SECONDS)


async def _all_up(frame: Frame, stages: int) -> None:
    if len(frame.up) < stages:
        raise Unavailable("still starting")


async def _tell_away(frame: Frame, ping_seconds: float) -> None:
    """What `/ready` says, as a metric, without end."""
    while True:
        asked = list(frame.pings)
        away = await server.failing(frame.pings, ping_seconds)
        frame.metrics.away_seen(asked, away)
        frame.life.away = {part: why for part, why in away.items() if part != "start"}
        await asyncio.sleep(AWAY_SECONDS)


async def _until_stopped(stage: Stage, frame: Frame) -> None:
    """A stage that returns before it was told to has failed to do its work. One that fails stops the others."""
    try:
        await stage(frame)
        if not frame.stop.is_set():
            raise RuntimeError("a stage ended by itself")
    except StoppedEarly as early:
        frame.log.info("stopped_while_waiting", what=str(early))
    finally:
        frame.stop.set()


def collect_less() -> None:
    """Look for cycles less often: a batch is tens of thousands of values that live for milliseconds, and no cycles.

    By default Python would walk all that is alive several times while one batch is read.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def _run_loop(main: Any) -> None:
    collect_less()
    if sys.platform == "win32":
        asyncio.run(main)
        return
    import uvloop  # noqa: PLC0415 - not on every platform

    uvloop.run(main)


def _known_reason(failure: Exception) -> str:
    """Why, where that says it all: an outside part is away, or the system refused, as for a port that is taken."""
    if isinstance(failure, Unavailable):
        return str(failure)
    return failure.strerror or "" if isinstance(failure, OSError) else ""


def _leaves(group: BaseExceptionGroup[Any]) -> list[Any]:
    found: list[Any] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
