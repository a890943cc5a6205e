"""`tandem parked …` of the command line."""

import importlib
from enum import StrEnum
from typing import Annotated, Any

import typer

from schemas import topics

parked = typer.Typer(
    no_args_is_help=True, help="What waits for a person: records that cannot be handled, refused writes."
)


class Topic(StrEnum):
    """Whose records are meant."""

    EVENTS = topics.PLATFORM_EVENTS
    CHANGES = topics.SALESFORCE_CHANGES
    WRITES = topics.SALESFORCE_WRITES
    PLATFORM_CHANGES = topics.PLATFORM_CHANGES
    COMMANDS = topics.COMMANDS
    ENRICHMENT = topics.ENRICHMENT_REQUESTS


class State(StrEnum):
    """How far a parked record has come."""

    PARKED = "parked"
    REDRIVEN = "redriven"
    RESOLVED = "resolved"
    DISCARDED = "discarded"


_IDS = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="As the list has them: <topic>:<partition>:<offset>, or <kind>:<id>."),
]
_REASON = Annotated[list[str] | None, typer.Option(help="Of this reason only, such as invalid_value; may be repeated.")]
_TOPIC = Annotated[Topic | None, typer.Option(help="Of this topic only; refused writes are of salesforce.writes.")]
_KIND = Annotated[str, typer.Option(help="Of this kind only, such as customer, as far as the kind is known.")]
_KEY = Annotated[str, typer.Option(help="Of this key only: customer:cust-42, or a Salesforce record id.")]
_FROM = Annotated[
    str, typer.Option("--from", metavar="TIME", help="Parked since: 2026-11-28, 2026-11-28T18:00 (UTC), or 12h ago.")
]
_TO = Annotated[str, typer.Option("--to", metavar="TIME", help="Parked before; as --from.")]
_ALL = Annotated[bool, typer.Option("--all", help="All there are; else ids or a filter must say which.")]
_YES = Annotated[
    bool, typer.Option("--yes", help="Do it. Without it nothing is changed, and it is told what would be.")
]


@parked.command(name="list")
def list_parked(
    reason: _REASON = None,
    topic: _TOPIC = None,
    kind: _KIND = "",
    key: _KEY = "",
    since: _FROM = "",
    until: _TO = "",
    state: Annotated[
        State, typer.Option(help="Which ones: those that wait, or those that somebody has dealt with.")
    ] = (State.PARKED),
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to show.")] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
) -> None:
    """List what is parked and the writes that were refused: how many for each reason, and the oldest of them.

    Needs MONGODB_URI. Records keep their bytes until a person redrives or discards them. Prints Salesforce's own words,
    which may quote personal data.
    """
    chosen = _chosen(None, reason, topic, kind, key, since, until, state=state, limit=limit)
    raise typer.Exit(_module().run_list(chosen, as_json=as_json))


@parked.command(name="show")
def show_parked(
    id: Annotated[str, typer.Argument(help="As the list has it.")],  # noqa: A002 - shown in the usage
    *,
    values: Annotated[bool, typer.Option("--values", help="The bytes or values too: personal data.")] = False,
) -> None:
    """Show all that is kept of a parked record or a refused write, and what was done about it.

    Needs MONGODB_URI. The exit code is 1 if there is none.
    """
    raise typer.Exit(_module().run_show(id, values=values))


@parked.command()
def redrive(
    ids: _IDS = None,
    reason: _REASON = None,
    topic: _TOPIC = None,
    kind: _KIND = "",
    key: _KEY = "",
    since: _FROM = "",
    until: _TO = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most, the oldest first.")] = 1_000,
    note: Annotated[str, typer.Option(help="Why, kept with your login name.")] = "",
    wait: Annotated[float, typer.Option(min=0, help="How long to wait for how they end, in seconds.")] = 15.0,
    *,
    everything: _ALL = False,
    yes: _YES = False,
) -> None:
    """Put parked records into their topics again, and let refused writes go out again. A dry run without --yes.

    Needs MONGODB_URI, and MERGE_* as the processes have it; with --yes KAFKA_BOOTSTRAP_SERVERS too. A record goes the
    ordinary way with its own key, bytes and headers, and a mark. What cannot be handled this time either is parked
    again under its id, and the exit code is 1. Twice is as good as once.
    """
    chosen = _chosen(ids, reason, topic, kind, key, since, until, limit=limit)
    raise typer.Exit(_module().run_redrive(chosen, everything=everything, note=note, sure=yes, wait=wait))


@parked.command()
def discard(
    ids: _IDS = None,
    reason: _REASON = None,
    topic: _TOPIC = None,
    kind: _KIND = "",
    key: _KEY = "",
    since: _FROM = "",
    until: _TO = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most, the oldest first.")] = 1_000,
    *,
    note: Annotated[str, typer.Option(help="Why, kept with your login name.")],
    everything: _ALL = False,
    yes: _YES = False,
) -> None:
    """Close what nobody needs any more. A dry run without --yes.

    Needs MONGODB_URI. The row stays, with its bytes, who closed it, when and why, for MONGODB_PARKED_DAYS. A refused
    write's document is not touched: it is only listed no more until it is refused again.
    """
    chosen = _chosen(ids, reason, topic, kind, key, since, until, limit=limit)
    raise typer.Exit(_module().run_discard(chosen, everything=everything, note=note, sure=yes))


def _chosen(
    ids: list[str] | None,
    reason: list[str] | None,
    topic: Topic | None,
    kind: str,
    key: str,
    since: str,
    until: str,
    *,
    limit: int,
    state: State = State.PARKED,
) -> Any:
    return _module().Chosen(
        ids=ids or (),
        reasons=reason or (),
        topic=topic.value if topic else "",
        kind=kind,
        key=key,
        since=since,
        until=until,
        state=state.value,
        limit=limit,
    )


def _module() -> Any:
    return importlib.import_module("ops.parked_command")
