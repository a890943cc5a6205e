"""`tandem chaos`."""

import importlib
from pathlib import Path
from typing import Annotated

import typer


def chaos(
    seed: Annotated[int, typer.Option(help="The same seed makes the same edits, and the same things go wrong.")] = 1,
    preset: Annotated[str, typer.Option(help="The mapping to play: ticketing, hackathon or customers.")] = "ticketing",
    customers: Annotated[int, typer.Option(min=1, help="How many customers or participants there are.")] = 2_500,
    events: Annotated[int, typer.Option(min=0, help="How many edits the platform makes.")] = 36_000,
    seconds: Annotated[
        float, typer.Option(min=1, help="How long the load and the troubles take, in seconds.")
    ] = 1_600.0,
    docs: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where chaos.md is written; nowhere if nothing is said.")
    ] = None,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would go wrong when, and do nothing.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say more of what the observer found.")] = False,
    recovery: Annotated[
        bool, typer.Option("--recovery/--no-recovery", help="Whether a slow recovery fails the run.")
    ] = True,
) -> None:
    """Let everything go wrong on real Kafka, real MongoDB and a simulated org, and have an observer judge what is left.

    Starts everything itself, on servers of its own, since those are killed too. Connections are cut and stalled where
    there is a toxiproxy-server on the PATH, or Go, which builds one. The exit code is 0 if nothing was lost, doubled,
    echoed or different, no gap is left open, and the lag was back soon enough after every trouble.
    """
    command = importlib.import_module("ops.chaos.command")
    wanted = command.Wanted(
        seed=seed,
        preset=preset,
        customers=customers,
        events=events,
        seconds=seconds,
        docs=docs,
        plan_only=plan,
        explain=explain,
        judge_recovery=recovery,
    )
    raise typer.Exit(command.run(wanted))
