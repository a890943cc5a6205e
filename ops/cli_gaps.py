"""`tandem gaps …` of the command line."""

import importlib
from typing import Annotated

import typer

gaps = typer.Typer(no_args_is_help=True, help="What may have been missed, and how far its repair is.")

_GAP = Annotated[str, typer.Argument(help="A gap as the list names it; its first characters do.")]


@gaps.command(name="list")
def list_gaps(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to show, of the latest.")] = 50,
    *,
    closed_too: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
) -> None:
    """List the gaps that are not closed: what may have been missed, since when, why, and what its repair has found.

    Needs MONGODB_URI.
    """
    run = importlib.import_module("ops.gaps_command").run_list
    raise typer.Exit(run(limit, closed_too=closed_too, as_json=as_json))


@gaps.command(name="show")
def show_gap(gap: _GAP) -> None:
    """Show everything that is known of one gap, and by what means it is repaired.

    Needs MONGODB_URI, and REPAIR_OVERLAP_SECONDS as the processes have it.
    """
    raise typer.Exit(importlib.import_module("ops.gaps_command").run_show(gap))


@gaps.command(name="repair")
def repair_gap(
    gap: Annotated[str, typer.Argument(help="A gap as the list names it; all that are not closed without.")] = "",
) -> None:
    """Repair a gap now instead of waiting for `tandem repair`; goes on from where the last try ended.

    Needs SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET (or what another way to sign in needs:
    docs/salesforce.md), KAFKA_BOOTSTRAP_SERVERS and MONGODB_URI. May run beside `tandem repair`, and be interrupted at
    any moment. The exit code is 1 if one is left open.
    """
    raise typer.Exit(importlib.import_module("ops.gaps_command").run_repair(gap))


@gaps.command(name="close")
def close_gap(
    gap: _GAP,
    note: Annotated[str, typer.Option(help="What was done instead, kept with your login name.")],
) -> None:
    """Close a gap by hand that no program can repair, or whose object is not to be repaired.

    Needs MONGODB_URI. It is open again if the same gap is met again.
    """
    raise typer.Exit(importlib.import_module("ops.gaps_command").run_close(gap, note))
