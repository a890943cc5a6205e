"""`tandem alerts …` of the command line."""

import importlib
from typing import Annotated

import typer

alerts = typer.Typer(no_args_is_help=True, help="What is not well, and who was told. docs/alerts.md says more.")

_NAME = Annotated[str, typer.Argument(help="The alert, as the list names it, such as parked or late:customer.")]


@alerts.command(name="list")
def list_alerts() -> None:
    """List what is not well, or was a moment ago: since when, when people were told, and what is silenced.

    Needs MONGODB_URI. Only what a running `tandem admin` with ALERT_URLS has seen is known.
    """
    raise typer.Exit(importlib.import_module("ops.alerts_command").run_list())


@alerts.command(name="silence")
def silence_alert(
    name: _NAME,
    hours: Annotated[float, typer.Option(min=0, max=720, help="For how long; 0 ends a silence.")] = 8,
    why: Annotated[str, typer.Option(help="Why, kept in the audit with your login name.")] = "",
) -> None:
    """Ask for quiet about one alert for a while. It is still watched, and told afterwards if it goes on.

    Needs MONGODB_URI. The exit code is 1 if there is no such alert.
    """
    raise typer.Exit(importlib.import_module("ops.alerts_command").run_silence(name, hours, why))


@alerts.command(name="test")
def test_alerts() -> None:
    """Send a message to every address of ALERT_URLS. The exit code is 1 if one of them did not take it."""
    raise typer.Exit(importlib.import_module("ops.alerts_command").run_test())
