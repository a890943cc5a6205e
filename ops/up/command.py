"""`tandem up`: all processes, and servers if asked for, until Ctrl-C or SIGTERM."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from adapters.telemetry.logs import open_logs
from adapters.telemetry.settings import TelemetrySettings
from ops.ports import collisions_of_one_machine
from ops.processes.frame import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.settings import read_each, read_settings
from ops.settings_groups import contradictions, of_process
from ops.up.processes import IN_ORDER, Asked, run_all
from ops.up.restart import RestartPolicy
from ops.up.servers import opened_servers, set_when_one_ends, tell_addresses
from simulator.servers.errors import ServerError, refuse_windows
from simulator.servers.local import KAFKA, MONGODB, SETTINGS

NOT_YET_KNOWN = {SETTINGS[KAFKA]: "127.0.0.1:1", SETTINGS[MONGODB]: "mongodb://127.0.0.1:1"}
"""Stand for the addresses of servers that are not started yet, while the settings are looked at."""


def run(*, data: Path | None) -> int:
    """Run everything; the exit code: 0 stopped in order, 1 the servers cannot be had, 2 settings are wrong.

    `data` is the folder of a Kafka and a MongoDB that are started here as well; without it those that the settings name
    are used. Wrong settings are told before anything starts.
    """
    if wrong := wrong_settings(servers_here=data is not None):
        for line in wrong:
            typer.echo(line, err=True)
        return EXIT_WRONG_SETTINGS
    (telemetry,) = read_settings(TelemetrySettings)
    folder = data.resolve() if data is not None else None
    with open_logs(telemetry, stage="up") as log:
        try:
            refuse_windows(sys.platform)
            return asyncio.run(_until_stopped(folder, telemetry, log))
        except ServerError as error:
            typer.echo(str(error), err=True)
            return EXIT_FAILED


def wrong_settings(*, servers_here: bool) -> list[str]:
    """A line for each setting that keeps a process from starting; addresses are not missed where servers are ours."""
    before = dict(os.environ)
    if servers_here:
        os.environ.update(NOT_YET_KNOWN)
    try:
        read, wrong = read_each(*of_process("all"))
        told = [*contradictions(read), *collisions_of_one_machine(read, IN_ORDER)]
        return [*wrong, *dict.fromkeys(told)]
    finally:
        for name in NOT_YET_KNOWN:
            os.environ.pop(name, None)
        os.environ.update(before)


async def _until_stopped(data: Path | None, telemetry: TelemetrySettings, log: Any) -> int:
    asked = Asked(wrong=lambda: wrong_settings(servers_here=data is not None))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.stop.set)
    loop.add_signal_handler(signal.SIGHUP, asked.reload.set)
    if data is None:
        return await run_all(dict(os.environ), telemetry, log, asked)
    return await _with_servers(data, telemetry, log, asked)


async def _with_servers(data: Path, telemetry: TelemetrySettings, log: Any, asked: Asked) -> int:
    """Servers and processes; where a server has ended, all of them again: it may come back at another address."""
    failures, policy, code = 0, RestartPolicy(), 0
    while not asked.stop.is_set():
        began = asyncio.get_running_loop().time()
        log.info("servers_starting", folder=str(data))
        async with opened_servers(data, asked.stop) as servers:
            if servers is None:
                break
            addresses = tell_addresses(servers, data)
            log.info("servers_started", folder=str(servers.directory), addresses=str(addresses.file))
            async with set_when_one_ends(servers) as lost:
                code = await run_all({**os.environ, **addresses.settings}, telemetry, log, asked, lost)
            if asked.stop.is_set() or not lost.is_set():
                break
        failures = policy.in_a_row(failures, asyncio.get_running_loop().time() - began)
        seconds = policy.wait_seconds(failures)
        log.critical("server_ended", folder=str(data), again_in_seconds=seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asked.stop.wait()
    log.info("servers_stopped")
    return code
