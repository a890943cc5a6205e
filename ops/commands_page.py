"""`docs/commands.md`, made from the commands' own help so that it cannot be wrong."""

import inspect
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
    """Every command by its name. Typer brings its own click, whose classes it does not publish."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def _arguments(command: Any) -> list[str]:
    return [f"<{parameter.name}>" for parameter in command.params if parameter.param_type_name == "argument"]


def _row(option: Any) -> str:
    default = option.default
    shown = "" if option.is_flag else f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    return f"| `{option.opts[0]}` | {shown} | {option.help} |"
