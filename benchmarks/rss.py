"""How much memory this process holds, as the system counts it: MB of 10^6 bytes."""

import os
import resource
from pathlib import Path
from typing import Final

STEPS: Final = 10
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def now_mb() -> float:
    """Resident now. Needs Linux's /proc."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def peak_mb() -> float:
    """The most that was ever resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


class Samples:
    """Resident memory before anything, and after each tenth of `total` things."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.count = 0
        self.seen = [now_mb()]

    def add(self, number: int = 1) -> None:
        """So many more are done."""
        self.count += number
        while len(self.seen) <= STEPS and self.count * STEPS >= len(self.seen) * self._total:
            self.seen.append(now_mb())

    @property
    def done(self) -> bool:
        """All of them are."""
        return self.count >= self._total

    def told(self) -> dict[str, object]:
        """For the parent: what was seen, and the peak."""
        return {"samples": [round(one, 1) for one in self.seen], "peak": round(peak_mb(), 1), "count": self.count}


def row(samples: list[float], peak: float) -> dict[str, float]:
    """What a table says of it. Growth is from the first tenth on: before it caches fill and buffers find their size."""
    return {
        "MB at the start": samples[0],
        "MB after a tenth": samples[1],
        "MB at half": samples[STEPS // 2],
        "MB at the end": samples[-1],
        "MB at most": peak,
        "MB grown since the first tenth": samples[-1] - samples[1],
    }
