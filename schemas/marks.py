"""What marks a record that an operator has published again: a redriven one that was parked, or a replayed one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.cloudevents import RECEIVED_AT, Headers

REDRIVE: Final = "tandem-redrive"
"""`<attempt> <id of the parked row>`: how that record ends is written into the row."""
REPLAY: Final = "tandem-replay"
"""The id of the run that has published it. What has this mark is not replayed again."""


@dataclass(frozen=True, slots=True)
class Redriven:
    """Whose second coming a record is: the row it was parked as, and how often it will have been tried, from 2 on."""

    row: str
    attempt: int


def redriven(headers: Mapping[str, str]) -> Redriven | None:
    """What the mark of a redrive says; None without one, or where it is not of our making."""
    attempt, _, row = headers.get(REDRIVE, "").partition(" ")
    if not row or not attempt.isdecimal():
        return None
    return Redriven(row, int(attempt))


def unmarked(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """The record's own headers."""
    return [(name, value) for name, value in headers if name not in (REDRIVE, REPLAY)]


def for_redrive(headers: Iterable[tuple[str, bytes]], mark: Redriven, received_at: int) -> Headers:
    """The record's own headers, and the mark. `received_at` is when it first came, epoch milliseconds."""
    return [*_dated(unmarked(headers), received_at), (REDRIVE, f"{mark.attempt} {mark.row}".encode())]


def for_replay(headers: Iterable[tuple[str, bytes]], run: str, received_at: int) -> Headers:
    """As `for_redrive`."""
    return [*_dated(unmarked(headers), received_at), (REPLAY, run.encode())]


def _dated(headers: Headers, received_at: int) -> Headers:
    """By the time of a record its event is known again (rule 2), and published anew it has another."""
    if not received_at or any(name == RECEIVED_AT for name, _value in headers):
        return headers
    return [*headers, (RECEIVED_AT, str(received_at).encode())]
