"""`tandem users …` of the command line."""

import importlib
from typing import Annotated

import typer

from schemas.operators import Role

users = typer.Typer(no_args_is_help=True, help="Who may use the admin page, and what they may do there.")

_NAME = Annotated[str, typer.Argument(help="The name they sign in with.")]


@users.command(name="add")
def add_user(
    name: _NAME,
    role: Annotated[Role, typer.Option(help="What they may do; each may what those before it may.")] = Role.VIEWER,
) -> None:
    """Add a user. The password is asked for; without a terminal it is the first line of standard input.

    Needs MONGODB_URI. Whoever can run this decides who is an admin: it asks for no other right than the database's.
    """
    raise typer.Exit(importlib.import_module("ops.users_command").run_add(name, role))


@users.command(name="list")
def list_users() -> None:
    """List the users. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.users_command").run_list())


@users.command(name="password")
def set_password(name: _NAME) -> None:
    """Give a user another password, asked for as by `add`; their visits end. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.users_command").run_password(name))


@users.command(name="role")
def set_role(name: _NAME, role: Annotated[Role, typer.Argument(help="viewer, operator or admin.")]) -> None:
    """Give a user another role, from their next click on. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.users_command").run_role(name, role))


@users.command(name="disable")
def disable_user(name: _NAME) -> None:
    """Shut a user out, at once. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.users_command").run_disable(name, disabled=True))


@users.command(name="enable")
def enable_user(name: _NAME) -> None:
    """Let a user in again who was shut out, also by too many wrong passwords. Needs MONGODB_URI."""
    raise typer.Exit(importlib.import_module("ops.users_command").run_disable(name, disabled=False))
