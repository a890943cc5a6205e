"""`tandem api-keys …` of the command line."""

import importlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer

from schemas.api_key import Scope

api_keys = typer.Typer(
    no_args_is_help=True, help="Keys of the platform's API. docs/api.md says what each scope allows."
)


@api_keys.command(name="add")
def add_key(
    name: Annotated[str, typer.Argument(help="Who will use it, such as ticket-shop.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be repeated.")],
    days: Annotated[
        float | None, typer.Option(min=0.01, help="For how many days; without end where not given.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Requests a second, instead of API_RATE_PER_SECOND.")
    ] = None,
) -> None:
    """Make a key, and print it. It is printed once and stored nowhere: only its hash is.

    Needs MONGODB_URI. Running processes know it at once.
    """
    run = importlib.import_module("ops.api_keys_command").run_add
    raise typer.Exit(run(name, tuple(dict.fromkeys(scope)), days=days, rate=rate))


@api_keys.command(name="list")
def list_keys() -> None:
    """List all keys: the part that is no secret, who uses it, what it may do, until when.

    Needs MONGODB_URI.
    """
    raise typer.Exit(importlib.import_module("ops.api_keys_command").run_list())


@api_keys.command(name="revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="The part of the key that the list shows.")]) -> None:
    """End a key for good. Running processes refuse it within five seconds.

    Needs MONGODB_URI. The exit code is 1 if there is no such key, or it was revoked before.
    """
    raise typer.Exit(importlib.import_module("ops.api_keys_command").run_revoke(key))


OF_API_KEYS: Final[Mapping[str, Callable[..., None]]] = {"add": add_key, "list": list_keys, "revoke": revoke_key}
"""Under these names `tandem keys` has them too."""
