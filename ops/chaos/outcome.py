"""What came of a run: zeros or not, recovery times, and how much there was to judge."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson

from ops.chaos.lag import Sample
from ops.chaos.recovery import Recovery
from simulator.observer.acts import PlatformActs, SalesforceActs
from simulator.observer.history import Row
from simulator.observer.verdict import Fault, Finding, Verdict

RECOVERY_SECONDS: Final = 30.0
"""How long after the end of a trouble the lag may take to be back, gaps to be closed and documents to be in step."""
OPEN_WRITE_SECONDS: Final = 20.0
"""How much of that a write whose answer was lost is left alone: for as long as a call may take."""
UNSEEN: Final = -1.0
"""Seconds of a recovery that nobody looked at."""
LAST_TOLD: Final = 5
"""How many of the documents that were in step last are named."""

MEANING: Final[Mapping[str, str]] = {
    "lost": "a thing whose webhook was answered 2xx, and there is no document; a deletion that its document does not "
    "tell of",
    "doubled": "two records or two documents for one thing",
    "echoed": "a write that carries a Salesforce edit back unchanged, or writing that goes on at rest",
    "different": "a field that comes back, not held, unequal at rest; a total that the orders do not come to",
    "edits lost without an audit row": "neither survived, nor superseded by who could have seen it, nor in the audit",
    "gaps left open": "a window in which something may have been missed, not repaired",
    "parked": "a record that nobody could handle, though nothing was wrong with any",
    "not told to the platform": "a value of Salesforce's that a document shows, and no webhook told",
}


def zeros(
    findings: Sequence[Finding], gaps: Sequence[Row], parked: Sequence[Row], untold: Sequence[str]
) -> dict[str, int]:
    """How often each thing happened that must not, in the order of `MEANING`."""
    lost = [one for one in findings if one.fault is Fault.LOST]
    return {
        "lost": sum(1 for one in lost if not one.field),
        "doubled": sum(1 for one in findings if one.fault is Fault.DOUBLED),
        "echoed": sum(1 for one in findings if one.fault is Fault.ECHOED),
        "different": sum(1 for one in findings if one.fault is Fault.DIFFERENT),
        "edits lost without an audit row": sum(1 for one in lost if one.field),
        "gaps left open": sum(1 for gap in gaps if gap.get("state") != "closed"),
        "parked": len(parked),
        "not told to the platform": len(untold),
    }


@dataclass(frozen=True, slots=True)
class Trouble:
    """One trouble as it is told: times in seconds; `seconds` to recover, None where the lag never was back.

    `gaps` and `documents` are seconds until the gaps were closed and the documents in step, None where they never were;
    -1 of a run in which nobody looked. `last` are a few of the documents that were in step last, or never were.
    """

    what: str
    began: float
    ended: float
    usual: int
    worst: int
    seconds: float | None
    allowed: float
    gaps: float | None = UNSEEN
    documents: float | None = UNSEEN
    last: tuple[str, ...] = ()

    @classmethod
    def of(cls, recovery: Recovery, *, notice: float) -> "Trouble":
        """`notice` is how long a silence may go unnoticed: what is silent may take so much longer."""
        strike = recovery.strike
        return cls(
            what=strike.what,
            began=round(strike.began, 1),
            ended=round(strike.ended, 1),
            usual=recovery.usual,
            worst=recovery.worst,
            seconds=recovery.seconds,
            allowed=RECOVERY_SECONDS + (notice if strike.silent else 0.0),
            gaps=recovery.gaps,
            documents=recovery.documents,
            last=tuple(sorted(recovery.last)[:LAST_TOLD]),
        )

    @property
    def in_time(self) -> bool:
        """Whether all was back soon enough."""
        return all(seconds is not None and seconds <= self.allowed for seconds in self.times)

    @property
    def times(self) -> tuple[float | None, float | None, float | None]:
        """Until the lag was back, the gaps were closed, and the documents in step."""
        return self.seconds, self.gaps, self.documents


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. `counts` say how much there was; `ended` are ends of processes that nobody asked for, by name and exit
    code; `samples` are (second, lag, documents not in step)."""

    seed: int
    preset: str
    at: str
    machine: str
    command: str
    load_seconds: float
    rest_seconds: float
    unrest: str
    found: Mapping[str, int]
    counts: Mapping[str, int]
    troubles: Sequence[Trouble]
    ended: Mapping[str, int]
    proxied: bool
    samples: Sequence[tuple[float, int | None, int]] = field(default=(), repr=False)

    @property
    def events(self) -> int:
        """Webhooks and change events."""
        return self.counts["platform events"] + self.counts["change events"]

    @property
    def clean(self) -> bool:
        """All zeros, and at rest."""
        return not self.unrest and not any(self.found.values())

    @property
    def late(self) -> list[Trouble]:
        """Those that took too long."""
        return [trouble for trouble in self.troubles if not trouble.in_time]

    def save(self, folder: Path) -> Path:
        """Keep it as `seed-<seed>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"seed-{self.seed}.json"
        path.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE))
        return path

    @classmethod
    def load(cls, path: Path) -> "Outcome":
        """What was kept."""
        told = orjson.loads(path.read_bytes())
        told["troubles"] = [Trouble(**{**one, "last": tuple(one.get("last", ()))}) for one in told["troubles"]]
        told["samples"] = [tuple(one) for one in told["samples"]]
        return cls(**told)


def counts(
    verdict: Verdict,
    platform: PlatformActs,
    salesforce: SalesforceActs,
    *,
    commits: int,
    strikes: int,
    closed_gaps: int,
    told: int,
) -> dict[str, int]:
    """How much there was to judge."""
    return {
        "platform events": verdict.platform_events,
        "change events": commits,
        "created on the platform": platform.created,
        "updated on the platform": platform.updated,
        "deleted on the platform": platform.deleted,
        "orders": platform.orders,
        "refunds": platform.refunds,
        "created by people in Salesforce": salesforce.created,
        "updated by people in Salesforce": salesforce.updated,
        "deleted by people in Salesforce": salesforce.deleted,
        "undeleted by people in Salesforce": salesforce.undeleted,
        "converted": salesforce.converted,
        "merged": salesforce.merged,
        "by people on the platform": platform.all,
        "by people in Salesforce": salesforce.all,
        "edits on the platform": verdict.platform_edits,
        "edits in Salesforce": verdict.salesforce_edits,
        "our writes": verdict.writes,
        "conflicts settled": verdict.conflicts,
        "documents": verdict.documents,
        "records": verdict.records,
        "totals counted again": verdict.totals,
        "deleted on one side": verdict.apart,
        "not judged": verdict.unsure,
        "made in a gap and written over unheard": verdict.unheard,
        "troubles": strikes,
        "gaps closed": closed_gaps,
        "webhooks to the platform": told,
    }


def keep_late(samples: Sequence[Sample], folder: Path) -> None:
    """Which documents were out of step at each count, as `late.jsonl`: what held one up is in the logs beside it."""
    counted = [{"at": round(sample.at, 1), "late": sorted(sample.late)} for sample in samples if sample.counted]
    (folder / "late.jsonl").write_bytes(
        b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in counted)
    )


def thinned(samples: Sequence[Sample], every: float = 1.0) -> list[tuple[float, int | None, int]]:
    """One for each second."""
    kept: list[tuple[float, int | None, int]] = []
    for sample in samples:
        if not kept or sample.at - kept[-1][0] >= every or sample.lag is None:
            kept.append((round(sample.at, 1), sample.lag, sample.pending))
    return kept


def now_told() -> str:
    """Now, in UTC, to the minute."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def machine() -> str:
    """In words."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    cores = f"{os.cpu_count()} cores{f' ({model})' if model else ''}"
    return f"{cores}, {platform.system()}, Python {platform.python_version()}"
