"""When the demo takes both sides to be at rest."""

import pytest

from ops.demo.rest import RestDetector, Signs

IDLE = Signs(revisions=10, commit=5, unfinished=0, pending=0)


def feed(*moments: tuple[float, Signs]) -> list[bool]:
    detector = RestDetector(quiet_seconds=4)
    return [detector.at_rest(signs, now) for now, signs in moments]


def test_rest_is_a_while_without_a_move() -> None:
    """The first look tells nothing; the same four seconds later is rest."""
    assert feed((0, IDLE), (3.9, IDLE), (4, IDLE)) == [False, False, True]


@pytest.mark.parametrize(
    "moved",
    [
        Signs(revisions=11, commit=5, unfinished=0, pending=0),
        Signs(revisions=10, commit=6, unfinished=0, pending=0),
    ],
)
def test_any_move_begins_the_wait_anew(moved: Signs) -> None:
    """A revision or a commit in between, also where it is the only one."""
    assert feed((0, IDLE), (3, moved), (5, moved), (7, moved)) == [False, False, False, True]


@pytest.mark.parametrize(
    "waiting",
    [
        Signs(revisions=10, commit=5, unfinished=1, pending=0),
        Signs(revisions=10, commit=5, unfinished=0, pending=2),
    ],
)
def test_what_waits_to_be_done_is_no_rest(waiting: Signs) -> None:
    """A stuck queue does not move, and is not at rest however long it stays so."""
    assert feed((0, waiting), (60, waiting), (61, IDLE), (64, IDLE), (65, IDLE)) == [False, False, False, False, True]
    assert "1 Kafka" in waiting.tell() or "2 documents" in waiting.tell()
