"""What is said of a topic that does not have what the promises need."""

import pytest

from adapters.kafka.topics import complaints_about, too_few_partitions

GOOD = {
    "min.insync.replicas": "2",
    "unclean.leader.election.enable": "false",
    "cleanup.policy": "delete",
    "max.message.bytes": "2200000",
    "retention.ms": "604800000",
}


def said(copies: int = 3, brokers: int = 3, **configs: str) -> list[str]:
    """Complaints about a topic with two partitions; keyword arguments change its configuration, `_` for a full stop."""
    partitions = [{"replicas": list(range(max(copies, 3)))}, {"replicas": list(range(copies))}]
    changed = {name.replace("_", "."): value for name, value in configs.items()}
    return complaints_about("t", partitions, GOOD | changed, brokers)


def test_nothing_is_said_of_a_good_topic() -> None:
    """Three copies with two in sync; or one copy where there is one broker."""
    assert said() == []
    assert said(retention_ms="-1", retention_bytes="-1") == []
    assert said(copies=1, brokers=1, min_insync_replicas="1") == []


@pytest.mark.parametrize(
    ("copies", "configs", "line"),
    [
        (1, {"min_insync_replicas": "1"}, "topic t has 1 copies of a partition, where 3 brokers could hold 3"),
        (3, {"min_insync_replicas": "1"}, "topic t has min.insync.replicas=1, so a record may be acknowledged"),
        (3, {"min_insync_replicas": "3"}, "topic t has min.insync.replicas=3 of 3 copies, so it takes nothing"),
        (3, {"unclean_leader_election_enable": "true"}, "topic t has unclean.leader.election.enable=true"),
        (3, {"cleanup_policy": "compact,delete"}, "topic t has cleanup.policy=compact"),
        (3, {"retention_ms": "604799999"}, "topic t has retention.ms=604799999, less than 7 days"),
        (3, {"retention_bytes": "1073741824"}, "topic t has retention.bytes=1073741824, so records may be gone"),
        (3, {"max_message_bytes": "1048588"}, "topic t has max.message.bytes=1048588"),
    ],
)
def test_each_lack_is_one_line(copies: int, configs: dict[str, str], line: str) -> None:
    """The line names the topic, the setting and what it leads to."""
    (complaint,) = said(copies, **configs)
    assert complaint.startswith(line)


def test_fewer_partitions_than_wanted_is_said() -> None:
    """More are nobody's trouble."""
    assert too_few_partitions("t", 6, 6) == too_few_partitions("t", 12, 6) == []
    (line,) = too_few_partitions("t", 3, 6)
    assert line == "topic t has 3 partitions, where KAFKA_PARTITIONS=6: at most 3 copies share the work"
