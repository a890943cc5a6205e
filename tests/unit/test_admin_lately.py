"""Whether the last hour met the product's targets: what is counted, from when on it rings, and when it says nothing."""

from dataclasses import replace
from typing import Any

import pytest

from ops.admin.lately import GROWN, LEAST, LEAST_LOOKUPS, MANY_FAILURES, Lately, Took, lately, of_targets
from ops.admin.sign import HOUR, Level
from schemas import topics
from schemas.samples import FROM_SALESFORCE, LONGER, LOOKUP_MS, LOOKUPS, TO_SALESFORCE, Sample, took

NOW = 1_800_000_000_000


def told(parked: int = 0, **seen: Any) -> dict[str, str]:
    """By name what is told."""
    return {sign.name: sign.told for sign in of_targets(Lately(**seen), parked)}


def written(applied: int, parked: int, deferred: int = 0) -> dict[str, int]:
    """Writes of an hour, with nothing else in it."""
    return {
        "write:applied": applied,
        "write:parked": parked,
        "write:deferred": deferred,
        f"handled:{topics.SALESFORCE_WRITES}": applied + parked + deferred,
    }


def test_a_quiet_hour_tells_nothing() -> None:
    """Neither does one in which nobody looked."""
    assert told() == {}
    assert told(counts=written(10_000, 0)) == {}


@pytest.mark.parametrize(("applied", "parked", "rings"), [(95, 5, False), (949, 51, True), (94, 6, True)])
def test_less_than_95_percent_taken_rings(applied: int, parked: int, rings: bool) -> None:
    """What was put off has not ended and is counted on neither side; a miss is not rounded into a hit."""
    found = told(counts=written(applied, parked, deferred=400))
    assert ("success_low" in found) is rings
    assert "95.0% of" not in found.get("success_low", "")


def test_of_few_no_share_is_made() -> None:
    """One failure of two is no trend."""
    assert told(counts=written(LEAST - 2, 1)) == {}
    assert set(told(counts=written(LEAST - 2, 2))) == {"success_low", "errors_high"}


def test_more_than_5_percent_errors_ring() -> None:
    """Records and writes together, parked or put off."""
    handled = {f"handled:{topics.PLATFORM_EVENTS}": 950, "outcome:deferred": 20, "outcome:parked": 3}
    assert told(counts=handled | written(40, 2, deferred=25)) == {}
    found = told(counts=handled | written(40, 2, deferred=26))
    assert found == {"errors_high": "5.1% of the last hour's records were parked or put off; 5% is the limit"}


@pytest.mark.parametrize("seen", [{"counts": {"outcome:parked": 7, "write:parked": 4}}, {"parked_since": 11}])
def test_more_than_ten_failures_ring(seen: dict[str, Any]) -> None:
    """By the samples, or by what waits, which is known at once."""
    (sign,) = of_targets(Lately(**seen), 0)
    assert (sign.name, sign.level, sign.told) == ("many_failures", Level.ILL, "11 failures within an hour")
    assert told(parked_since=MANY_FAILURES) == {}


def test_what_grows_rings_though_it_was_told_before() -> None:
    """Against an hour ago; where nobody looked then it is not known."""
    assert set(told(parked=40 + GROWN + 1, parked_before=40)) == {"parked_growing"}
    assert told(parked=40 + GROWN, parked_before=40) == {}
    assert told(parked=40) == {}


@pytest.mark.parametrize(
    ("number", "milliseconds", "rings"),
    [
        (19, 19 * 2_000, True),
        (10_000, 10_000 * 500, False),
        (10_000, 10_000 * 500 + 1, True),
        # So many were slow, and it is 0.2 % of them.
        (10_000, 9_980 * 200 + 20 * 900, False),
        (LEAST_LOOKUPS, LEAST_LOOKUPS * 900, True),
        (LEAST_LOOKUPS - 1, LEAST_LOOKUPS * 9_000, False),
        (0, 0, False),
    ],
)
def test_lookups_that_are_slow_on_average_ring(number: int, milliseconds: int, rings: bool) -> None:
    """By the mean, of a few and more; a miss is not rounded into a hit."""
    found = told(counts={LOOKUPS: number, LOOKUP_MS: milliseconds})
    assert ("lookups_slow" in found) is rings
    assert "took 500 ms" not in found.get("lookups_slow", "")


def test_the_hour_is_added_up_and_its_beginning_is_the_measure() -> None:
    """Unless there is no sample of nearly an hour ago."""
    samples = [
        Sample(NOW - HOUR + 1, 30_000, 30_000, {"write:applied": 3}, {"parked": 4}),
        Sample(NOW - 30_000, 30_000, 30_000, {"write:applied": 2, "write:parked": 1}, {"parked": 9}),
    ]
    seen = lately(samples, now=NOW, parked_since=2)
    assert replace(seen, rates={}) == Lately({"write:applied": 5, "write:parked": 1}, 4, 2, {})
    assert lately(samples[1:], now=NOW).parked_before is None
    assert lately([], now=NOW) == Lately({}, rates={})


def test_rates_are_of_the_last_minutes_that_were_looked_at() -> None:
    """Not of the hour; and where nobody looked lately they are not known."""
    events = f"handled:{topics.PLATFORM_EVENTS}"
    samples = [Sample(NOW - ago, 30_000, 30_000, {events: number}) for ago, number in ((600_000, 9_000), (60_000, 5))]
    assert lately(samples, now=NOW).rates[topics.PLATFORM_EVENTS] == 10.0
    assert lately(samples[:1], now=NOW).rates == {}


def test_how_long_edits_took_is_told_by_limits() -> None:
    """Half of them, and 19 of 20; what took longer than all limits is told so, and nothing of a silent direction."""
    counts = {took(TO_SALESFORCE, 1_000): 60, took(TO_SALESFORCE, 5_000): 34, took(TO_SALESFORCE, LONGER): 6}
    assert Lately(counts).took == [Took(TO_SALESFORCE, 1_000, LONGER, 100)]
    counts |= {took(TO_SALESFORCE, 60_000): 20, took(FROM_SALESFORCE, 2_000): 1}
    assert Lately(counts).took == [Took(TO_SALESFORCE, 1_000, 60_000, 120), Took(FROM_SALESFORCE, 2_000, 2_000, 1)]
