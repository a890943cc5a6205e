"""How long a recovery took, told from looks at the lag."""

from collections.abc import Mapping

from ops.chaos.lag import Sample
from ops.chaos.outcome import Trouble
from ops.chaos.recovery import Recovery, Strike, recoveries


def looks(lags: Mapping[float, int | None], until: int = 60) -> list[Sample]:
    """One a second: the lag is what it was at the latest of these times."""
    found, lag = [], lags.get(0.0, 0)
    for second in range(until):
        lag = lags.get(float(second), lag)
        found.append(Sample(float(second), lag, 0))
    return found


def only(strike: Strike, lags: Mapping[float, int | None], slack: int = 0) -> Recovery:
    """Of a single trouble."""
    (found,) = recoveries([strike], looks(lags), slack=slack)
    return found


def test_it_is_over_when_the_lag_is_back_at_what_it_was() -> None:
    """Counted from the end of the trouble; the most that there was is told."""
    found = only(Strike("x", 10.5, 14.0), {0.0: 20, 11.0: 500, 17.0: 90, 21.0: 20})
    assert (found.usual, found.worst, found.seconds) == (20, 500, 7.0)


def test_a_trouble_that_nothing_shows_of_is_over_at_once() -> None:
    """The lag never rose."""
    assert only(Strike("x", 10.5, 14.0), {0.0: 20}).seconds == 0.0


def test_one_look_alone_tells_nothing() -> None:
    """The lag must stay where it was."""
    assert only(Strike("x", 10.5, 14.0), {0.0: 20, 11.0: 500, 17.0: 20, 18.0: 500, 30.0: 20}).seconds == 16.0


def test_where_nobody_tells_it_is_not_over() -> None:
    """Kafka that is away tells of no lag."""
    assert only(Strike("x", 10.5, 14.0), {0.0: 20, 11.0: None, 30.0: 20}).seconds == 16.0


def test_what_never_comes_back_is_told() -> None:
    """And is not in time, whatever is allowed."""
    found = only(Strike("x", 10.5, 14.0), {0.0: 20, 11.0: 500})
    assert found.seconds is None
    assert not Trouble.of(found, notice=18.0).in_time


def test_a_little_is_always_in_hand() -> None:
    """A lag of nothing at all is nobody's usual one."""
    assert only(Strike("x", 10.5, 14.0), {0.0: 0, 11.0: 30}, slack=50).seconds == 0.0


def test_a_trouble_within_another_is_measured_by_what_was_before_both() -> None:
    """Or the second would be over when the first one's lag is back."""
    lags = {0.0: 20, 11.0: 500, 40.0: 20}
    first, second = recoveries([Strike("x", 10.5, 14.0), Strike("y", 20.5, 22.0)], looks(lags), slack=0)
    assert (first.usual, first.seconds) == (20, 26.0)
    assert (second.usual, second.seconds) == (20, 18.0)


def test_what_is_usual_is_told_of_calm_before_an_earlier_trouble_too() -> None:
    """Right after a recovery less is in hand than usual, and the next trouble may follow within a second."""
    lags = {0.0: 90, 6.0: 60, 21.0: 500, 27.0: 0, 30.0: 50, 60.0: 70}
    first, second, third = recoveries(
        [Strike("x", 20.5, 22.0), Strike("y", 28.5, 28.5), Strike("z", 75.5, 76.0)], looks(lags, 90), slack=0
    )
    assert (first.usual, first.seconds) == (60, 5.0)
    assert (second.usual, second.seconds) == (60, 0.5)
    assert third.usual == 70


def test_a_gap_that_is_noticed_when_the_trouble_is_over_counts() -> None:
    """The first look that finds none open tells nothing; a gap that is noticed after the next trouble is that one's."""
    open_gaps = {18.0: 1, 19.0: 2, 20.0: 2, 26.0: 1}
    samples = [Sample(float(second), 0, 0, open_gaps.get(float(second), 0)) for second in range(40)]
    first, second = recoveries([Strike("x", 10.5, 14.0), Strike("y", 24.5, 25.0)], samples, slack=0)
    assert (first.gaps, second.gaps) == (7.0, 2.0)
    assert recoveries([Strike("x", 30.5, 31.0)], samples, slack=0)[0].gaps == 0.0


def test_a_gap_that_stays_open_is_told() -> None:
    """Also where nobody tells any more."""
    samples = [Sample(float(second), 0, 0, None if second > 20 else int(second > 15)) for second in range(40)]
    (found,) = recoveries([Strike("x", 10.5, 14.0)], samples, slack=0)
    assert found.gaps is None


def counted(late: Mapping[float, set[str]], lag: Mapping[float, int], until: int = 40) -> list[Sample]:
    """A look a second; documents are counted every fourth, and out of step are those of the latest of these times."""
    found = []
    for second, look in enumerate(looks(dict(lag), until)):
        names = frozenset(late[max(at for at in late if at <= second)])
        counts = second % 4 == 0
        found.append(Sample(float(second), look.lag, len(names), 0, counts, names if counts else frozenset()))
    return found


def documents(late: Mapping[float, set[str]], lag: Mapping[float, int] | None = None) -> float | None:
    """How long they took after a trouble that ended after fourteen seconds."""
    (found,) = recoveries([Strike("x", 10.5, 14.0)], counted(late, lag or {0.0: 0}), slack=0)
    return found.documents


def test_documents_are_in_step_when_each_was_at_some_count() -> None:
    """Also where others are out of step by then: those were edited since."""
    assert documents({0.0: set(), 11.0: {"a", "b", "c"}, 18.0: {"b", "d"}, 22.0: {"d", "e"}, 26.0: {"d"}}) == 10.0


def test_a_document_that_stays_out_of_step_is_told() -> None:
    """However few they are, and which."""
    assert documents({0.0: set(), 11.0: {"a"}}) is None
    strikes = [Strike("x", 10.5, 14.0)]
    for late in ({0.0: set(), 11.0: {"a", "b"}, 18.0: {"b"}}, {0.0: set(), 11.0: {"a", "b"}, 18.0: {"b"}, 26.0: {"c"}}):
        (found,) = recoveries(strikes, counted(late, {0.0: 0}), slack=0)
        assert found.last == {"b"}


def test_what_was_out_of_step_all_the_time_before_is_not_of_the_trouble() -> None:
    """What was so a moment before may have been on its way, and caught."""
    assert documents({0.0: {"old"}, 11.0: {"old", "a"}, 18.0: {"old"}}) == 6.0
    assert documents({0.0: set(), 8.0: {"caught"}, 22.0: set()}) == 10.0


def test_documents_count_from_when_the_lag_is_back() -> None:
    """What is still in Kafka is out of step for nobody."""
    late = {0.0: set[str](), 24.0: {"a"}, 28.0: set[str]()}
    assert documents(late) == 2.0
    assert documents(late, {0.0: 0, 11.0: 500, 23.0: 0}) == 14.0


def test_a_silent_stream_may_take_until_it_is_noticed() -> None:
    """Thirty seconds for all, and so much longer for what only the time tells."""
    lags = {0.0: 20, 11.0: 500, 50.0: 20}
    loud, silent = (only(Strike("x", 10.5, 14.0, silent), lags) for silent in (False, True))
    assert not Trouble.of(loud, notice=18.0).in_time
    assert Trouble.of(silent, notice=18.0).in_time
