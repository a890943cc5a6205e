"""Reads settings from the environment and `.env`: every wrong one is told, before anything connects."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from pydantic import AliasChoices, AliasPath, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsError

ENV_FILE: Final = Path(".env")

_FOLLOWS_FROM_ANOTHER: Final = "default_factory_not_called"
"""A default that is told from other settings, of which one is wrong: that one has a line of its own."""

# A type for each place of `read_settings`.
A = TypeVar("A", bound=BaseSettings)
B = TypeVar("B", bound=BaseSettings)
C = TypeVar("C", bound=BaseSettings)
D = TypeVar("D", bound=BaseSettings)
E = TypeVar("E", bound=BaseSettings)
F = TypeVar("F", bound=BaseSettings)
G = TypeVar("G", bound=BaseSettings)


class WrongSettings(Exception):
    """Settings that cannot be used; `lines` holds one clear line for each, with the variable and never a value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@overload
def read_settings(a: type[A], /, *, env_file: Path = ENV_FILE) -> tuple[A]: ...
@overload
def read_settings(a: type[A], b: type[B], /, *, env_file: Path = ENV_FILE) -> tuple[A, B]: ...
@overload
def read_settings(a: type[A], b: type[B], c: type[C], /, *, env_file: Path = ENV_FILE) -> tuple[A, B, C]: ...
@overload
def read_settings(
    a: type[A], b: type[B], c: type[C], d: type[D], /, *, env_file: Path = ENV_FILE
) -> tuple[A, B, C, D]: ...
@overload
def read_settings(
    a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /, *, env_file: Path = ENV_FILE
) -> tuple[A, B, C, D, E]: ...
@overload
def read_settings(
    a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /, *, env_file: Path = ENV_FILE
) -> tuple[A, B, C, D, E, F]: ...
@overload
def read_settings(
    a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], g: type[G], /, *, env_file: Path = ENV_FILE
) -> tuple[A, B, C, D, E, F, G]: ...
def read_settings(*groups: type[BaseSettings], env_file: Path = ENV_FILE) -> tuple[BaseSettings, ...]:
    """These groups, in their order; the environment goes before the file.

    Raises:
        WrongSettings: with every wrong setting of every group.
    """
    read, wrong = read_each(*groups, env_file=env_file)
    if wrong:
        raise WrongSettings(wrong)
    return tuple(read[group] for group in groups)


def read_each(
    *groups: type[BaseSettings], env_file: Path = ENV_FILE
) -> tuple[dict[type[BaseSettings], BaseSettings], list[str]]:
    """The groups that are right, and a line for each wrong setting of the others."""
    read: dict[type[BaseSettings], BaseSettings] = {}
    wrong: list[str] = []
    for group in groups:
        try:
            read[group] = group(_env_file=env_file)
        except ValidationError as error:
            for place in error.errors(include_url=False):
                if place["type"] != _FOLLOWS_FROM_ANOTHER:
                    wrong += _line(group, place).splitlines()
        except SettingsError as error:
            wrong.append(f"{group.__name__}: {error}")
        except (OSError, UnicodeDecodeError) as error:
            wrong.append(f"{env_file}: cannot be read: {type(error).__name__}")
    return read, list(dict.fromkeys(wrong))


def variables(group: type[BaseSettings], field_name: str) -> list[str]:
    """The environment variables that set this field; the first is the one to use."""
    alias = group.model_fields[field_name].validation_alias
    match alias:
        case None:
            return [f"{group.model_config.get('env_prefix', '')}{field_name}".upper()]
        case AliasChoices():
            return [choice for choice in alias.choices if isinstance(choice, str)]
        case AliasPath():
            return [str(alias.path[0])]
        case _:
            return [alias]


def _line(group: type[BaseSettings], place: ErrorDetails) -> str:
    message = _said(place)
    if not place["loc"]:
        return message  # about several settings, which it names itself
    variable, description = _variable(group, str(place["loc"][0]))
    if message.startswith(variable):
        return message
    if place["type"] == "missing":
        return f"{variable}: is not set. {description}"
    if place["input"] == "":
        return f"{variable}: is empty; give it a value or leave it out. {description}"
    return f"{variable}: {message}"


def _variable(group: type[BaseSettings], location: str) -> tuple[str, str]:
    for name, field in group.model_fields.items():
        known = variables(group, name)
        if location == name or location.casefold() in (variable.casefold() for variable in known):
            return known[0], field.description or ""
    return location, ""


def _said(place: ErrorDetails) -> str:
    """Pydantic's words in ours; none of its messages for these types repeats the value."""
    context: Mapping[str, Any] = place.get("ctx", {})
    match place["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error" | "enum":
            return f"must be one of {context['expected']}"
        case "bool_parsing":
            return "must be true or false"
        case "path_not_file":
            return "names no file"
        case "string_too_short" | "too_short":
            return "is empty"
        case _:
            return place["msg"].replace("Input should be", "must be").replace("String should", "must")


def unknown_variables(groups: tuple[type[BaseSettings], ...], environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that begin as a group's do and set nothing: most likely misspelt. Names alone, no values."""
    known = {variable for group in groups for name in group.model_fields for variable in variables(group, name)}
    prefixes = tuple({f"{variable.split('_')[0]}_" for variable in known})
    for variable in sorted(environment):
        by_source = variable.upper().startswith(("WEBHOOK_SECRETS_", "SF_CAMPAIGN_"))
        if variable.upper().startswith(prefixes) and variable.upper() not in known and not by_source:
            yield variable
