"""`tandem sync …` of the command line."""

import importlib
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from schemas.sync_run import Purpose, RunDirection


class _RunByDefault(TyperGroup):
    """A group whose first word, where it is no command of its own, is what `run` is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As click's."""
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)


sync = typer.Typer(
    no_args_is_help=True,
    cls=_RunByDefault,
    help="Load an object for the first time, bring both sides together, compare them. `tandem sync contacts` is short "
    "for `tandem sync run contacts`.",
)
_RUN_ID = Annotated[str, typer.Argument(metavar="RUN", help="As `tandem sync list` names it.")]


@sync.command()
def run(
    what: Annotated[
        str,
        typer.Argument(
            help="contacts, leads, accounts, opportunities, campaigns, all, a kind of the mapping, or an object."
        ),
    ],
    direction: Annotated[
        RunDirection,
        typer.Option(help="Documents to Salesforce, records from it, or records first and then documents."),
    ] = RunDirection.BOTH,
    since: Annotated[
        str, typer.Option(help="Only what was changed since: 2026-11-01, 2026-11-01T08:00:00Z, or 36h or 7d ago.")
    ] = "",
    created_since: Annotated[str, typer.Option(help="Only what was made since, in the same forms.")] = "",
    filter_: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="CONDITION",
            help="Only what this holds of: a condition as in the mapping's filters, YAML or JSON; or @file.",
        ),
    ] = "",
    *,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare as every night: deleted records are found too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan; nothing is written or kept.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal is at hand.")] = False,
) -> None:
    """Plan a run over an object, ask, and run it: what is to be made, linked and updated, and how many calls it takes.

    Needs MONGODB_URI, KAFKA_BOOTSTRAP_SERVERS and SALESFORCE_*, and MERGE_*, BUDGET_*, SYNC_* and CHANGES_CHANNELS as
    the processes have them, which must run: what is found goes by the ordinary way. A pull begins only once
    `tandem subscribe` follows the object. Ctrl-C is safe at any moment: `tandem sync resume` goes on. The exit code is
    1 if it did not come to its end.
    """
    command = importlib.import_module("ops.sync_command").run_sync
    purpose = Purpose.COMPARE if compare else Purpose.SYNC
    ended = command(
        what,
        direction=direction,
        purpose=purpose,
        since=since,
        created_since=created_since,
        filter_text=filter_,
        dry_run=dry_run,
        sure=yes,
    )
    raise typer.Exit(ended)


@sync.command(name="list")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")] = 20,
) -> None:
    """List runs, the newest first. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.sync_command").run_list(limit))


@sync.command(name="show")
def show_run(run_id: _RUN_ID) -> None:
    """Show one run: how far it is, what it found, and what it waits for. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.sync_command").run_show(run_id))


@sync.command()
def cancel(run_id: _RUN_ID) -> None:
    """End a run: after the part in hand, where a process works at it. What is done stays done. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.sync_command").run_cancel(run_id))


@sync.command()
def resume(
    run_id: _RUN_ID,
    *,
    accept_missing: Annotated[
        bool, typer.Option("--accept-missing", help="So many records may really be gone: compare on.")
    ] = False,
) -> None:
    """Go on with a run that was interrupted, paused, cancelled or has failed, from where it was.

    Needs what `tandem sync run` needs.
    """
    raise typer.Exit(importlib.import_module("ops.sync_command").run_resume(run_id, accept_missing=accept_missing))
