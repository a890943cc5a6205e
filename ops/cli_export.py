"""`tandem export` of the command line."""

import importlib
from typing import Annotated

import typer


def export(
    kind: Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")],
    id: Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")],  # noqa: A002 - shown in the usage
) -> None:
    """Print all that is held of a person as JSON, for one who asks what that is. Prints personal data.

    Needs MONGODB_URI, and SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET (or what another way
    to sign in needs: docs/salesforce.md). It is just what `tandem erase` would remove. The exit code is 1 if nothing is
    held.
    """
    raise typer.Exit(importlib.import_module("ops.export_command").run(kind, id))
