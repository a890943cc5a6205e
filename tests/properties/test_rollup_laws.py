"""Samples become fewer, and nothing that happened is lost or told twice."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ops.admin.rollup import TIERS, rollup
from schemas.samples import Sample

RAW, TENS, HOURS = (tier.width for tier in TIERS.values())
NAMES = st.sampled_from(["handled", "parked", "lag:platform.events"])
MANY = st.dictionaries(NAMES, st.integers(0, 10**9), max_size=3)


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Raw ones of up to four hours, in any order, some missing."""
    places = draw(st.lists(st.integers(0, 4 * HOURS // RAW - 1), unique=True, max_size=40))
    return [Sample(place * RAW, RAW, draw(st.integers(0, RAW)), draw(MANY), draw(MANY)) for place in places]


@given(samples())
def test_in_two_steps_as_in_one(found: list[Sample]) -> None:
    """Hours made of ten minutes are the hours made of the half minutes."""
    assert rollup(rollup(found, TENS), HOURS) == rollup(found, HOURS)


@given(samples(), st.randoms())
def test_the_order_does_not_matter(found: list[Sample], chance: object) -> None:
    """Nor does doing it again."""
    mixed = list(found)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    rolled = rollup(mixed, TENS)
    assert rolled == rollup(found, TENS)
    assert rollup(rolled, TENS) == rolled


@given(samples())
def test_sums_and_peaks_stay(found: list[Sample]) -> None:
    """All that happened is still there, and the highest level of each thing; each while is there once, in its place."""
    rolled = rollup(found, HOURS)
    assert [each.at for each in rolled] == sorted({each.at - each.at % HOURS for each in found})
    assert sum(each.covered for each in rolled) == sum(each.covered for each in found)
    for after, before in (
        (_summed([each.counts for each in rolled]), _summed([each.counts for each in found])),
        (_highest([each.levels for each in rolled]), _highest([each.levels for each in found])),
    ):
        assert after == before


def _summed(each: list[object]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counts in each:
        total.update(counts)  # type: ignore[arg-type]
    return total


def _highest(each: list[object]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for levels in each:
        for name, level in levels.items():  # type: ignore[attr-defined]
            highest[name] = max(level, highest.get(name, level))
    return highest
