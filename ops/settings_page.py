"""`docs/settings.md` and `.env.example`, made from the settings themselves so that they cannot be wrong."""

import re
import textwrap
from enum import Enum
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from ops.settings import variables
from ops.settings_groups import ALL, OF_PROCESS, read_by


def page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Read once, at start, from the environment and from a file `.env` in the working directory; the environment",
        "goes first. Every wrong setting is told in one line that names its variable, before anything connects;",
        "`tandem check` tries them out. A value of the sort *secret* is in no log, metric or message.",
        "",
        "Made by `python -m ops.pages`; a test compares.",
    ]
    for group in ALL:
        lines += ["", f"## {title(group)}", "", *_read_by(group), ""]
        lines += ["| variable | default | sort | meaning |", "|---|---|---|---|"]
        lines += [_row(group, name, field) for name, field in group.model_fields.items()]
    return "\n".join(lines) + "\n"


def env_example() -> str:
    """.env.example: what is needed stands free, the rest is commented out with its default."""
    lines = [
        "# Every setting. Copy to .env and fill in what stands free; what is commented out shows its default.",
        "# docs/settings.md says the same in tables. Made by `python -m ops.pages`; a test compares.",
    ]
    for group in ALL:
        lines += ["", f"# {title(group)}"]
        for name, field in group.model_fields.items():
            variable = shown_variable(group, name)
            needed = is_needed(group, name)
            lines += textwrap.wrap(
                _meaning(group, name), 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
            )
            lines.append(f"{variable.replace('<SOURCE>', 'TICKETS')}=" if needed else f"# {variable}={_default(field)}")
    return "\n".join(lines) + "\n"


def title(group: type[BaseSettings]) -> str:
    """`KafkaSettings` is Kafka."""
    return group.__name__.removesuffix("Settings").replace("Mongo", "MongoDB")


def needed_variables(process: str) -> list[str]:
    """The variables without which the process does not start."""
    groups = ALL if process == "all" else OF_PROCESS[process]
    return [shown_variable(group, name) for group in groups for name in group.model_fields if is_needed(group, name)]


def is_needed(group: type[BaseSettings], name: str) -> bool:
    """True where there is no default that would do."""
    field = group.model_fields[name]
    return field.is_required() or _per_source(group, name) or _by_default(field)


def shown_variable(group: type[BaseSettings], name: str) -> str:
    """The variable as the pages and the help name it."""
    variable = variables(group, name)[0]
    return f"{variable}_<SOURCE>" if _per_source(group, name) else variable


def _per_source(group: type[BaseSettings], name: str) -> bool:
    """The webhook's secrets: one variable for each source."""
    return bool(group.model_fields[name].validate_default)


def _by_default(field: FieldInfo) -> bool:
    """Needed as long as no other setting says otherwise."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("needed"))


def _read_by(group: type[BaseSettings]) -> list[str]:
    processes = read_by(group)
    everywhere = len(processes) == len(OF_PROCESS)
    return [f"Read by {'every process' if everywhere else ', '.join(f'`{process}`' for process in processes)}."]


def _row(group: type[BaseSettings], name: str, field: FieldInfo) -> str:
    others = [f"`{other}`" for other in variables(group, name)[1:]]
    also = f" Also: {', '.join(others)}." if others else ""
    default = "*needed*" if is_needed(group, name) else f"`{shown}`" if (shown := _default(field)) else ""
    meaning = f"{_meaning(group, name)}{also}".replace("|", "\\|")
    return f"| `{shown_variable(group, name)}` | {default} | {_sort(field)} | {meaning} |"


def _meaning(group: type[BaseSettings], name: str) -> str:
    return (group.model_fields[name].description or "").removeprefix(f"{shown_variable(group, name)}: ")


def _default(field: FieldInfo) -> str:
    """As it would be written in the environment; a secret's is never shown."""
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    match value:
        case None | SecretStr():
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case Enum():
            return str(value.value)
        case tuple() | list():
            return ",".join(map(str, value))
        case _:
            return str(value)


def _sort(field: FieldInfo) -> str:
    text = str(field.annotation)
    if "SecretStr" in text:
        return "secret"
    for sort, names in (("true or false", ("bool",)), ("number", ("int", "float")), ("file", ("Path",))):
        if re.search(rf"\b(?:{'|'.join(names)})\b", text):
            return sort
    return "text"
