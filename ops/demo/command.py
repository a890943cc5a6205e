"""`tandem demo`: sets the stage, lets both sides edit, waits for rest, and has the observer judge."""

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from adapters.telemetry.logs import quiet_libraries
from ops.demo import report
from ops.demo.cast import DemoFailed
from ops.demo.habits import kafka_options, own_folder, stop_on_sigterm
from ops.demo.keep import addresses
from ops.demo.performance import Ending, perform
from ops.demo.plan import Plan
from ops.demo.registrations import looked_up, register_people
from ops.demo.screen import Screen
from ops.demo.stage import set_stage
from ops.mapping_source import MappingSettings
from ops.settings import WrongSettings, read_settings
from schemas.mapping import Mapping
from schemas.presets import preset as preset_named
from schemas.unavailable import Unavailable
from simulator.servers.errors import ServerError, refuse_windows

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def run(
    *,
    preset: str = "",
    seed: int = 1,
    customers: int = 300,
    events: int = 2_400,
    seconds: float = 300.0,
    conflicts: int = 100,
    keep: bool = False,
    plain: bool = False,
    explain: bool = False,
    kill: bool = False,
) -> int:
    """Run the demo; the exit code: 0 where the observer found nothing and enough conflicts were settled, else 1.

    `seconds` is how long the edits may take at most. Without a terminal the output is plain.
    """
    console = Console()
    plain = plain or not console.is_terminal
    plan = Plan(seed, customers, events, seconds, conflicts, keep, plain, explain, kill, preset)
    try:
        with quiet_libraries():  # they complain while servers stop
            return _outcome(plan, console)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped before the end; nothing is left running.")
        return EXIT_INTERRUPTED


def _outcome(plan: Plan, console: Console) -> int:
    """The exit code; what cannot be helped is told in words."""
    code = EXIT_FAILED
    try:
        code = asyncio.run(_run(plan, console))
    except* (DemoFailed, ServerError, Unavailable, WrongSettings) as failures:
        failure: BaseException = failures
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        console.print(f"The demo failed: {failure}", style="red", markup=False, highlight=False, soft_wrap=True)
    return code


async def _run(plan: Plan, console: Console) -> int:
    refuse_windows(sys.platform)
    stop_on_sigterm()
    environ = {name: value for name, value in os.environ.items() if name != "MAPPING_FILE" or not plan.preset}
    mapping = _mapping(plan)
    screen = Screen(console, mapping, plain=plan.plain)
    name = secrets.token_hex(3)
    folder = own_folder("demo", name)
    screen.say(f"seed {plan.seed}; the log of every process is kept in {folder}")
    opened = set_stage(environ, folder, name, plan.seed, kafka_options, screen.say, plan.settings, mapping)
    async with opened as stage:
        ending = await stage.cast.unless_one_ends(perform(stage, plan, mapping, screen))
        code = _tell(console, ending, plan, folder)
        if looked_up(mapping) and not plan.kill:
            came = await stage.cast.unless_one_ends(register_people(stage, environ, mapping, screen.say))
            console.print(came.table())
            code = EXIT_FAILED if came.lost else code
        if plan.keep:
            for line in addresses(stage, mapping, ending.person):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
            screen.say("everything stays up until Ctrl-C")
            await _until_interrupted(stage.cast.unless_one_ends(asyncio.Event().wait()))
        screen.say("stopping everything")
    return code


def _mapping(plan: Plan) -> Mapping:
    """What is played.

    Raises:
        DemoFailed: there is no such preset.
        WrongSettings: what is configured cannot be used.
    """
    if not plan.preset:
        (settings,) = read_settings(MappingSettings, env_file=Path(os.devnull))  # .env is for the real thing
        return settings.read()
    try:
        return preset_named(plan.preset)
    except ValueError as error:
        raise DemoFailed(str(error)) from None


def told(ending: Ending) -> str:
    """What the platform was told by webhooks, in a line."""
    return (
        f"The platform was told of Salesforce's changes by {ending.told:,} signed webhooks; "
        f"{len(ending.untold)} values it was not told"
    )


def _tell(console: Console, ending: Ending, plan: Plan, folder: Path) -> int:
    """Print the observer's table; the exit code."""
    verdict = ending.verdict
    console.print(report.table(verdict, plan, seconds=ending.seconds))
    for line in report.explanations(verdict, explain=plan.explain):
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    console.print(told(ending), style="red" if ending.untold else "", markup=False, highlight=False)
    for line in ending.untold[: report.FINDINGS_SHOWN]:
        console.print(f"not told: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    if ending.unrest:
        console.print(f"Not at rest in time: {ending.unrest}", style="red", markup=False)
    if report.passed(verdict, plan, rested=not ending.unrest) and not ending.untold:
        console.print("Both sides hold the same, and nothing went missing on the way.", style="bold green")
        return 0
    if verdict.clean and not ending.unrest and not ending.untold:
        console.print(f"Only {verdict.conflicts} conflicts: too few to show anything.", style="red", highlight=False)
    console.print(
        f"What each process said, and what the observer was told, is in {folder}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return EXIT_FAILED


async def _until_interrupted(forever: Any) -> None:
    """Ctrl-C is how `--keep` is meant to end: the exit code stays the verdict's."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waiting, up = asyncio.create_task(stop.wait()), asyncio.create_task(forever)
    done, pending = await asyncio.wait([waiting, up], return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    if up in done:
        up.result()
