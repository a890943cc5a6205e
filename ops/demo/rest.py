"""When both sides are at rest: nothing has moved for a while, and nothing says that it will."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signs:
    """What moves: all revisions summed, the org's last commit, Kafka records not finished, documents out of step."""

    revisions: int
    commit: int
    unfinished: int
    pending: int

    @property
    def idle(self) -> bool:
        """Nothing waits to be done."""
        return self.unfinished == 0 and self.pending == 0

    def tell(self) -> str:
        """What is still under way."""
        return f"{self.unfinished} Kafka records unfinished, {self.pending} documents pending"


class RestDetector:
    """Fed with signs and the time in seconds: at rest once the signs are idle and the same for `quiet_seconds`."""

    def __init__(self, quiet_seconds: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._signs: Signs | None = None
        self._since = 0.0

    def at_rest(self, signs: Signs, now: float) -> bool:
        """Take in the signs of this moment."""
        if signs != self._signs or not signs.idle:
            self._signs = signs
            self._since = now
        return now - self._since >= self._quiet_seconds
