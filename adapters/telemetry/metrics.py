"""Every metric of every process, declared in one place. docs/metrics.md lists the same, and a test compares.

Labels hold names of ours (sources that are set up, topics, mapped field paths, policies, stable reasons), never
anything that came in a payload. Stages get the methods as plain callables and see nothing of Prometheus.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
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
from schemas.gap import Found, GapReason
from schemas.outcome import Outcome
from schemas.records import Failure

NO_ANSWER: Final = "no_answer"
"""The status of a call that was not answered."""

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
        self._asked: set[str] = set()
        self._declare_webhook()
        self._declare_api()
        self._declare_records()
        self._declare_salesforce()
        self._declare_subscriber()
        self._declare_merge()
        self._declare_runs()
        self._declare_deliveries()
        self._declare_waiting()
        self._declare_enrichment()
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

    def api_answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """One answer of the API; `route` is the template of the address, or `unknown`."""
        self._api_requests.labels(route, method, str(status)).inc()
        self._api_seconds.labels(route, method).observe(seconds)

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

    def credential_seen(self, since: float) -> None:
        """The credential we sign in with has been in use since then, epoch seconds."""
        self._credential_age.set_function(lambda: max(0.0, self._clock() - since))

    def owning(self, owning: bool) -> None:
        """Whether this process is the one that follows the org."""
        self._owner.set(owning)

    def connected(self, channel: str, *, up: bool) -> None:
        """A subscription came up or went down."""
        self._connected.labels(channel).set(up)

    def frame_received(self, channel: str) -> None:
        """A frame came just now, a heartbeat too."""
        self._since(self._frame_age, self._frame_at, channel, self._clock())

    def position_moved(self, channel: str, committed_at: float) -> None:
        """The stored position moved to a change committed then, epoch seconds."""
        self._since(self._position_age, self._position_at, channel, committed_at)

    def channel_left(self, channel: str) -> None:
        """Nothing is expected of the channel any more: its state and its ages are no longer told."""
        for gauge, moments in ((self._frame_age, self._frame_at), (self._position_age, self._position_at)):
            if moments.pop(channel, None) is not None:
                gauge.remove(channel)
        self._connected.remove(channel)

    def changes_received(self, channel: str, count: int = 1) -> None:
        """Change events that are in the log."""
        self._changes.labels(channel).inc(count)

    def polled(self, sobject: str, outcome: str) -> None:
        """A poll of an object: `answered`, `unavailable` or `refused`."""
        self._polls.labels(sobject, outcome).inc()

    def polling_all_seen(self, *, polling: bool) -> None:
        """Whether every object is polled, since the event deliveries have run out."""
        self._polling_all.set(polling)

    def gap_recorded(self, channel: str, reason: str) -> None:
        """Changes may have been missed."""
        self._gaps.labels(channel, reason).inc()

    def gaps_seen(self, unrepaired: Mapping[str, int]) -> None:
        """How many gaps are not closed, by reason; of a reason that is not named there are none."""
        for reason in GapReason:
            self._open_gaps.labels(str(reason)).set(unrepaired.get(reason, 0))

    def gap_closed(self, reason: str, found: Found) -> None:
        """A gap was closed by its repair, with what it has found."""
        self._closed_gaps.labels(reason).inc()
        self._gap_records.labels("looked_at").inc(found.looked)
        self._gap_records.labels("published").inc(found.published)
        self._gap_records.labels("deleted").inc(found.deleted)

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

    def run_moved(self, kind: str, task: str, passed: int) -> None:
        """A run has so many documents or records of a kind behind it (`schemas.sync_run`)."""
        self._run_rows.labels(kind, task).inc(passed)

    def run_found(self, kind: str, task: str, verdict: str, count: int) -> None:
        """So many of them ended by this verdict (`consumers.rules.sync_verdict`)."""
        self._run_found.labels(kind, task, verdict).inc(count)

    def run_ended(self, purpose: str, state: str) -> None:
        """A run has ended, or was paused."""
        self._runs_ended.labels(purpose, state).inc()

    def runs_seen(self, state: str, count: int) -> None:
        """How many runs there are in a state."""
        self._runs.labels(state).set(count)

    def away_seen(self, asked: Collection[str], away: Collection[str]) -> None:
        """What `/ready` asked, and which of it does not answer."""
        for part in self._asked - set(asked):
            self._away.remove(part)
        self._asked = set(asked)
        for part in asked:
            self._away.labels(part).set(part in away)

    def parked_waiting_seen(self, records: int) -> None:
        """Parked records that nobody has dealt with yet."""
        self._parked_waiting.set(records)

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

    # What there is: one group for each stage.

    def registration_answered(self, end: str, seconds: float) -> None:
        """One registration: `known`, `not_found`, `pending` (Salesforce is still to tell) or `accepted`."""
        self._registrations.labels(end).observe(seconds)

    def people_asked(self, end: str, people: int) -> None:
        """One call about people who wait: `answered` or `failed`, and of how many people."""
        self._people_calls.labels(end).inc()
        self._people.labels(end).inc(people)

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
        self._failures_in_a_row = self._new(
            Gauge,
            "salesforce_failures_in_a_row",
            "Calls and logins since Salesforce last answered one, as this process has seen it.",
        )
        self._credential_age = self._new(
            Gauge, "salesforce_credential_age_seconds", "Seconds since the credential we sign in with came into use."
        )

    def _heard(self, *, answered: bool) -> None:
        self._in_a_row = 0 if answered else self._in_a_row + 1
        self._failures_in_a_row.set(self._in_a_row)

    def _declare_subscriber(self) -> None:
        self._owner = self._new(Gauge, "subscriber_owner", "1 while this process is the one that follows the org.")
        self._connected = self._new(Gauge, "subscriber_connected", "1 while the subscription stands.", "channel")
        self._changes = self._new(Counter, "changes", "Change events put in the log.", "channel")
        self._polls = self._new(Counter, "polls", "Polls of an object, by outcome.", "sobject", "outcome")
        self._polling_all = self._new(
            Gauge, "subscriber_polling_all", "1 while every object is polled, for want of event deliveries."
        )
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
        self._open_gaps = self._new(Gauge, "open_gaps", "Gaps that are not closed yet.", "reason")
        self._closed_gaps = self._new(Counter, "gaps_closed", "Gaps closed by their repair.", "reason")
        self._gap_records = self._new(
            Counter, "gap_records", "Records that closed gaps were about: looked at, published, deleted.", "what"
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

    def _declare_runs(self) -> None:
        self._runs = self._new(Gauge, "sync_runs", "Runs that are kept, by state.", "state")
        self._runs_ended = self._new(
            Counter, "sync_runs_ended", "Runs that ended or were paused, by purpose and state.", "purpose", "state"
        )
        self._run_rows = self._new(
            Counter, "sync_rows", "Documents and records that runs have looked at.", "kind", "task"
        )
        self._run_found = self._new(
            Counter, "sync_verdicts", "What runs have found of them, by verdict.", "kind", "task", "verdict"
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
        self._away = self._new(Gauge, "part_away", "1 while a part that /ready asks does not answer.", "part")
        self._parked_waiting = self._new(Gauge, "parked_waiting", "Parked records that wait for a person.")

    def _declare_enrichment(self) -> None:
        self._registrations = self._histogram(
            "registration_seconds",
            "From a registration to its answer: known, not_found, pending, or accepted.",
            "end",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0),
        )
        self._people_calls = self._new(Counter, "people_calls", "Calls that asked about people who wait.", "end")
        self._people = self._new(Counter, "people_asked", "People who were asked about in those calls.", "end")

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
