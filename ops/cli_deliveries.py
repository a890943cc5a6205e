"""`tandem deliveries …` of the command line."""

import importlib
from typing import Annotated, Any

import typer

from schemas.delivery import DeliveryState

deliveries = typer.Typer(
    no_args_is_help=True, help="What the platform is told of Salesforce's changes, and the URL that it is told at."
)

_NOTE = Annotated[str, typer.Option(help="Why, kept with your login name.")]


@deliveries.command(name="list")
def list_deliveries(
    state: Annotated[DeliveryState | None, typer.Option(help="In this state only.")] = None,
    kind: Annotated[str, typer.Option(help="Of this kind only, such as customer.")] = "",
    id: Annotated[str, typer.Option(help="Of this document only; goes with --kind.")] = "",  # noqa: A002 - shown
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many to show.")] = 50,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
) -> None:
    """List deliveries, the newest first, how many there are in each state, and where they go.

    Needs MONGODB_URI, and DELIVER_* as `tandem deliver` has it. Prints no values.
    """
    raise typer.Exit(_module().run_list(state.value if state else "", kind, id, limit, as_json=as_json))


@deliveries.command(name="show")
def show_delivery(
    id: Annotated[str, typer.Argument(help="As the list has it.")],  # noqa: A002 - shown in the usage
    *,
    values: Annotated[bool, typer.Option("--values", help="The body too: personal data.")] = False,
) -> None:
    """Show a delivery and its tries.

    Needs MONGODB_URI. The exit code is 1 if there is none.
    """
    raise typer.Exit(_module().run_show(id, values=values))


@deliveries.command()
def redeliver(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="As the list has them.")] = None,
    note: _NOTE = "",
    *,
    failed: Annotated[bool, typer.Option("--failed", help="All that were given up.")] = False,
) -> None:
    """Have deliveries posted again, under their own ids, whatever became of them.

    Needs MONGODB_URI. The platform tells doubles apart by `webhook-id`. A running `tandem deliver` posts them. The exit
    code is 1 if there are none.
    """
    raise typer.Exit(_module().run_redeliver(ids or [], failed=failed, note=note))


@deliveries.command()
def url(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://…; empty: where DELIVER_URL says.")],
    note: _NOTE = "",
) -> None:
    """Set the platform's URL. One that leads inside is refused, unless DELIVER_ALLOWED_NETWORKS names its network.

    Needs MONGODB_URI and DELIVER_SECRETS. The name is resolved now, and again for every connection. The exit code is 1
    if nothing was set.
    """
    raise typer.Exit(_module().run_url(url, note=note))


@deliveries.command()
def disable(note: _NOTE = "") -> None:
    """Post nothing more; what Salesforce changes is kept meanwhile, and posted once it is enabled.

    Needs MONGODB_URI.
    """
    raise typer.Exit(_module().run_enable(enabled=False, note=note))


@deliveries.command()
def enable(note: _NOTE = "") -> None:
    """Go on posting, what has waited first. After long failure the URL is disabled by itself.

    Needs MONGODB_URI.
    """
    raise typer.Exit(_module().run_enable(enabled=True, note=note))


def _module() -> Any:
    return importlib.import_module("ops.deliveries_command")
