"""What is heard of Salesforce: subscriptions, polls, gaps, and runs that compare."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge

from adapters.telemetry.declarations import Declarations
from schemas.gap import Found, GapReason


class ChangeMetrics(Declarations):
    """Subscriptions, polls, gaps and runs."""

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
            Counter,
            "gap_records",
            "Records that closed gaps were about: looked at, published, deleted, unheard.",
            "what",
        )
        self._frame_at: dict[str, float] = {}
        self._position_at: dict[str, float] = {}

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
        self._gap_records.labels("unheard").inc(found.unheard)

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

    def _since(self, gauge: Gauge, moments: dict[str, float], channel: str, moment: float) -> None:
        if channel not in moments:
            gauge.labels(channel).set_function(lambda: max(0.0, self._clock() - moments[channel]))
        moments[channel] = moment
