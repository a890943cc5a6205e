"""How values, times and calls are told in an example."""

from datetime import UTC, datetime
from typing import Any, Final

from consumers.rules.writes import Delete, Find, Follow, Nothing, Read, Send, Step, Until

SIDES: Final = {"platform": "the platform", "salesforce": "Salesforce"}
"""The sides as they are named in a sentence."""


def clock(milliseconds: int) -> str:
    """The time of day of an epoch time, UTC, to the second."""
    return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%H:%M:%S}"


def value_of(value: Any) -> str:
    """A value as the page quotes it; blanks at the ends of a text stay visible."""
    if value is None:
        return "empty"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    if isinstance(value, str) and (not value or value != value.strip()):
        return f'`"{value}"`'
    return f"`{value}`"


def values_of(values: dict[str, Any]) -> str:
    """`Phone = …`, or several with "and" between."""
    return " and ".join(f"{name} = {value_of(value)}" for name, value in values.items())


def call_of(step: Step) -> str:
    """Which call a step of the writer is."""
    match step:
        case Send(values):
            return f"write {values_of(values) or 'our external id'}"
        case Read():
            return "read"
        case Find():
            return "look up"
        case Follow():
            return "ask what took its place"
        case Delete():
            return "delete"
        case Nothing():
            return "none"
        case Until(at):
            return f"wait until {clock(at)}"


def from_then_on(at: int, call: str) -> str:
    """A call that is not made before a time: the first full second that is not before it."""
    return f"{call}, from {clock(at + 999)}"
