"""Quick repeats, decided without I/O. Longer waits are the writer's business."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QuickRetries:
    """`tries` in all, with waits that double from `first` up to `longest` seconds, each shortened by up to half."""

    tries: int = 3
    first: float = 0.25
    longest: float = 2.0

    def wait(self, tried: int, chance: float) -> float | None:
        """Seconds to wait after `tried` tries, or nothing where that is enough. `chance` is random, 0 to 1."""
        if tried >= self.tries:
            return None
        return min(self.first * 2.0 ** (tried - 1), self.longest) * (1 - chance / 2)
