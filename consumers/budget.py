"""The org's API allocation as one process keeps it: what it heard, what the others heard, and who may call now.

Nothing here waits or asks. `Sforce-Limit-Info` comes with every answer and counts everybody's calls, so what the
processes tell each other now and then is as good as one account.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from consumers.rules import budget
from consumers.rules.budget import BudgetLane, BudgetPolicy, Refusal
from schemas.allocation import Allocation, AllocationHeard, newest


class Budget:
    """Of one org. `now` gives epoch milliseconds; `on_refused` hears of each call that is not made."""

    def __init__(
        self,
        policy: BudgetPolicy,
        *,
        now: Callable[[], int],
        on_refused: Callable[[BudgetLane, Refusal], None] = lambda _lane, _why: None,
    ) -> None:
        self._policy = policy
        self._now = now
        self._on_refused = on_refused
        self._probed_at = 0
        self._processes = 1
        self.heard = AllocationHeard()
        """The newest that is known here."""

    def hear(self, allocation: Allocation) -> None:
        """An answer told it."""
        self.heard = replace(self.heard, allocation=allocation)

    def hear_jobs(self, jobs: Mapping[str, Allocation]) -> None:
        """The org told these allocations of Bulk jobs, by name."""
        self.heard = newest([self.heard, AllocationHeard(jobs=jobs)])

    def admit_job(self, name: str, lane: BudgetLane) -> Refusal | None:
        """Why this lane may make no Bulk job of those that this allocation counts; one that may be made is counted."""
        known = self.heard.jobs.get(name)
        why = budget.job_refusal(known, lane, self._policy, now=self._now())
        if why is not None:
            self._on_refused(lane, why)
        elif known is not None:
            self.hear_jobs({name: replace(known, used=known.used + 1)})
        return why

    def jobs_used_up(self, name: str, lane: BudgetLane) -> None:
        """Salesforce refused a Bulk job for want of this allocation."""
        known = self.heard.jobs.get(name)
        most = known.limit if known is not None else 0
        self.hear_jobs({name: Allocation(most, most, self._now())})
        self._on_refused(lane, Refusal.JOBS_USED_UP)

    def poll_seconds(self) -> float:
        """How long a Bulk job goes unasked at least: a question is a call."""
        return self.linger_seconds(0.0, 1)

    def hear_deliveries(self, deliveries: Allocation) -> None:
        """The org told how many event deliveries are used."""
        self.heard = replace(self.heard, deliveries=deliveries)

    def exceeded(self) -> None:
        """Salesforce refused a call with REQUEST_LIMIT_EXCEEDED."""
        until = self._now() + budget.exceeded_wait(self.heard.allocation, self._policy)
        self.heard = newest([self.heard, AllocationHeard(exceeded_until=until)])

    def share(self, others: AllocationHeard, processes: int) -> None:
        """Take in what the others have heard; so many processes share the allocation, this one among them."""
        self.heard = newest([self.heard, others])
        self._processes = max(1, processes)

    def refusal(self, lane: BudgetLane) -> Refusal | None:
        """Why this lane may make no call now; asking changes nothing."""
        return budget.refusal(
            self.heard.allocation,
            lane,
            self._policy,
            now=self._now(),
            exceeded_until=self.heard.exceeded_until,
            probed_at=self._probed_at,
        )

    def admit(self, lane: BudgetLane) -> Refusal | None:
        """As `refusal`, for a call that is made at once if nothing speaks against it."""
        why = self.refusal(lane)
        if why is not None:
            self._on_refused(lane, why)
        elif self.heard.allocation is not None and not budget.room(self.heard.allocation, lane, self._policy):
            self._probed_at = self._now()
        return why

    def linger_seconds(self, least: float, callers: int) -> float:
        """How long rows gather before a call, of `callers` in each process."""
        return budget.linger_seconds(
            self.heard.allocation, self._policy, least=least, callers=callers * self._processes
        )

    def apart_seconds(self, callers: int, longest: float) -> float:
        """How far apart calls that nobody waits for are to be, of `callers` of this process; at most `longest`."""
        policy = replace(self._policy, longest_linger=longest)
        callers *= self._processes
        return budget.linger_seconds(self.heard.allocation, policy, least=0.0, callers=callers)

    def slots(self, at_once: int) -> int:
        """Calls that this process may have under way, of `at_once` for all."""
        return budget.slots(at_once, self._processes)
