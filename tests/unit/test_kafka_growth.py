"""Which partitions of a topic were there before which, by what a group has noted with its offsets."""

import pytest

from adapters.kafka.growth import Committed, Hold, elders, note, noted


@pytest.mark.parametrize("partitions", [1, 6, 10_000])
def test_a_note_says_what_was_noted(partitions: int) -> None:
    """It travels with the offset."""
    assert noted(note(partitions)) == partitions


@pytest.mark.parametrize(
    "text", [None, "", "partitions=", "partitions=0", "partitions=-1", "partitions=9999999", "n=3"]
)
def test_any_other_note_says_nothing(text: str | None) -> None:
    """Offsets of an earlier release have none, and other tools write their own."""
    assert noted(text) == 0


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
