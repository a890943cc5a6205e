"""What follows when a process has ended that was to run: decided without a clock and without a process."""

from dataclasses import dataclass

from ops.processes.frame import EXIT_WRONG_SETTINGS

DOUBLINGS = 30
"""After so many the wait is the longest in any case, and a larger power of two would be no number any more."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Times in seconds."""

    first: float = 0.5
    """The wait after the first failure; it doubles."""
    longest: float = 30.0
    steady: float = 60.0
    """A process that ran for so long has recovered: its next failure counts as the first."""

    def in_a_row(self, failures: int, ran_seconds: float) -> int:
        """How many failures have come in a row, with the one after it ran for so long."""
        return 1 if ran_seconds >= self.steady else failures + 1

    def wait_seconds(self, in_a_row: int) -> float:
        """How long to wait after so many failures in a row."""
        return min(self.first * 2.0 ** min(in_a_row - 1, DOUBLINGS), self.longest)


@dataclass(frozen=True, slots=True)
class Again:
    """Start it again after so many seconds; `failures` of it have come in a row."""

    seconds: float
    failures: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Its settings are wrong: it would end the same way for ever, and only a person can change that."""


Next = Again | GiveUp


def after_end(code: int, ran_seconds: float, failures: int, policy: RestartPolicy) -> Next:
    """What to do about a process that ended by itself with this exit code after running so long.

    `failures` is how many came in a row before this one. A process that stopped in order (code 0) was asked to by
    somebody else, who expects it back.
    """
    if code == EXIT_WRONG_SETTINGS:
        return GiveUp()
    if code == 0:
        return Again(0.0, 0)
    in_a_row = policy.in_a_row(failures, ran_seconds)
    return Again(policy.wait_seconds(in_a_row), in_a_row)
