"""How long to wait before an outside part that was away is tried again. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits up to a cap, in seconds, each cut by up to half so that not everybody comes back at once."""

    first: float = 0.1
    cap: float = 30.0

    def seconds(self, failures: int, chance: float) -> float:
        """The wait after so many failures in a row (from 1); `chance` is in [0, 1)."""
        whole = min(self.cap, self.first * 2.0 ** min(failures - 1, 60))
        return whole * (1.0 - chance / 2.0)
