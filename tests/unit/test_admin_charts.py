"""What is noted of how things are, and what the charts make of it."""

import hashlib
import itertools
from importlib.resources import files

import pytest

from adapters.mongo.overview import KindCounts
from adapters.mongo.samples import Happened
from ops.admin.health import Facts, Flow, judge
from ops.admin.rollup import DAY, HOUR, MINUTE, TIERS, Span, slot
from ops.admin.sampler import sampled
from ops.admin.series import Chart, drawn, numbered
from schemas import topics
from schemas.samples import Sample

NOW = 1_800_000_000_000
UPLOT = {
    "uplot.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
"""Of release 1.6.32, as it was published."""


@pytest.mark.parametrize("name", UPLOT)
def test_the_library_is_the_one_that_was_published(name: str) -> None:
    """Nobody has changed it here; a newer release is taken whole, with its hash."""
    assert hashlib.sha256(files("ops.admin").joinpath("static", name).read_bytes()).hexdigest() == UPLOT[name]


def test_every_width_is_made_of_the_one_before() -> None:
    """And is kept longer than it is shown, until the next one has all of it."""
    tiers = [TIERS[span] for span in Span]
    assert [tier.shown for tier in tiers] == [HOUR, DAY, 7 * DAY]
    for finer, coarser in itertools.pairwise(tiers):
        assert coarser.width % finer.width == 0
        assert finer.kept >= finer.shown + coarser.width
    assert all(100 <= tier.shown // tier.width <= 200 for tier in tiers)


def test_what_is_noted() -> None:
    """What happened is counted by topic and by outcome; of what is not known nothing is said."""
    overview = judge(
        Facts(
            kinds=[KindCounts("customer", 9, 4, 1, 2, NOW - 90_000), KindCounts("order", 9, 0, 0, 0, 0)],
            parked=3,
            open_gaps=1,
            owners=[],
            positions=[],
            allocation=None,
            last_sync=0,
            flow=[Flow("the writer", topics.SALESFORCE_WRITES, 90, 12), Flow("x", topics.PLATFORM_EVENTS, None, None)],
            away={},
            now=NOW,
            processes=[],
        )
    )
    happened = Happened(
        outcomes={
            (topics.PLATFORM_EVENTS, "applied"): 5,
            (topics.PLATFORM_EVENTS, "parked"): 1,
            (topics.SALESFORCE_CHANGES, "applied"): 2,
        },
        writes={"applied": 4, "deferred": 1},
        conflicts={"customer": 2},
    )
    sample = sampled(NOW, happened, overview)
    assert sample.counts == {
        "handled:platform.events": 6,
        "handled:salesforce.changes": 2,
        "handled:salesforce.writes": 5,
        "outcome:applied": 7,
        "outcome:parked": 1,
        "write:applied": 4,
        "write:deferred": 1,
        "conflict:customer": 2,
    }
    assert sample.levels == {
        "due": 4,
        "parked": 3,
        "refused": 1,
        "reviews": 2,
        "gaps": 1,
        "longest_due": 90_000,
        "lag:salesforce.writes": 12,
    }


def chart(samples: list[Sample], name: str, span: Span = Span.HOUR) -> Chart:
    """One of the charts."""
    return next(each for each in drawn(samples, TIERS[span], NOW).charts if each.name == name)


def test_a_rate_is_of_the_time_that_was_looked_at() -> None:
    """Five minutes of ten: twice as much in a minute as the whole while would say."""
    tier = TIERS[Span.DAY]
    at = slot(NOW, tier.width)
    sample = Sample(at, tier.width, 5 * MINUTE, {"handled:platform.events": 1_000}, {})
    (line, *_) = chart([sample], "handled", Span.DAY).lines
    assert line.values[-1] == 200
    assert set(line.values[:-1]) == {None}


def test_what_nobody_saw_has_no_value() -> None:
    """Neither a while without a sample, nor a level that was not known then; what did not happen is nought."""
    width = TIERS[Span.HOUR].width
    at = slot(NOW, width)
    samples = [Sample(at - 2 * width, width, width, {}, {"parked": 2}), Sample(at, width, width, {}, {})]
    parked = next(line for line in chart(samples, "waiting").lines if line.name == "parked")
    assert parked.values[-3:] == [2, None, None]
    (applied,) = chart(samples, "outcomes").lines
    assert applied.values[-3:] == [0, None, 0]


def test_what_is_to_do_has_a_line_for_each_stage_that_is_at_work() -> None:
    """Deliveries and enrichment are not everybody's."""
    width = TIERS[Span.HOUR].width
    sample = Sample(slot(NOW, width), width, width, {}, {"lag:platform.changes": 7})
    assert len(chart([], "lag").lines) == 3
    (deliveries,) = chart([sample], "lag").lines[3:]
    assert (deliveries.name, deliveries.values[-1]) == ("the deliveries", 7)


def test_a_chart_says_what_it_shows() -> None:
    """For who does not see it: the newest and the highest of each line."""
    width = TIERS[Span.HOUR].width
    at = slot(NOW, width)
    samples = [
        Sample(at - width, width, width, {}, {"api_used": 1_200, "api_limit": 15_000}),
        Sample(at, width, width, {}, {"api_used": 30, "api_limit": 15_000}),
    ]
    assert chart(samples, "api").told == "used 30, at most 1,200; allowed 15,000, at most 15,000"
    assert chart([], "api").told == "nothing is known of this time yet"


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (0, "0"), (1_234_567_890, "1,234,567,890"), (0.5, "0.5"), (1_200.0, "1,200")]
)
def test_numbers_are_whole_where_they_are(value: float | None, shown: str) -> None:
    """As people write them; large ones too."""
    assert numbered(value) == shown
