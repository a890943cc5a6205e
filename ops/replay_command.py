"""`tandem replay`: a part of a topic of facts is published again: as a plan first, then behind the live records.

Nothing that it prints is personal data, but for the ids of documents where they are asked for.
"""

import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.client import open_database
from adapters.mongo.erased_settings import ErasedSettings
from adapters.mongo.erasures import open_erasures
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from consumers.catalog import Catalog
from consumers.settings import MergeSettings
from ops.command_end import ask, say
from ops.mapping_source import MappingSettings
from ops.mapping_walk import Passed, end_if_cancelled
from ops.operator_name import operator_name
from ops.parked import CannotDo
from ops.parked_command import parking_exit_code
from ops.processes.parts import wall_ms
from ops.processes.reconcile import GROUP
from ops.replay import CannotReplay, Replayer, Run, check_kinds, new_run_id
from ops.replay_opened import open_replayer
from ops.replay_plan import ReplayPlan, edge_of, summary
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas.unavailable import Unavailable

Shown = tuple[Passed, Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be replayed: a part of a topic, or with `resume` what is left of a run."""

    topic: str = ""
    start: str = ""
    stop: str = ""
    kinds: Sequence[str] = ()
    key: str = ""
    resume: str = ""


def run(asked: Asked, *, dry: bool, sure: bool, note: str, lag: int, names: int, group: str = GROUP) -> int:
    """Plan, ask, publish; the exit code. Between the question and the answer no connection is open."""

    def work() -> None:
        if not (dry or sure or sys.stdin.isatty()):
            raise CannotDo("standard input is no terminal, so nobody can be asked: --yes publishes, --dry-run plans")
        try:
            begun, plan = ask(_plan(asked, names, group))
            if dry or not plan.to_publish:
                return
            if not sure and not _confirmed(f"Publish {plan.to_publish:,} records again?"):
                raise CannotDo("nothing was published")
        except CannotReplay as error:
            raise CannotDo(str(error)) from None
        _publish(begun, asked, note, lag, group)

    return parking_exit_code(work)


def run_list() -> int:
    """Show the runs that have not come to their end; the exit code."""

    async def unfinished() -> list[dict[str, Any]]:
        (mongo,) = read_settings(MongoSettings)
        async with open_database(mongo) as database:
            return await MongoOperations(database).unfinished()

    def show() -> None:
        rows = ask(unfinished())
        say([f"{row['_id']}  {row['topic']}, by {row['by']}, {row['published']:,} published so far" for row in rows])
        if not rows:
            say(["every replay has come to its end"])

    return parking_exit_code(show)


async def _plan(asked: Asked, names: int, group: str) -> tuple[Run, ReplayPlan]:
    if asked.resume:
        run = await _begun(asked.resume)
    async with _opened(run.topic if asked.resume else asked.topic, group) as (replayer, _operations):
        if not asked.resume:
            now = wall_ms()
            stop = edge_of(asked.stop, now=now) if asked.stop else None
            window = await replayer.window(edge_of(asked.start, now=now), stop)
            run = Run(new_run_id(), asked.topic, window, asked.kinds, asked.key)
            check_kinds(replayer.catalog, asked.kinds)
        with _bar("Deciding in memory", run.window.size) as (passed, _waits):
            plan = await replayer.plan(run, passed, names)
        say(summary(plan, run.window, run.topic))
        return run, plan


async def _begun(run_id: str) -> Run:
    (mongo,) = read_settings(MongoSettings)
    async with open_database(mongo) as database:
        row = await MongoOperations(database).get(run_id)
    if row is None or row.get("what") != "replay":
        raise CannotReplay(f"there is no replay {run_id}; `tandem replay` alone lists those that can be gone on with")
    if row["state"] == "done":
        raise CannotReplay(f"{run_id} has come to its end: {row['published']:,} were published")
    if row.get("work"):
        raise CannotReplay(f"{run_id} is worked at by `tandem admin`: pause it on its page first")
    if row["state"] == "cancelled":
        raise CannotReplay(f"{run_id} was cancelled after {row['published']:,} records; plan another")
    if not row.get("begun_at", row["state"] == "begun"):
        raise CannotReplay(f"{run_id} was only planned: begin it on the admin page, or plan another")
    return Run.of_row(row)


def _publish(begun: Run, asked: Asked, note: str, lag: int, group: str) -> None:
    go_on = f"`tandem replay --resume {begun.id}` goes on"
    before = begun.published
    try:
        ask(_published(begun, asked, note, lag, group))
    except KeyboardInterrupt:
        raise CannotDo(f"stopped after {begun.published - before:,} records; {go_on}") from None
    except Unavailable as error:
        raise CannotDo(f"{error}; {go_on}") from error
    done = begun.published - before
    say([f"{done:,} record{' was' if done == 1 else 's were'} published again, by run {begun.id}"])


async def _published(begun: Run, asked: Asked, note: str, lag: int, group: str) -> None:
    (kafka,) = read_settings(KafkaSettings)
    async with _opened(begun.topic, group) as (replayer, operations), open_producer(kafka) as producer:
        if not asked.resume:
            await operations.add([begun.row(by=operator_name(), note=note, at=wall_ms())])
        with _bar("Publishing", begun.window.size) as (passed, waits):
            await replayer.publish(begun, producer, passed, waits, lag=lag)


@asynccontextmanager
async def _opened(topic: str, group: str) -> AsyncIterator[tuple[Replayer, MongoOperations]]:
    kafka, mongo, merge, seed, sync = read_settings(
        KafkaSettings, MongoSettings, MergeSettings, MappingSettings, SyncSettings
    )
    (erased,) = read_settings(ErasedSettings)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(mongo))
        erasures = await stack.enter_async_context(open_erasures(erased, mongo))
        catalog = Catalog(await MongoMappings(database).current() or seed.read(), sync.switched_off())
        opened = open_replayer(kafka, database, erasures, topic, catalog=catalog, timing=merge.timing(), group=group)
        yield await stack.enter_async_context(opened), MongoOperations(database)


@contextmanager
def _bar(doing: str, total: int) -> Iterator[Shown]:
    """A progress bar on a terminal; elsewhere only a line where live records are waited for."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    told = False

    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(doing, total=total or None)

        def passed(count: int) -> None:
            shown.advance(task, count)
            end_if_cancelled()

        def waits(behind: int) -> None:
            nonlocal told
            waiting = f"{doing}; waits for {behind:,} records" if behind else doing
            shown.update(task, description=waiting)
            if behind and not told and not console.is_terminal:
                sys.stderr.write(f"waits until `tandem reconcile` has handled {behind:,} records\n")
            told = bool(behind)

        yield passed, waits


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False
