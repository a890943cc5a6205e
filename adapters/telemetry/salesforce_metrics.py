"""What Salesforce is asked and answers: calls, rows, allocations, logins."""

from typing import Final

from prometheus_client import Counter, Gauge

from adapters.telemetry.declarations import Declarations
from schemas.records import Failure

NO_ANSWER: Final = "no_answer"
"""The status of a call that was not answered."""


class SalesforceMetrics(Declarations):
    """Calls, rows, allocations and logins."""

    def _declare_salesforce(self) -> None:
        self._calls = self._new(
            Counter, "salesforce_calls", "HTTP calls to Salesforce, by resource and status.", "resource", "status"
        )
        self._call_seconds = self._histogram(
            "salesforce_call_seconds",
            "Seconds a call to Salesforce took.",
            "resource",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
        )
        self._rows = self._new(
            Counter, "salesforce_rows", "Rows written to Salesforce, by outcome.", "sobject", "outcome"
        )
        self._api_used = self._new(Gauge, "salesforce_api_used", "API calls of the org in the last 24 hours.")
        self._api_limit = self._new(Gauge, "salesforce_api_limit", "API calls the org may make in 24 hours.")
        self._allocation_used = self._new(
            Gauge, "salesforce_allocation_used", "Used of an allocation of the org, as its limits tell.", "allocation"
        )
        self._allocation_limit = self._new(
            Gauge, "salesforce_allocation_limit", "What an allocation of the org allows.", "allocation"
        )
        self._refused = self._new(
            Counter, "salesforce_calls_refused", "Calls not made, by lane and reason.", "lane", "reason"
        )
        self._linger = self._new(Gauge, "writer_linger_seconds", "Seconds that doorbells gather before a call.")

        self._logins = self._new(Counter, "salesforce_logins", "Logins tried at Salesforce, by outcome.", "outcome")
        self._login_refused = self._new(
            Gauge, "salesforce_login_refused", "1 while Salesforce refuses our login and only a person can help."
        )

        self._in_a_row = 0
        self._failed_at = 0.0
        self._failures_in_a_row = self._new(
            Gauge,
            "salesforce_failures_in_a_row",
            "Calls and logins since Salesforce last answered one, as this process has seen it.",
        )
        self._credential_age = self._new(
            Gauge, "salesforce_credential_age_seconds", "Seconds since the credential we sign in with came into use."
        )

    def salesforce_called(self, resource: str, status: str, seconds: float) -> None:
        """One HTTP call: `resource` is a stable word (`collections`, `query`), `status` the code or `no_answer`."""
        self._calls.labels(resource, status).inc()
        self._heard(answered=status != NO_ANSWER and not status.startswith("5"))
        self._call_seconds.labels(resource).observe(seconds)

    def rows_written(self, sobject: str, outcome: str, count: int = 1) -> None:
        """Rows of Collections calls by their own outcome: `written`, `deleted`, or the failure (`schemas.records`)."""
        self._rows.labels(sobject, outcome).inc(count)

    def rows_foreseen(self, sobject: str) -> None:
        """Every outcome of rows of this object counts from 0 on."""
        for outcome in ("written", "deleted", *Failure):
            self._rows.labels(sobject, outcome)

    def api_usage_seen(self, used: int, limit: int) -> None:
        """What `Sforce-Limit-Info` told."""
        self._api_used.set(used)
        self._api_limit.set(limit)

    def allocation_seen(self, name: str, used: int, limit: int) -> None:
        """One of the allocations that the org's `limits` resource tells, by Salesforce's name for it."""
        self._allocation_used.labels(name).set(used)
        self._allocation_limit.labels(name).set(limit)

    def call_refused(self, lane: str, reason: str) -> None:
        """A call that was not made, to leave the org's allocation to others (`consumers.rules.budget`)."""
        self._refused.labels(lane, reason).inc()

    def linger_seen(self, seconds: float) -> None:
        """How long rows gather before a call now."""
        self._linger.set(seconds)

    def logged_in(self, outcome: str, *, refused: bool) -> None:
        """A login was tried: `granted`, `failed` (it may pass by itself) or `refused` (only a person can help)."""
        self._logins.labels(outcome).inc()
        self._login_refused.set(refused)
        self._heard(answered=outcome == "granted")

    @property
    def failures_in_a_row(self) -> tuple[int, float]:
        """Calls and logins since Salesforce last answered one, and how many seconds ago the last of them was."""
        return self._in_a_row, max(0.0, self._clock() - self._failed_at) if self._in_a_row else 0.0

    def credential_seen(self, since: float) -> None:
        """The credential we sign in with has been in use since then, epoch seconds."""
        self._credential_age.set_function(lambda: max(0.0, self._clock() - since))

    def _heard(self, *, answered: bool) -> None:
        self._in_a_row = 0 if answered else self._in_a_row + 1
        if not answered:
            self._failed_at = self._clock()
        self._failures_in_a_row.set(self._in_a_row)
