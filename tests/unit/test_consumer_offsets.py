"""What is said of a Kafka that keeps the offsets of groups for too short a time, or too few copies of them."""

import pytest

from adapters.kafka.consumer_offsets import forgotten_too_soon, too_few_copies

WEEK_MINUTES = 7 * 24 * 60
WEEK_MS = WEEK_MINUTES * 60_000


@pytest.mark.parametrize(
    ("minutes", "retentions"),
    [
        (WEEK_MINUTES, {"a": WEEK_MS, "b": WEEK_MS}),
        (2 * WEEK_MINUTES, {"a": WEEK_MS}),
        (None, {"a": -1}),
        (1, {}),
    ],
)
def test_offsets_that_outlive_the_records_are_no_finding(minutes: int | None, retentions: dict[str, int]) -> None:
    """As long will do. Nothing is said of what a broker does not tell, nor without a topic of ours."""
    assert forgotten_too_soon(minutes, retentions) == []


def test_offsets_that_go_before_the_records_are_named_once() -> None:
    """With the topic that keeps its records longest."""
    (line,) = forgotten_too_soon(WEEK_MINUTES, {"a": WEEK_MS + 1, "b": 3 * WEEK_MS, "c": WEEK_MS})
    assert line.startswith(f"brokers have offsets.retention.minutes=10080, and topic b has retention.ms={3 * WEEK_MS}:")


def test_records_without_an_end_outlive_every_offset() -> None:
    """Such a topic is read anew from its beginning."""
    (line,) = forgotten_too_soon(WEEK_MINUTES, {"a": 100 * WEEK_MS, "b": -1})
    assert "topic b has retention.ms=-1" in line


def partitions(*copies: int) -> list[dict[str, list[int]]]:
    """As Kafka describes them."""
    return [{"replicas": list(range(count))} for count in copies]


def test_one_copy_of_the_offsets_among_three_brokers_is_named() -> None:
    """The partition with the fewest counts, and what the topic has rather than what the brokers would give it now."""
    (line,) = too_few_copies(partitions(3, 1), 3, 3)
    assert line.startswith("topic __consumer_offsets has 1 copies of a partition, where 3 brokers could hold 3")
    assert too_few_copies(partitions(3, 3), 1, 3) == []


def test_before_the_topic_is_there_the_brokers_plan_counts() -> None:
    """Kafka makes it when the first group commits."""
    (line,) = too_few_copies([], 1, 3)
    assert line.startswith("brokers have offsets.topic.replication.factor=1, where 3 brokers could hold 3")
    assert too_few_copies([], 3, 3) == too_few_copies([], None, 3) == []


def test_a_small_cluster_cannot_hold_more() -> None:
    """As of the topics of ours."""
    assert too_few_copies(partitions(1), 1, 1) == too_few_copies(partitions(2), 2, 2) == []
