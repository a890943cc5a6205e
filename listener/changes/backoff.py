"""How long to wait before trying again: values in, seconds out."""

from dataclasses import dataclass

from listener.changes.bayeux import Ending


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling waits with jitter: attempt 0 waits about `base` seconds, none waits more than `cap`."""

    base: float
    cap: float

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds before the try that follows failure number `attempt` (from 0). `chance` is random, of [0, 1).

        Half of the wait is fixed and half is chance: never no pause at all, and no two clients in step.
        """
        whole = min(self.cap, self.base * 2.0 ** min(attempt, 60))
        return whole * (1 + chance) / 2


@dataclass(frozen=True, slots=True)
class Waits:
    """The pause between two sessions, by how the first one ended."""

    ordinary: Backoff
    busy: Backoff
    """Too busy, or over a limit: Salesforce asks for minutes."""
    sent_away: float
    """Where the server has sent all its clients away at once they spread over this many seconds."""

    def after(self, ending: Ending, failures: int, chance: float) -> float:
        """Seconds before the next session; `failures` counts those before this one that brought nothing."""
        if ending in (Ending.BUSY, Ending.DELIVERIES):
            return self.busy.delay(failures, chance)
        if ending is Ending.SENT_AWAY:
            return self.sent_away * chance + (self.ordinary.delay(failures, chance) if failures else 0.0)
        return self.ordinary.delay(failures, chance)
