"""`tandem debug …` of the command line."""

import importlib
from typing import Annotated, Any

import typer

debug = typer.Typer(
    no_args_is_help=True,
    help="Look closely at one thing for a while: each process tells every decision about it, values masked.",
)

_KIND = Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")]
_ID = Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")]
_RECORD = Annotated[str, typer.Option(metavar="ID", help="A Salesforce record instead, by its id.")]
_WHY = Annotated[str, typer.Option(help="Why, kept with your login name.")]


@debug.command(name="on")
def switch_on(
    kind: _KIND = "",
    id: _ID = "",  # noqa: A002 - shown in the usage
    record: _RECORD = "",
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="After so long it ends by itself.")] = 60,
    why: _WHY = "",
) -> None:
    """Look closely at one thing, or one Salesforce record, from within seconds on until the time is over.

    Reconciler, writer and subscriber write a log line `decision` for each decision about it, and a row of the log that
    `tandem show` shows: what came, which rule decided each field, what was written, what Salesforce answered. Of each
    value its length is told and letters that are the same for the same values. Needs MONGODB_URI. Switched on again it
    ends at the new time.
    """
    _refuse_both(kind, id, record)
    raise typer.Exit(_module().run_on(kind, id, record, minutes=minutes, why=why))


@debug.command(name="off")
def switch_off(
    kind: _KIND = "",
    id: _ID = "",  # noqa: A002 - shown in the usage
    record: _RECORD = "",
    why: _WHY = "",
) -> None:
    """Look no more at a thing or record before its time is over.

    Needs MONGODB_URI. What was told stays for MONGODB_DECISIONS_DAYS. The exit code is 1 if nobody looked at it.
    """
    _refuse_both(kind, id, record)
    raise typer.Exit(_module().run_off(kind, id, record, why=why))


@debug.command(name="list")
def list_marks(
    *, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False
) -> None:
    """List what is looked at closely, until when, who wanted it and why.

    Needs MONGODB_URI.
    """
    raise typer.Exit(_module().run_list(as_json=as_json))


def _refuse_both(kind: str, document_id: str, record: str) -> None:
    if bool(record) == bool(kind or document_id) or bool(kind) != bool(document_id):
        raise typer.BadParameter("name a kind and an id, or --record")


def _module() -> Any:
    return importlib.import_module("ops.debug_command")
