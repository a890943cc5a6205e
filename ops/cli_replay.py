"""`tandem replay` of the command line."""

import importlib
from enum import StrEnum
from typing import Annotated, Any

import typer

from schemas import topics


class Facts(StrEnum):
    """The topics that hold facts."""

    EVENTS = topics.PLATFORM_EVENTS
    CHANGES = topics.SALESFORCE_CHANGES


def replay(
    topic: Annotated[Facts | None, typer.Argument(help="Which facts: of the platform, or of Salesforce.")] = None,
    since: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="2026-11-28T18:00 (UTC), 12h ago, or @3:1207: an offset.")
    ] = "",
    until: Annotated[str, typer.Option("--to", metavar="PLACE", help="Before this; else to what is handled.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="Of this kind only; may be repeated.")] = None,
    key: Annotated[str, typer.Option(help="Of this key only: customer:cust-42, or a Salesforce record id.")] = "",
    resume: Annotated[str, typer.Option(metavar="RUN", help="Go on with a run that was stopped.")] = "",
    note: Annotated[str, typer.Option(help="Why, kept with your login name.")] = "",
    lag: Annotated[int, typer.Option(min=0, help="Waits while more records than these are not handled.")] = 1_000,
    show: Annotated[int, typer.Option(min=0, max=1000, help="How many ids to name for each line.")] = 0,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only plan; nothing is published.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal is at hand.")] = False,
) -> None:
    """Have a part of a topic handled again: shows what would come of it, asks, and publishes what changes something.

    Needs KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI, and MERGE_* as the processes have it. Each record is decided in
    memory first: what was heard before, is stale or would be parked stays where it is. The others are published again
    with their own key and id and a mark, and live records go before them. Twice changes nothing. Ctrl-C is safe at any
    moment; without a topic the runs are listed that can be gone on with. The exit code is 1 if it did not come to its
    end.
    """
    module: Any = importlib.import_module("ops.replay_command")
    if topic is None and not resume:
        raise typer.Exit(module.run_list())
    if topic is not None and resume:
        raise typer.BadParameter("a run knows its topic: give --resume alone", param_hint="--resume")
    if topic is not None and not since:
        raise typer.BadParameter("say from where", param_hint="--from")
    asked = module.Asked(
        topic=topic.value if topic else "", start=since, stop=until, kinds=kind or (), key=key, resume=resume
    )
    raise typer.Exit(module.run(asked, dry=dry_run, sure=yes, note=note, lag=lag, names=show))
