"""`tandem chaos`: sets the stage, plays load and troubles, judges, and writes the page."""

import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from adapters.telemetry.logs import quiet_libraries
from ops.chaos import page
from ops.chaos.outcome import MEANING, Outcome, Trouble
from ops.chaos.performance import Ending, perform
from ops.chaos.plot import HOW_TO_GET_IT as NO_PLOT
from ops.chaos.schedule import Planned, plan_troubles, told
from ops.chaos.stage import HOLD_SECONDS, PAUSE_SECONDS, SLACK_SECONDS, set_stage
from ops.chaos.troubles import all_troubles
from ops.demo.cast import DemoFailed
from ops.demo.habits import kafka_options, own_folder, run_fast, stop_on_sigterm
from ops.demo.plan import Plan
from schemas.mapping import Mapping
from schemas.presets import preset as preset_named
from schemas.unavailable import Unavailable
from simulator.servers.errors import ServerError, refuse_windows
from simulator.servers.local import SETTINGS
from simulator.servers.toxiproxy import HOW_TO_GET_IT as NO_PROXY
from simulator.servers.toxiproxy import build_toxiproxy, find_toxiproxy

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
FINDINGS_SHOWN = 25
LONGEST_SILENCE = HOLD_SECONDS + SLACK_SECONDS + 2.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for. `seconds` of load; `docs` is the folder of the page, none where none is wanted."""

    seed: int
    preset: str
    customers: int
    events: int
    seconds: float
    docs: Path | None
    plan_only: bool = False
    explain: bool = False
    judge_recovery: bool = True

    @property
    def command(self) -> str:
        """What makes the same again."""
        size = f"--customers {self.customers} --events {self.events} --seconds {self.seconds:g}"
        return f"tandem chaos --seed {self.seed} --preset {self.preset} {size}"

    def schedule(self, *, wires: bool) -> tuple[Planned, ...]:
        """What goes wrong when. Where time is short, a silence is too."""
        silence = min(LONGEST_SILENCE, max(6.0, self.seconds / 8))
        return plan_troubles(self.seed, self.seconds, all_troubles(wires=wires), pause=PAUSE_SECONDS, silence=silence)


def run(wanted: Wanted) -> int:
    """Run it; the exit code: 0 where all are zeros, all is at rest, and all recovered in time, else 1."""
    console = Console()
    if wanted.plan_only:
        for line in told(wanted.schedule(wires=find_toxiproxy(os.environ) is not None)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0
    try:
        with quiet_libraries():  # they complain while servers are away
            return _outcome(wanted, console)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Stopped before the end; nothing is left running.")
        return EXIT_INTERRUPTED


def _outcome(wanted: Wanted, console: Console) -> int:
    code = EXIT_FAILED
    try:
        code = run_fast(_run(wanted, console))
    except* (DemoFailed, ServerError, Unavailable, OSError) as failures:
        failure: BaseException = failures
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        _say(console, f"The run failed: {failure}", style="red")
    return code


async def _run(wanted: Wanted, console: Console) -> int:
    refuse_windows(sys.platform)
    stop_on_sigterm()
    mapping = _mapping(wanted.preset)
    environ = {name: value for name, value in os.environ.items() if name not in SETTINGS.values()}
    environ.pop("MAPPING_FILE", None)
    toxiproxy = find_toxiproxy(environ) or await build_toxiproxy(environ)
    if toxiproxy is None:
        _say(console, NO_PROXY)
    name = secrets.token_hex(3)
    folder = own_folder("chaos", name)
    _say(console, f"seed {wanted.seed}; the log of every process and server is kept in {folder}")
    schedule = wanted.schedule(wires=toxiproxy is not None)
    (folder / "schedule.txt").write_text("\n".join(told(schedule)) + "\n", encoding="utf-8")
    plan = Plan(wanted.seed, wanted.customers, wanted.events, wanted.seconds, 0, preset=wanted.preset, slowest=1.0)
    opened = set_stage(
        environ,
        folder,
        name,
        wanted.seed,
        mapping,
        wanted.preset,
        toxiproxy,
        kafka_options,
        lambda one: _say(console, one),
    )
    try:
        async with opened as chaos:
            options = kafka_options(chaos.stage.servers.kafka_bootstrap)
            work = perform(chaos, plan, mapping, schedule, options, wanted.command, lambda one: _say(console, one))
            ending = await chaos.stage.cast.unless_one_ends(work)
            _say(console, "stopping everything")
    except Exception:
        _say(console, f"What each process and each server said until then is in {folder}")
        raise
    return _tell(console, ending, wanted, folder)


def _mapping(name: str) -> Mapping:
    try:
        return preset_named(name)
    except ValueError as error:
        raise DemoFailed(str(error)) from None


def _tell(console: Console, ending: Ending, wanted: Wanted, folder: Path) -> int:
    outcome = ending.outcome
    for name in MEANING:
        _say(console, f"{name:32} {outcome.found[name]:6}", style="bold red" if outcome.found[name] else "bold green")
    _say(console, ", ".join(f"{name} {count:,}" for name, count in outcome.counts.items()))
    for finding in ending.findings[:FINDINGS_SHOWN]:
        _say(console, finding.tell(explain=wanted.explain), style="red")
    for line in ending.untold[:FINDINGS_SHOWN]:
        _say(console, f"not told: {line}", style="red")
    if outcome.unrest:
        _say(console, f"Not at rest in time: {outcome.unrest}", style="red")
    if wanted.docs is not None:
        drawn = page.keep(outcome, wanted.docs)
        _say(console, f"written: {wanted.docs / 'chaos.md'}{'' if drawn else f' ({NO_PLOT})'}")
    late = outcome.late if wanted.judge_recovery else []
    for trouble in late:
        _say(console, _late(trouble), style="red")
    if outcome.clean and not late:
        _say(console, _good(outcome), style="bold green")
        return 0
    _say(console, f"What each process and server said, and what the observer was told, is in {folder}")
    return EXIT_FAILED


def _late(trouble: Trouble) -> str:
    lag, gaps, documents = ("never" if one is None else f"after {one:g} s" for one in trouble.times)
    told = f"the lag was back {lag}, gaps were closed {gaps}, documents in step {documents}"
    last = f" ({', '.join(trouble.last)})" if trouble.last else ""
    return f"recovered late from {trouble.what}, at {trouble.began:g} s: {told}{last}"


def _good(outcome: Outcome) -> str:
    return (
        f"{outcome.events:,} events and {len(outcome.troubles)} troubles: "
        "nothing was lost, doubled, echoed, different or untold, and no gap is left open."
    )


def _say(console: Console, what: str, style: str | None = None) -> None:
    console.print(what, style=style, markup=False, highlight=False, soft_wrap=True)
