"""All processes side by side: started, kept running, renewed one by one, and stopped in the order of the flow."""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.telemetry.settings import TelemetrySettings
from ops.processes.frame import EXIT_WRONG_SETTINGS
from ops.settings_groups import OF_PROCESS
from ops.up.keeper import Keeper, Program
from ops.up.readiness import Readiness, ops_url
from simulator.servers.process import free_ports

IN_ORDER = tuple(OF_PROCESS)
"""Stopped from the first to the last, and started the other way round: what takes work in is up last and gone first."""
KILL_SECONDS = 5.0
"""How much longer than `OPS_STOP_SECONDS` a process may take to stop before it is killed."""
READY_SECONDS = 120.0
"""How long a process that was renewed may take to be ready before the others are left as they are."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody may ask for while all run."""

    wrong: Callable[[], Sequence[str]]
    """A line for each setting that is wrong now."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reload: asyncio.Event = field(default_factory=asyncio.Event)


def programs(environ: Mapping[str, str], telemetry: TelemetrySettings) -> dict[int, Program]:
    """One for each process by its ops port. The ports follow one another from `OPS_PORT` on, in the order in which the
    processes are stopped; where that is 0 they are any that are free."""
    first, count = telemetry.ops_port, len(IN_ORDER)
    ports = range(first, first + count) if first else free_ports(count)
    return {
        port: Program(
            name=name,
            command=(sys.executable, "-P", "-m", "ops", name),
            environment={**environ, "OPS_PORT": str(port)},
            grace=telemetry.ops_stop_seconds + KILL_SECONDS,
        )
        for name, port in zip(IN_ORDER, ports, strict=True)
    }


async def run_all(
    environ: Mapping[str, str], telemetry: TelemetrySettings, log: Any, asked: Asked, lost: asyncio.Event | None = None
) -> int:
    """Keep every process running with this environment until `asked.stop` or `lost` is set, or all were given up.

    The exit code: 0, or that of wrong settings where a process was given up at the end.
    """
    none_left = asyncio.Event()

    def look() -> None:
        if all(keeper.given_up for keeper in keepers):
            none_left.set()

    by_port = programs(environ, telemetry)
    keepers = [Keeper(program, log, on_given_up=look) for program in by_port.values()]
    readiness = Readiness({one.name: ops_url(telemetry.ops_host, port) for port, one in by_port.items()}, log)
    for keeper in reversed(keepers):
        keeper.start()
    beside = [asyncio.create_task(readiness.follow()), asyncio.create_task(_reload(keepers, readiness, log, asked))]
    reasons = [asyncio.create_task(event.wait()) for event in (asked.stop, none_left, lost) if event is not None]
    try:
        await asyncio.wait([*reasons, *beside], return_when=asyncio.FIRST_COMPLETED)
    finally:
        given_up = any(keeper.given_up for keeper in keepers)
        for task in (*beside, *reasons):
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        log.info("stopping", processes=len(keepers))
        if lost is not None and lost.is_set():
            await asyncio.gather(*(keeper.stop() for keeper in keepers))  # what they would finish cannot be stored
        for keeper in keepers:
            await keeper.stop()
        log.info("stopped")
    for task in beside:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return EXIT_WRONG_SETTINGS if given_up else 0


async def _reload(keepers: Sequence[Keeper], readiness: Readiness, log: Any, asked: Asked) -> None:
    """Renew all processes one by one each time it is asked for; without end."""
    while True:
        await asked.reload.wait()
        asked.reload.clear()
        if wrong := asked.wrong():
            for line in wrong:
                log.error("reload_refused", reason=line)
            continue
        log.info("reloading", processes=len(keepers))
        for keeper in reversed(keepers):
            await keeper.renew()
            if not await readiness.again(keeper.name, READY_SECONDS):
                log.error("reload_halted", process=keeper.name, reason=f"not ready within {READY_SECONDS:g} seconds")
                break
        else:
            log.info("reloaded", processes=len(keepers))
