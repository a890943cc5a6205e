"""The judge of who owned the change stream: what is planted is found, and nothing else."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from support.fencing import TEAM, Moved, Taken, faults, rounds

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    """So many seconds after the beginning."""
    return BEGAN + timedelta(seconds=second)


FIRST, MOVED = Taken(1, "a", at(0)), Moved("c", 1, "a")
SECOND = Taken(2, "b", at(10), at(9), "a")


def test_one_owner_after_the_other_is_no_fault() -> None:
    """Also one who moves the position late, before the next owner does; and one who takes its own lease again."""
    assert faults([FIRST, MOVED, SECOND, MOVED, Moved("c", 2, "b")]) == []
    assert faults([FIRST, MOVED, Taken(2, "a", at(1), at(9), "a"), Moved("c", 2, "a")]) == []


@pytest.mark.parametrize(
    ("history", "fault"),
    [
        ([FIRST, SECOND, Moved("c", 2, "b"), MOVED], "c was moved under epoch 1 after it was under 2"),
        ([FIRST, Taken(2, "b", at(8), at(9), "a")], "epoch 2 was taken before the one before it had run out"),
        ([FIRST, Taken(1, "b", at(10), at(9), "a")], "epoch 1 follows 1"),
        ([FIRST, Moved("c", 1, "b")], "c was moved by one who does not own epoch 1"),
        ([FIRST, Moved("c", 2, "a")], "c was moved by one who does not own epoch 2"),
    ],
)
def test_what_is_planted_is_found(history: list[Taken | Moved], fault: str) -> None:
    """Each by its sentence."""
    assert faults(history) == [fault]


@pytest.mark.parametrize("seed", range(50))
def test_mishaps_overlap_in_every_order(seed: int) -> None:
    """Each stage meets each of them, two sleep at once, and one is killed while another of its stage sleeps."""
    found = rounds(random.Random(seed))
    met = {(mishap.stage, mishap.way) for round_ in found for mishap in round_}
    assert met >= {(stage, way) for stage in TEAM for way in ("stop", "kill", "sleep")}
    asleep = [Counter(mishap.stage for mishap in round_ if mishap.way == "sleep") for round_ in found]
    assert sum(sum(stages.values()) == 2 for stages in asleep) == 2
    assert all(count <= TEAM[stage] for stages in asleep for stage, count in stages.items())
