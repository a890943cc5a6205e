"""What the stages make of it: records and their outcomes, conflicts, what is due, parked or to be told."""

from collections.abc import Collection

from prometheus_client import Counter, Gauge, Histogram

from adapters.telemetry.declarations import Declarations
from schemas.outcome import Outcome


class StageMetrics(Declarations):
    """Records, documents, deliveries and erasures."""

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
        self._parked = self._new(
            Counter,
            "parked",
            "Records parked for a person, by reason; `other` is a code that docs/errors.md does not know.",
            "topic",
            "reason",
        )

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

    def _declare_deliveries(self) -> None:
        self._erasures = self._new(Gauge, "erasures_unfinished", "People who are to be forgotten and are not yet.")
        self._deliveries = self._new(
            Counter, "deliveries", "Posts to the platform's URL, by how they ended.", "outcome"
        )
        self._deliveries_waiting = self._new(Gauge, "deliveries_waiting", "Deliveries that wait for the platform.")
        self._deliveries_disabled = self._new(
            Gauge, "deliveries_disabled", "1 while the platform's URL is disabled, by a person or after long failure."
        )

    def _declare_waiting(self) -> None:
        self._asked: set[str] = set()
        self._away = self._new(Gauge, "part_away", "1 while a part that /ready asks does not answer.", "part")
        self._parked_waiting = self._new(Gauge, "parked_waiting", "Parked records that wait for a person.")

    def records_finished(self, topic: str, outcome: str, count: int = 1) -> None:
        """Records of a topic that ended with this outcome (`schemas.outcome`)."""
        self._records.labels(topic, outcome).inc(count)

    def records_foreseen(self, topic: str) -> None:
        """Every outcome of a topic's records counts from 0 on: Prometheus sees no increase in what was not there."""
        for outcome in Outcome:
            self._records.labels(topic, outcome)

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

    def parked(self, topic: str, reason: str, count: int = 1) -> None:
        """Records set aside for a person, by one of a closed set of reasons."""
        self._parked.labels(topic, reason).inc(count)

    def parked_waiting_seen(self, records: int) -> None:
        """Parked records that nobody has dealt with yet."""
        self._parked_waiting.set(records)

    def away_seen(self, asked: Collection[str], away: Collection[str]) -> None:
        """What `/ready` asked, and which of it does not answer."""
        for part in self._asked - set(asked):
            self._away.remove(part)
        self._asked = set(asked)
        for part in asked:
            self._away.labels(part).set(part in away)

    def conflict_settled(self, field: str, policy: str, winner: str) -> None:
        """A conflict on a mapped field, `winner` being `platform` or `salesforce`."""
        self._conflicts.labels(field, policy, winner).inc()

    def due_seen(self, kind: str, documents: int) -> None:
        """Documents of a kind that wait for the writer, whenever their time is."""
        self._due.labels(kind).set(documents)

    def reviews_seen(self, kind: str, fields: int) -> None:
        """Fields of a kind in which a conflict waits for a person."""
        self._reviews.labels(kind).set(fields)

    def delivery_ended(self, outcome: str) -> None:
        """A post to the platform's URL: `delivered`, `again`, `given_up`, or `unwanted`."""
        self._deliveries.labels(outcome).inc()

    def deliveries_seen(self, waiting: int, *, disabled: bool) -> None:
        """How many deliveries wait, and whether the URL is disabled."""
        self._deliveries_waiting.set(waiting)
        self._deliveries_disabled.set(disabled)

    def erasures_seen(self, unfinished: int) -> None:
        """How many people are to be forgotten and are not yet."""
        self._erasures.set(unfinished)
