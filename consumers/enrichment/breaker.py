"""When an org that does not answer is left alone for a while. A value and functions; time is an argument, seconds."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Admission(StrEnum):
    """What whoever wants to ask is to do."""

    ASK = "ask"
    """Ask, and wait for the answer."""
    PROBE = "probe"
    """Ask, so that it becomes known whether the org is back; nobody is to wait for the answer."""
    REFUSE = "refuse"
    """Do not ask."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """So many failures in a row open it, for `first` seconds; each probe that fails doubles that, up to `longest`."""

    failures: int = 3
    first: float = 1.0
    longest: float = 15.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """`open_until` is 0 while all is well."""

    failed: int = 0
    open_until: float = 0.0
    wait: float = 0.0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the org counts as ill."""
        return self.open_until > 0

    def admit(self, now: float) -> "tuple[Admission, Breaker]":
        """What to do now, and the breaker after it. One probe at a time."""
        if not self.is_open:
            return Admission.ASK, self
        if self.probing or now < self.open_until:
            return Admission.REFUSE, self
        return Admission.PROBE, replace(self, probing=True)

    def answered(self) -> "Breaker":
        """The org has told something, late or not: it is well."""
        return Breaker()

    def missed(self, policy: BreakerPolicy, now: float) -> "Breaker":
        """A call failed, or nothing came within the time that a person waits."""
        if self.is_open and not self.probing:
            return self  # a call from before it opened: that it failed is no news
        if self.is_open:
            wait = min(self.wait * 2, policy.longest)
            return Breaker(failed=self.failed + 1, open_until=now + wait, wait=wait)
        if self.failed + 1 < policy.failures:
            return replace(self, failed=self.failed + 1)
        return Breaker(failed=self.failed + 1, open_until=now + policy.first, wait=policy.first)
