"""The estimate of a source's clock (merge rule 2)."""

import pytest

from listener.webhook.clock_offset import ClockOffset

SENT = 1_795_000_000


def fed(*delays_ms: int) -> ClockOffset:
    """An estimate after deliveries that arrived so many milliseconds after the middle of their second."""
    offset = ClockOffset()
    for delay in delays_ms:
        offset.observe(received_at=SENT * 1000 + 500 + delay, sent_at=SENT)
    return offset


def test_nineteen_deliveries_tell_nothing() -> None:
    """A clock is not judged by a few."""
    assert fed(*[60_000] * 19).milliseconds == 0
    assert fed(*[60_000] * 20).milliseconds == 60_000


@pytest.mark.parametrize(
    ("delay", "expected"), [(0, 0), (2_000, 0), (-2_000, 0), (2_001, 2_001), (-2_001, -2_001), (-90_000, -90_000)]
)
def test_two_seconds_are_the_networks(delay: int, expected: int) -> None:
    """Up to two seconds nothing is corrected; beyond, all of it is, in either direction."""
    assert fed(*[delay] * 50).milliseconds == expected


def test_the_cut_to_whole_seconds_is_made_good() -> None:
    """Senders cut their time to the second; over evenly spread deliveries that is half a second, and not an offset."""
    offset = ClockOffset()
    for number in range(100):
        offset.observe(received_at=SENT * 1000 + 10 * number, sent_at=SENT)
    assert offset.milliseconds == 0
    behind = ClockOffset()
    for number in range(100):
        behind.observe(received_at=SENT * 1000 + 10 * number + 5_000, sent_at=SENT)
    assert behind.milliseconds == pytest.approx(5_000, abs=10)


def test_late_deliveries_do_not_move_it() -> None:
    """Forty in a hundred that waited in a queue say nothing of the clock."""
    assert fed(*[100] * 60, *[250_000] * 40).milliseconds == 0


def test_a_clock_put_right_is_forgotten() -> None:
    """After 51 good deliveries the median is theirs, after 101 nothing else is kept."""
    assert fed(*[60_000] * 101, *[0] * 50).milliseconds == 60_000
    assert fed(*[60_000] * 101, *[0] * 51).milliseconds == 0
    assert fed(*[60_000] * 101, *[0] * 101, *[60_000] * 50).milliseconds == 0
