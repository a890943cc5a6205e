"""`tandem report …` of the command line."""

import importlib
from pathlib import Path
from typing import Annotated

import typer

report = typer.Typer(no_args_is_help=True, help="What came of events, and of a week of syncing.")


@report.command(name="events")
def of_events(
    event: Annotated[str, typer.Argument(help="The platform's id of one event; all of them without.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the people's ids.")] = False,
) -> None:
    """Tell what came of each event: registered, attended, leads converted, pipeline, forecast, won.

    Needs MONGODB_URI, and SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET (or what another way
    to sign in needs: docs/salesforce.md) for the deals that name the event's Campaign. The exit code is 1 if there is
    no such event.
    """
    raise typer.Exit(importlib.import_module("ops.report_command").run(event, as_json=as_json))


@report.command(name="weekly")
def of_week(
    week: Annotated[str, typer.Option(help="Which, as 2026-W48; the last one that is over without.")] = "",
    html: Annotated[Path | None, typer.Option(help="Write it into this file, as it is mailed.")] = None,
    *,
    send: Annotated[bool, typer.Option("--send", help="Send it to ALERT_REPORT_URLS, or else to ALERT_URLS.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Tell how a week went: figures against the week before, what failed most, conflicts by field, slow look-ups.

    Needs MONGODB_URI. Only what a running `tandem admin` has noted is known, for nine weeks. `tandem schedule` sends
    each week's by itself (SCHEDULE_REPORT_DAY); with --send it goes once more, now. The exit code is 1 if nothing is
    known of the week, or somebody did not take it.
    """
    run = importlib.import_module("ops.weekly.command").run
    raise typer.Exit(run(week, file=html, send=send, as_json=as_json))
