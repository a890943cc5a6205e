"""What comes in over HTTP: webhooks, requests of the API, registrations."""

from prometheus_client import Counter, Histogram

from adapters.telemetry.declarations import Declarations


class ArrivingMetrics(Declarations):
    """Webhooks, requests of the API, and registrations."""

    def _declare_webhook(self) -> None:
        self._webhook_requests = self._new(
            Counter, "webhook_requests", "Webhooks answered, by source and HTTP status.", "source", "status"
        )
        self._webhook_seconds = self._histogram(
            "webhook_seconds",
            "Seconds from a webhook's headers to its answer.",
            "source",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self._webhook_children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def _declare_api(self) -> None:
        self._api_requests = self._new(
            Counter,
            "api_requests",
            "Requests of the API answered, by route and HTTP status.",
            "route",
            "method",
            "status",
        )
        self._api_seconds = self._histogram(
            "api_seconds",
            "Seconds from the headers of a request of the API to its answer.",
            "route",
            "method",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    def _declare_enrichment(self) -> None:
        self._registrations = self._histogram(
            "registration_seconds",
            "From a registration to its answer: known, not_found, pending, or accepted.",
            "end",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0),
        )
        self._people_calls = self._new(Counter, "people_calls", "Calls that asked about people who wait.", "end")
        self._people = self._new(Counter, "people_asked", "People who were asked about in those calls.", "end")

    def webhook_answered(self, source: str, status: int, seconds: float) -> None:
        """One answer to a webhook; `source` is set up, or `unknown`."""
        children = self._webhook_children.get((source, status))
        if children is None:  # finding children by label costs more than counting
            children = (self._webhook_requests.labels(source, str(status)), self._webhook_seconds.labels(source))
            self._webhook_children[source, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def api_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answer of the API; `route` is the template of the address, or `unknown`."""
        self._api_requests.labels(route, method, str(status)).inc()
        self._api_seconds.labels(route, method).observe(seconds)

    def registration_answered(self, end: str, seconds: float) -> None:
        """One registration: `known`, `not_found`, `pending` (Salesforce is still to tell) or `accepted`."""
        self._registrations.labels(end).observe(seconds)

    def people_asked(self, end: str, people: int) -> None:
        """One call about people who wait: `answered` or `failed`, and of how many people."""
        self._people_calls.labels(end).inc()
        self._people.labels(end).inc(people)
