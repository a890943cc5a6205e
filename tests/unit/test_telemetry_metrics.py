"""The metrics: counted right, documented whole."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.telemetry.metrics import Metrics
from adapters.telemetry.metrics_page import page

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
LIBRARY = re.compile(r"process_|python_info")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels, as Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def test_the_page_is_made_from_the_declarations() -> None:
    """`python -m adapters.telemetry > docs/metrics.md` changes nothing."""
    assert PAGE.read_text(encoding="utf-8") == page(Metrics().describe())


def test_every_metric_is_documented_and_none_else() -> None:
    """What a process exposes and what the page names are the same metrics, by name and type."""
    exposed = {
        f"{family.name}{'_total' * (family.type == 'counter')}": family.type
        for family in text_string_to_metric_families(Metrics().render().decode())
        if not LIBRARY.match(family.name)
    }
    documented = dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert documented == exposed


def test_what_happens_is_counted() -> None:
    """Each method moves its metric, under its labels."""
    metrics = Metrics()
    metrics.webhook_answered("tickets", 202, 0.004)
    metrics.webhook_answered("tickets", 202, 0.004)
    metrics.records_finished("platform.events", "applied", 3)
    metrics.lag_seen("platform.events", 0, 12)
    metrics.batch_taken("writer", 200)
    metrics.batch_finished("writer", 0.2)
    metrics.salesforce_called("collections", "200", 0.1)
    metrics.rows_written("Contact", "written", 5)
    metrics.api_usage_seen(120, 15_000)
    metrics.connected("/data/ChangeEvents", up=True)
    metrics.changes_received("/data/ChangeEvents", 2)
    metrics.gap_recorded("/data/ChangeEvents", "refused_position")
    metrics.conflict_settled("customer.phone", "latest_wins", "platform")
    metrics.parked("platform.events", "undecodable")
    metrics.due_seen("customer", 4)
    channel = (("channel", "/data/ChangeEvents"),)
    seen = samples(metrics)
    assert seen["tandem_webhook_requests_total", (("source", "tickets"), ("status", "202"))] == 2
    assert seen["tandem_webhook_seconds_count", (("source", "tickets"),)] == 2
    assert seen["tandem_records_total", (("outcome", "applied"), ("topic", "platform.events"))] == 3
    assert seen["tandem_lag_records", (("partition", "0"), ("topic", "platform.events"))] == 12
    assert seen["tandem_batch_records_sum", (("stage", "writer"),)] == 200
    assert seen["tandem_batch_seconds_sum", (("stage", "writer"),)] == 0.2
    assert seen["tandem_salesforce_calls_total", (("resource", "collections"), ("status", "200"))] == 1
    assert seen["tandem_salesforce_call_seconds_count", (("resource", "collections"),)] == 1
    assert seen["tandem_salesforce_rows_total", (("outcome", "written"), ("sobject", "Contact"))] == 5
    assert (seen["tandem_salesforce_api_used", ()], seen["tandem_salesforce_api_limit", ()]) == (120, 15_000)
    assert seen["tandem_subscriber_connected", channel] == 1
    assert seen["tandem_changes_total", channel] == 2
    assert seen["tandem_gaps_total", (*channel, ("reason", "refused_position"))] == 1
    by = (("field", "customer.phone"), ("policy", "latest_wins"), ("winner", "platform"))
    assert seen["tandem_conflicts_total", by] == 1
    assert seen["tandem_parked_total", (("reason", "undecodable"), ("topic", "platform.events"))] == 1
    assert seen["tandem_due_documents", (("kind", "customer"),)] == 4


def test_ages_grow_while_nothing_moves_them() -> None:
    """A subscriber that stands still is seen to, since ages are worked out when they are asked for."""
    now = 1_000.0
    metrics = Metrics(clock=lambda: now)
    metrics.frame_received("c")
    metrics.position_moved("c", committed_at=990.0)
    now = 1_060.0
    seen = samples(metrics)
    assert seen["tandem_subscriber_last_frame_age_seconds", (("channel", "c"),)] == 60
    assert seen["tandem_subscriber_position_age_seconds", (("channel", "c"),)] == 70
    metrics.frame_received("c")
    assert samples(metrics)["tandem_subscriber_last_frame_age_seconds", (("channel", "c"),)] == 0


def test_a_credential_ages_from_when_it_came_into_use() -> None:
    """Unknown is not young: nothing is told then."""
    now = 1_000.0
    metrics = Metrics(clock=lambda: now)
    metrics.credential_seen(400.0)
    now = 2_000.0
    assert samples(metrics)["tandem_salesforce_credential_age_seconds", ()] == 1_600


def test_failures_in_a_row_end_with_any_answer() -> None:
    """No answer, a gateway's 5xx and a login that was not granted count; a refusal of a row is an answer."""
    metrics = Metrics()

    def told() -> float:
        return samples(metrics)["tandem_salesforce_failures_in_a_row", ()]

    metrics.salesforce_called("collections", "no_answer", 120)
    metrics.salesforce_called("collections", "503", 1)
    metrics.logged_in("failed", refused=False)
    assert told() == 3
    metrics.salesforce_called("collections", "400", 0.1)
    assert told() == 0
    metrics.logged_in("refused", refused=True)
    assert told() == 1
    metrics.logged_in("granted", refused=False)
    assert told() == 0


def test_what_may_come_counts_from_zero() -> None:
    """Prometheus sees no increase in a series that begins at its first event."""
    metrics = Metrics()
    metrics.records_foreseen("platform.events")
    metrics.rows_foreseen("Contact")
    metrics.rows_written("Contact", "rejected")
    metrics.rows_foreseen("Contact")
    seen = samples(metrics)
    assert seen["tandem_records_total", (("outcome", "parked"), ("topic", "platform.events"))] == 0
    assert seen["tandem_salesforce_rows_total", (("outcome", "deleted"), ("sobject", "Contact"))] == 0
    assert seen["tandem_salesforce_rows_total", (("outcome", "rejected"), ("sobject", "Contact"))] == 1


def test_what_is_away_is_told_by_part() -> None:
    """And a part that is asked no more is away no more."""
    metrics = Metrics()
    metrics.away_seen(["mongodb", "start"], ["start"])
    seen = samples(metrics)
    assert (seen["tandem_part_away", (("part", "mongodb"),)], seen["tandem_part_away", (("part", "start"),)]) == (0, 1)
    metrics.away_seen(["mongodb"], [])
    assert [labels for name, labels in samples(metrics) if name == "tandem_part_away"] == [(("part", "mongodb"),)]


def test_a_partition_that_left_has_no_lag() -> None:
    """After a rebalance the other process tells it; a lag nobody updates would be a false alarm."""
    metrics = Metrics()
    metrics.lag_seen("t", 1, 5)
    metrics.partition_lost("t", 1)
    metrics.partition_lost("t", 2)
    assert not [name for name, _ in samples(metrics) if name == "tandem_lag_records"]


def test_a_channel_that_is_left_is_no_longer_told() -> None:
    """Polls in the place of events have ended: an age that grows for ever would be a false alarm."""
    metrics = Metrics()
    for channel in ("/poll/Contact", "/data/ChangeEvents"):
        metrics.connected(channel, up=True)
        metrics.frame_received(channel)
        metrics.position_moved(channel, 1)
    metrics.channel_left("/poll/Contact")
    metrics.channel_left("/poll/Account")
    assert {labels for name, labels in samples(metrics) if name.startswith("tandem_subscriber_") and labels} == {
        (("channel", "/data/ChangeEvents"),)
    }
    metrics.position_moved("/poll/Contact", 1)
    assert ("tandem_subscriber_position_age_seconds", (("channel", "/poll/Contact"),)) in samples(metrics)


def test_each_process_has_its_own() -> None:
    """Nothing is registered at import or shared between two."""
    one, other = Metrics(), Metrics()
    one.records_finished("t", "applied")
    assert not [name for name, _ in samples(other) if name == "tandem_records_total"]


def test_a_wrong_label_is_an_error() -> None:
    """A topic without an outcome is no record."""
    with pytest.raises(TypeError):
        Metrics().records_finished("t")  # type: ignore[call-arg]
