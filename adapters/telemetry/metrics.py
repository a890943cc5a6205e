"""Every metric of every process, declared in one place. docs/metrics.md lists the same, and a test compares.

Labels hold names of ours (sources that are set up, topics, mapped field paths, policies, stable reasons), never
anything that came in a payload. Stages get the methods as plain callables and see nothing of Prometheus.
"""

from collections.abc import Callable, Sequence
from time import time
from typing import Final, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from adapters.telemetry.metrics_page import Description

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.render` returns."""

_Plain = TypeVar("_Plain", Counter, Gauge)


class Metrics:
    """The metrics of one process and the registry that holds them.

    Created once by the composition. `clock` gives epoch seconds; ages are worked out from it when they are asked for,
    so that they also grow while the part that should move them stands still.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        self._described: list[Description] = []
        self._declare_webhook()
        self._declare_records()
        self._declare_salesforce()
        self._declare_subscriber()
        self._declare_merge()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def render(self) -> bytes:
        """The registry in Prometheus' text format, of type `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def describe(self) -> list[Description]:
        """Our own metrics, in the order declared."""
        return list(self._described)

    # What happened: one method each.

    def webhook_answered(self, source: str, status: int, seconds: float) -> None:
        """One answer to a webhook; `source` is set up, or `unknown`."""
        children = self._webhook_children.get((source, status))
        if children is None:  # finding children by label costs more than counting
            children = (self._webhook_requests.labels(source, str(status)), self._webhook_seconds.labels(source))
            self._webhook_children[source, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def records_finished(self, topic: str, outcome: str, count: int = 1) -> None:
        """Records of a topic that ended with this outcome (`schemas.outcome`)."""
        self._records.labels(topic, outcome).inc(count)

    def lag_seen(self, topic: str, partition: int, records: int) -> None:
        """How many records of a partition are not finished yet."""
        self._lag.labels(topic, str(partition)).set(records)

    def partition_lost(self, topic: str, partition: int) -> None:
        """The partition went to another process: its lag is no longer ours to tell."""
        self._lag.remove(topic, str(partition))

    def batch_taken(self, stage: str, size: int) -> None:
        """One batch of `reconciler` or `writer`, of this many records."""
        self._batches.labels(stage).observe(size)

    def batch_finished(self, stage: str, seconds: float) -> None:
        """How long it took to handle the batch."""
        self._batch_seconds.labels(stage).observe(seconds)

    def salesforce_called(self, resource: str, status: str, seconds: float) -> None:
        """One HTTP call: `resource` is a stable word (`collections`, `query`), `status` the code or `no_answer`."""
        self._calls.labels(resource, status).inc()
        self._call_seconds.labels(resource).observe(seconds)

    def rows_written(self, sobject: str, outcome: str, count: int = 1) -> None:
        """Rows of Collections calls by their own outcome: `written`, `deleted`, or the failure (`schemas.records`)."""
        self._rows.labels(sobject, outcome).inc(count)

    def api_usage_seen(self, used: int, limit: int) -> None:
        """What `Sforce-Limit-Info` told."""
        self._api_used.set(used)
        self._api_limit.set(limit)

    def connected(self, channel: str, *, up: bool) -> None:
        """A subscription came up or went down."""
        self._connected.labels(channel).set(up)

    def frame_received(self, channel: str) -> None:
        """A frame came just now, a heartbeat too."""
        self._since(self._frame_age, self._frame_at, channel, self._clock())

    def position_moved(self, channel: str, committed_at: float) -> None:
        """The stored position moved to a change committed then, epoch seconds."""
        self._since(self._position_age, self._position_at, channel, committed_at)

    def changes_received(self, channel: str, count: int = 1) -> None:
        """Change events that are in the log."""
        self._changes.labels(channel).inc(count)

    def gap_recorded(self, channel: str, reason: str) -> None:
        """Changes may have been missed."""
        self._gaps.labels(channel, reason).inc()

    def conflict_settled(self, field: str, policy: str, winner: str) -> None:
        """A conflict on a mapped field, `winner` being `platform` or `salesforce`."""
        self._conflicts.labels(field, policy, winner).inc()

    def parked(self, topic: str, reason: str, count: int = 1) -> None:
        """Records set aside for a person, by a stable reason or Salesforce's own code."""
        self._parked.labels(topic, reason).inc(count)

    def due_seen(self, kind: str, documents: int) -> None:
        """Documents of a kind that wait for the writer, whenever their time is."""
        self._due.labels(kind).set(documents)

    def reviews_seen(self, kind: str, fields: int) -> None:
        """Fields of a kind in which a conflict waits for a person."""
        self._reviews.labels(kind).set(fields)

    # What there is: one group for each stage.

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

    def _declare_records(self) -> None:
        self._records = self._new(Counter, "records", "Kafka records finished, by outcome.", "topic", "outcome")
        self._lag = self._new(Gauge, "lag_records", "Kafka records not finished yet.", "topic", "partition")
        self._batches = self._histogram(
            "batch_records",
            "Records in a batch of a stage.",
            "stage",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
        )
        self._batch_seconds = self._histogram(
            "batch_seconds", "Seconds it took to handle a batch.", "stage", buckets=Histogram.DEFAULT_BUCKETS
        )
        self._parked = self._new(Counter, "parked", "Records parked for a person, by reason.", "topic", "reason")

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

    def _declare_subscriber(self) -> None:
        self._connected = self._new(Gauge, "subscriber_connected", "1 while the subscription stands.", "channel")
        self._changes = self._new(Counter, "changes", "Change events put in the log.", "channel")
        self._gaps = self._new(Counter, "gaps", "Gaps recorded, in the stream and in our topics.", "channel", "reason")
        self._frame_age = self._new(
            Gauge, "subscriber_last_frame_age_seconds", "Seconds since the last frame from Salesforce.", "channel"
        )
        self._position_age = self._new(
            Gauge,
            "subscriber_position_age_seconds",
            "Seconds since the commit of the last change that is safe in the log.",
            "channel",
        )
        self._frame_at: dict[str, float] = {}
        self._position_at: dict[str, float] = {}

    def _declare_merge(self) -> None:
        self._conflicts = self._new(
            Counter, "conflicts", "Conflicts settled, by field, policy and winner.", "field", "policy", "winner"
        )
        self._due = self._new(
            Gauge, "due_documents", "Documents that Salesforce is to be asked about, now or at their time.", "kind"
        )
        self._reviews = self._new(
            Gauge, "open_reviews", "Fields in which a conflict waits for a person to choose.", "kind"
        )

    def _new(self, metric: type[_Plain], name: str, text: str, *labels: str) -> _Plain:
        made = metric(f"tandem_{name}", text, labels, registry=self._registry)
        exposed = f"tandem_{name}_total" if metric is Counter else f"tandem_{name}"
        self._described.append(Description(exposed, metric.__name__.lower(), labels, text))
        return made

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        made = Histogram(f"tandem_{name}", text, labels, registry=self._registry, buckets=buckets)
        self._described.append(Description(f"tandem_{name}", "histogram", labels, text))
        return made

    def _since(self, gauge: Gauge, moments: dict[str, float], channel: str, moment: float) -> None:
        if channel not in moments:
            gauge.labels(channel).set_function(lambda: max(0.0, self._clock() - moments[channel]))
        moments[channel] = moment
