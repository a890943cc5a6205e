"""`tandem erase` of the command line."""

import importlib
from typing import Annotated

import typer


def erase(
    kind: Annotated[str, typer.Argument(help="A kind of the mapping, such as customer.")] = "",
    id: Annotated[str, typer.Argument(help="The platform's id, such as cust-42.")] = "",  # noqa: A002 - shown
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again.")] = False,
    certificate: Annotated[
        bool, typer.Option("--certificate", help="Change nothing; print the certificate of an erasure as JSON.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="After a restore: forget everybody again who is in the list.")
    ] = False,
) -> None:
    """Forget a person: in MongoDB, in Salesforce and its recycle bin, in logs, parked records and deliveries.

    Needs ERASED_KEY, MONGODB_URI, KAFKA_BOOTSTRAP_SERVERS, and SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID,
    SALESFORCE_CLIENT_SECRET (or what another way to sign in needs: docs/salesforce.md). From the first moment on
    nothing more is taken in of the person, whatever is replayed. A running `tandem schedule` looks once more after
    ERASED_SETTLE_SECONDS, and completes the certificate. The exit code is 1 if something had to be left.
    """
    command = importlib.import_module("ops.erase_command")
    if apply and (kind or id):
        raise typer.BadParameter("goes with no kind and no id", param_hint="--apply")
    if not apply and not (kind and id):
        raise typer.BadParameter("name a kind and an id, or --apply")
    if apply:
        raise typer.Exit(command.run_apply())
    if certificate:
        raise typer.Exit(command.run_certificate(kind, id))
    raise typer.Exit(command.run_erase(kind, id, sure=yes))
