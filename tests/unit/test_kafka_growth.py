"""Which partitions of a topic were there before which, by what a group has noted with its offsets."""

import pytest
from aiokafka import TopicPartition

from adapters.kafka.growth import Committed, Handled, Hold, committed, elders, note


@pytest.mark.parametrize("partitions", [1, 6, 10_000])
def test_a_note_says_what_was_noted(partitions: int) -> None:
    """It travels with the offset."""
    assert committed(5, note(partitions)) == Committed(5, partitions)
    assert committed(5, note(partitions, 1_780_000_000_000)) == Committed(5, partitions, 1_780_000_000_000)


def test_a_note_without_a_time_says_the_partitions() -> None:
    """As those that were committed before notes had one."""
    assert committed(5, "partitions=6") == Committed(5, 6)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "partitions=",
        "partitions=0",
        "partitions=-1",
        "partitions=9999999",
        "n=3",
        "until=7",
        "partitions=6 until=x",
    ],
)
def test_any_other_note_says_nothing(text: str | None) -> None:
    """Offsets of an earlier release have none, and other tools write their own."""
    assert committed(5, text) == Committed(5, 0)


def test_what_is_handled_is_no_later_than_the_last_record_before_the_offset() -> None:
    """Of a fetch that is handled in part the one before it counts; before the first, what was noted earlier."""
    at, handled = TopicPartition("t", 0), Handled()
    handled.fetched(at, 4, 1_000)
    handled.fetched(at, 9, 2_000)
    assert [handled.until(at, offset, 500) for offset in (4, 5, 9, 10, 12)] == [500, 1_000, 1_000, 2_000, 2_000]
    handled.fetched(at, 14, 3_000)
    handled.forget([at])
    assert handled.until(at, 15) == 2_000
    assert handled.until(TopicPartition("t", 1), 3) == 0


@pytest.mark.parametrize(
    ("partition", "committed", "older"),
    [
        (3, {}, range(0)),
        (1, {0: Committed(9, 3)}, range(0)),
        (3, {0: Committed(9, 3)}, range(3)),
        (5, {0: Committed(9, 3), 1: Committed(9, 3), 3: Committed(1, 6)}, range(3)),
        (7, {0: Committed(9, 3), 3: Committed(1, 6)}, range(6)),
        (3, {0: Committed(9, 0)}, range(0)),
    ],
)
def test_the_older_ones_are_those_that_were_there_when_the_group_began(
    partition: int, committed: dict[int, Committed], older: range
) -> None:
    """A partition that is new to the group alone waits for none; one of a second growth for those of the first."""
    assert elders(partition, committed) == older


def test_a_hold_is_over_when_every_older_one_has_come_so_far() -> None:
    """What was never committed has not come anywhere."""
    hold = Hold({0: 5, 1: 2})
    assert not hold.is_over({})
    assert not hold.is_over({0: Committed(5, 2)})
    assert not hold.is_over({0: Committed(4, 2), 1: Committed(2, 2)})
    assert hold.is_over({0: Committed(5, 2), 1: Committed(3, 2)})
    assert Hold({}).is_over({})
