"""`docs/commands.md`, made from the commands' own help so that it cannot be wrong."""

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from ops.cli import app


def page() -> str:
    """docs/commands.md."""
    lines = [
        "# Commands",
        "",
        f"{app.info.help} `tandem` alone lists the commands, `tandem <command> --help` tells more of one.",
        "",
        "Made by `python -m ops.pages`; a test compares.",
    ]
    for name, command in commands().items():
        told = inspect.cleandoc(command.help).replace("<", "\\<")
        lines += ["", f"## `{' '.join(['tandem', name, *_arguments(command)])}`", "", told]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        if options:
            lines += ["", "| option | default | meaning |", "|---|---|---|", *map(_row, options)]
    return "\n".join(lines) + "\n"


def commands() -> dict[str, Any]:
    """Every command by its name, `mapping export` for one in a group. Typer does not publish its click's classes."""
    return dict(_commands(typer.main.get_command(app), ""))


def _commands(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _arguments(command: Any) -> list[str]:
    return [f"<{parameter.name}>" for parameter in command.params if parameter.param_type_name == "argument"]


def _row(option: Any) -> str:
    default = "" if option.is_flag or option.default is None else option.default
    shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"| `{option.opts[0]}` | {f'`{shown}`' if shown else ''} | {option.help} |"
