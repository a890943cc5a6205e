"""One line of what `tandem check` has found."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing stands."""

    GOOD = "good"
    WARNING = "warning"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    part: str
    state: State
    text: str
