"""Who is told of what, and when: once it lasts, together, again where it goes on, and when it is over."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ops.admin.sign import HOUR, MINUTE, Level, Sign
from ops.alerts.message import message
from ops.alerts.rules import Alert, AlertPolicy, Due, due, observe, over, told

T0 = 1_796_000_000_000
POLICY = AlertPolicy()
AWAY = Sign("away:kafka", Level.ILL, "kafka does not answer (Timeout)", "/admin/salesforce")
PARKED = Sign("parked", Level.LOOK, "3 parked records waiting for a person", "/admin/parked")


def at(minutes: float) -> int:
    return T0 + round(minutes * MINUTE)


class People:
    """They look every half minute, and hear what is sent."""

    def __init__(self) -> None:
        self.known: dict[str, Alert] = {}
        self.heard: list[tuple[float, Due]] = []

    def look(self, minutes: float, *signs: Sign, taken: bool = True) -> None:
        now = at(minutes)
        self.known = observe(self.known, signs, now=now)
        tell = due(self.known, POLICY, now=now)
        if tell and not taken:
            return
        if tell:
            self.heard.append((minutes, tell))
        self.known = told(self.known, tell, now=now)
        gone = over(self.known, POLICY, now=now)
        self.known = {name: alert for name, alert in self.known.items() if name not in gone}

    def names(self) -> list[tuple[float, list[str], list[str], list[str]]]:
        return [
            (
                minutes,
                [each.name for each in one.fired],
                [each.name for each in one.going_on],
                [each.name for each in one.resolved],
            )
            for minutes, one in self.heard
        ]


def halves(first: float, last: float) -> list[float]:
    return [first + step / 2 for step in range(int((last - first) * 2) + 1)]


def test_what_stands_still_is_told_after_a_minute_and_once() -> None:
    people = People()
    for minutes in halves(0, 30):
        people.look(minutes, AWAY)
    assert people.names() == [(1.0, ["away:kafka"], [], [])]


def test_what_passes_within_a_minute_is_not_told() -> None:
    people = People()
    people.look(0, AWAY)
    people.look(0.5)
    for minutes in halves(1, 10):
        people.look(minutes)
    assert people.heard == []
    assert people.known == {}


def test_what_is_over_is_told_once_it_has_been_away_for_a_while() -> None:
    """Not in each moment in which it is not seen: it flaps."""
    people = People()
    for minutes in halves(0, 2):
        people.look(minutes, AWAY)
    people.look(3)
    people.look(4, AWAY)
    for minutes in halves(4.5, 10):
        people.look(minutes)
    assert people.names() == [(1.0, ["away:kafka"], [], []), (7.0, [], [], ["away:kafka"])]
    assert people.known == {}


def test_what_is_due_at_once_goes_in_one_message() -> None:
    people = People()
    for minutes in halves(0, 15):
        people.look(minutes, PARKED, *([AWAY] if minutes >= 14 else []))
    assert people.names() == [(15.0, ["away:kafka", "parked"], [], [])]


def test_what_goes_on_is_told_again_after_hours() -> None:
    people = People()
    for minutes in (0, 1, 60, 240, 241, 300, 481):
        people.look(minutes, AWAY)
    assert people.names() == [
        (1, ["away:kafka"], [], []),
        (241, [], ["away:kafka"], []),
        (481, [], ["away:kafka"], []),
    ]


def test_what_gets_worse_is_told_at_once() -> None:
    """Once looked at is not once and for all."""
    people, calls = People(), Sign("api_calls", Level.LOOK, "82% of the day's API calls are used", "/admin/salesforce")
    for minutes in (0, 15, 20):
        people.look(minutes, calls)
    people.look(21, replace(calls, level=Level.ILL))
    people.look(22, calls)
    assert people.names() == [(15, ["api_calls"], [], []), (21, ["api_calls"], [], [])]


def test_what_is_silenced_is_watched_and_told_afterwards() -> None:
    people = People()
    people.look(0, AWAY)
    people.known["away:kafka"] = replace(people.known["away:kafka"], silenced_until=at(30), silenced_by="ana")
    for minutes in halves(0.5, 31):
        people.look(minutes, AWAY)
    assert people.names() == [(30.0, ["away:kafka"], [], [])]


def test_what_ends_in_a_silence_ends_silently() -> None:
    people = People()
    people.look(0, AWAY)
    people.look(1, AWAY)
    people.known["away:kafka"] = replace(people.known["away:kafka"], silenced_until=at(60), silenced_by="ana")
    for minutes in halves(2, 10):
        people.look(minutes)
    assert people.names() == [(1, ["away:kafka"], [], [])]
    assert people.known == {}


def test_what_could_not_be_sent_is_told_at_the_next_look() -> None:
    people = People()
    people.look(0, AWAY)
    people.look(1, AWAY, taken=False)
    people.look(1.5, AWAY)
    assert people.names() == [(1.5, ["away:kafka"], [], [])]


def test_of_several_of_one_name_the_worst_counts() -> None:
    worse = replace(PARKED, level=Level.ILL)
    assert observe({}, [worse, PARKED], now=T0)["parked"].level is Level.ILL
    assert observe({}, [PARKED, worse], now=T0)["parked"].level is Level.ILL


def test_a_message_leads_with_the_worst_and_links_to_where_one_acts() -> None:
    known = observe({}, [PARKED, AWAY], now=T0)
    assert not due(known, POLICY, now=T0)
    known = observe(known, [PARKED, AWAY], now=at(15))
    text = message(due(known, POLICY, now=at(15)), page="https://ops.example/", now=at(15))
    assert text.title == "Tandem: not well: kafka does not answer (Timeout), and 1 more"
    assert text.level is Level.ILL
    assert text.body.split("\n") == [
        "New: kafka does not answer (Timeout) (since 15 minutes, it stands still or may be lost)",
        "  https://ops.example/admin/salesforce",
        "  quiet for a while: tandem alerts silence away:kafka",
        "New: 3 parked records waiting for a person (since 15 minutes)",
        "  https://ops.example/admin/parked",
        "  quiet for a while: tandem alerts silence parked",
    ]


def test_a_message_of_what_is_over_says_so() -> None:
    alert = Alert("parked", Level.LOOK, "3 parked records waiting for a person", "/admin/parked", since=T0, seen_at=T0)
    text = message(Due(resolved=[alert]), page="", now=T0 + HOUR)
    assert text.title == "Tandem: over: 3 parked records waiting for a person"
    assert text.level is Level.WELL
    assert text.body == "Over: 3 parked records waiting for a person (since 1 hour)"


SIGNS = st.lists(
    st.builds(
        Sign,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([Level.ILL, Level.LOOK]),
        st.just("told"),
        st.just("/admin"),
    ),
    max_size=3,
)


@given(st.lists(st.tuples(st.integers(min_value=1, max_value=300), SIGNS, st.booleans()), max_size=60))
def test_whatever_comes_and_goes_nobody_hears_the_end_of_what_they_were_not_told(
    looks: list[tuple[int, list[Sign], bool]],
) -> None:
    """Nor a new alert twice before its end, unless it got worse; and in the end all that was told is over."""
    people, minutes = People(), 0.0
    for step, signs, taken in looks:
        minutes += step / 2
        people.look(minutes, *signs, taken=taken)
    for _ in range(3):
        minutes += 3
        people.look(minutes)
    open_ones: dict[str, Level] = {}
    for _minutes, one in people.heard:
        for alert in one.fired:
            assert alert.name not in open_ones or open_ones[alert.name] is Level.LOOK
            open_ones[alert.name] = alert.level
        for alert in one.going_on:
            assert alert.name in open_ones
        for alert in one.resolved:
            del open_ones[alert.name]
    assert open_ones == {}
    assert people.known == {}
