"""`tandem mapping …` of the command line."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

mapping = typer.Typer(no_args_is_help=True, help="See and change the mapping. docs/mapping.md says how to write it.")


@mapping.command()
def export(
    version: Annotated[int | None, typer.Option(min=1, help="An older version; else the one in force.")] = None,
) -> None:
    """Print the mapping as YAML, with its version.

    Needs MONGODB_URI. Before the first version is published it is the one that would be.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_export(version))


@mapping.command()
def schema() -> None:
    """Print the JSON Schema of the mapping, for editors: they complete names and mark mistakes while you type.

    Needs nothing. docs/mapping.md says how an editor is told of it.
    """
    typer.echo(importlib.import_module("schemas.mapping_schema").page(), nl=False)


_MAPPING_FILE = Annotated[Path, typer.Argument(help="A YAML file, made from an export.")]
_MAPPING_NOTE = Annotated[str, typer.Option(help="Why, kept with the version.")]
_MAPPING_YES = Annotated[bool, typer.Option("--yes", help="Do not ask; needed where no terminal is at hand.")]


@mapping.command()
def plan(
    file: _MAPPING_FILE,
    show: Annotated[int, typer.Option(min=0, max=1000, help="How many document ids to name for each line.")] = 0,
) -> None:
    """Show what the file would do as the next version, document by document. Changes nothing.

    Needs MONGODB_URI, and MERGE_* as the processes have it. All documents are decided again in memory: what would be
    written to Salesforce, read from it, taken over from it, and how many API calls that takes.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_plan(file, show))


@mapping.command()
def publish(file: _MAPPING_FILE, note: _MAPPING_NOTE = "", *, yes: _MAPPING_YES = False) -> None:
    """Make the file the next version of the mapping: shows the plan, asks, publishes, and decides all documents again.

    Needs MONGODB_URI, and MERGE_*, BUDGET_* and SCHEDULE_BACKLOG as the processes have them; running processes take
    the version up by themselves.
    Refused, with every fault and its line, if it cannot be used; refused too if another version than the one it was
    made from is in force. Ctrl-C is safe at any moment: `tandem mapping apply` goes on.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_publish(file, note, sure=yes))


@mapping.command()
def apply() -> None:
    """Decide all documents again that an older version has decided last, as after an interrupted publication.

    Needs MONGODB_URI, and MERGE_*, BUDGET_* and SCHEDULE_BACKLOG as the processes have them. May run at any time,
    beside running processes too. Waits while the writer has too much before it, and while loads may make no call.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_apply())


@mapping.command()
def rollback(
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    note: _MAPPING_NOTE = "",
    *,
    yes: _MAPPING_YES = False,
) -> None:
    """Publish what an older version said as a new version: shows the plan, asks, publishes, and applies it.

    Needs MONGODB_URI, and MERGE_*, BUDGET_* and SCHEDULE_BACKLOG as the processes have them.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_rollback(version, note, sure=yes))


@mapping.command()
def versions() -> None:
    """List all versions, and how many documents have still to be decided by the newest.

    Needs MONGODB_URI.
    """
    raise typer.Exit(importlib.import_module("ops.mapping_command").run_versions())


@mapping.command()
def metadata(
    file: _MAPPING_FILE,
    folder: Annotated[Path, typer.Argument(help="A folder that is empty, or not there yet.")],
) -> None:
    """Write what the file's mapping needs in Salesforce as deployable metadata: fields, permission set, event channel.

    Needs no connection. The presets' own is in deploy/salesforce. A custom field that is in no preset gets the type
    that its transform suggests.
    """
    raise typer.Exit(importlib.import_module("ops.metadata.command").run(file, folder))
