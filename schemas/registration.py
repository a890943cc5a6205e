"""Somebody registers: what the platform says of them, and what becomes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Registration:
    """What the platform says of who registers. `fields` by platform path, dotted or nested."""

    fields: Mapping[str, Any]
    id: str = ""
    """The platform's own id, where it has one already."""
    verified: bool = False
    """The platform has made sure that the address is that person's own."""
    event_id: str = ""
    """Names the registration: the same one sent again is the same event. One is made where it is empty."""
    traceparent: str = ""
    """The caller's trace (W3C Trace Context), if there is one."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of it."""

    id: str
    created: bool
    """No document had the address, and this made one."""
    document: Mapping[str, Any] | None
    """What is stored, without what is Tandem's alone; None where it is taken in, and stored as soon as it can be."""
    name: str = ""
    """The whole name that it shows, where the mapping has none; empty where it shows none."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """What was said of them and is taken, as it was said."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """By dotted name: what was said and has no effect, and why."""
    visitor: Mapping[str, Any] = field(default_factory=dict)
    """What the person themselves may be shown of what Salesforce knows. After a registration nothing, unless that says
    itself that the address is verified: anybody may type one that somebody else has verified."""


class InvalidRegistration(ValueError):
    """It cannot be a registration: `places` has a line for each thing that is wrong, never a value."""

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__("; ".join(places))
        self.places = tuple(places)


class Erased(Exception):
    """This person was erased, and nothing is taken in of them any more."""


class CannotStore(Exception):
    """The store will never write this document so: the message is its own word for why, never a value."""
