"""How the handling of one record ends. The set is closed: nothing else can happen to a record."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The seven ends of a record, in the words of logs, metrics and `salesforce_sync_logs`."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    STALE = "stale"
    ECHO = "echo"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome with its reason: the rule that ignored, the time deferred to, or why it was parked."""

    outcome: Outcome
    reason: str = ""
