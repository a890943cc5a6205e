"""What polling decides without asking anybody: events or polls, where a poll begins, what it leaves out."""

import pytest

from listener.changes.deliveries import DeliveryPolicy, Way, way
from listener.changes.overlap import Overlap
from listener.changes.pace import Pace, begins_at
from schemas.allocation import Allocation
from schemas.polling import ModifiedRow
from schemas.stream import change_event, poll_channel

NOW = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
POLICY = DeliveryPolicy()


def seen(left: int, *, at: int = NOW, limit: int = 1_000) -> Allocation:
    return Allocation(limit - left, limit, at)


@pytest.mark.parametrize(
    ("coming_by", "left", "exceeded_at", "wanted"),
    [
        (Way.EVENTS, 1_000, 0, Way.EVENTS),
        (Way.EVENTS, 100, 0, Way.EVENTS),
        (Way.EVENTS, 99, 0, Way.POLLING),
        (Way.POLLING, 199, 0, Way.POLLING),
        (Way.POLLING, 200, 0, Way.EVENTS),
        # Salesforce's own refusal: its count is up to five minutes old, so one that soon after says nothing.
        (Way.EVENTS, 900, NOW - MINUTE, Way.POLLING),
        (Way.POLLING, 900, NOW - 4 * MINUTE, Way.POLLING),
        (Way.POLLING, 900, NOW - 5 * MINUTE, Way.EVENTS),
        (Way.POLLING, 100, NOW - 5 * MINUTE, Way.POLLING),
    ],
)
def test_events_are_given_up_at_the_reserve_and_taken_up_with_room(
    coming_by: Way, left: int, exceeded_at: int, wanted: Way
) -> None:
    """Between the two shares it stays as it is, so nobody goes to and fro."""
    assert way(coming_by, seen(left), POLICY, now=NOW, exceeded_at=exceeded_at) is wanted


def test_without_a_count_only_salesforce_can_tell() -> None:
    """A login that may not see the limits: after a refusal it polls for an hour, then asks for events again."""
    for unknown in (None, seen(0, limit=0), seen(0, at=NOW - HOUR)):
        assert way(Way.EVENTS, unknown, POLICY, now=NOW, exceeded_at=0) is Way.EVENTS
        assert way(Way.EVENTS, unknown, POLICY, now=NOW, exceeded_at=NOW - 59 * MINUTE) is Way.POLLING
        assert way(Way.POLLING, unknown, POLICY, now=NOW, exceeded_at=NOW - HOUR) is Way.EVENTS


def test_an_idle_object_is_polled_more_seldom() -> None:
    """And none more often than the API allocation allows."""
    pace = Pace(least=30, longest=300)
    assert [pace.wait(idle, 0) for idle in range(8)] == [30, 30, 30, 30, 60, 120, 240, 300]
    assert pace.wait(10_000, 0) == 300
    assert pace.wait(0, 45) == 45
    assert pace.wait(0, 4_000) == 4_000


def test_a_poll_goes_on_where_its_object_was_last_told_of() -> None:
    """By polls or by events, whichever stands further; an object without events knows polls alone."""
    stood = {"/data/ChangeEvents": NOW - HOUR, "/poll/Contact": NOW - 2 * HOUR, "/poll/Campaign": NOW - 9 * HOUR}
    channels = ("/data/ChangeEvents",)

    def of(sobject: str, *, by_events: bool = True, channels: tuple[str, ...] = channels) -> int:
        return begins_at(sobject, stood, channels, by_events=by_events, now=NOW, first_hours=72)

    assert of("Contact") == NOW - HOUR
    assert of("Account") == NOW - HOUR
    assert of("Campaign", by_events=False) == NOW - 9 * HOUR
    assert of("Opportunity", by_events=False) == NOW - 72 * HOUR
    stood["/poll/Contact"] = NOW - MINUTE
    assert of("Contact") == NOW - MINUTE
    stood |= {"/data/AccountChangeEvent": NOW - 5, "/data/Sales__chn": NOW - 3 * HOUR}
    several = ("/data/AccountChangeEvent", "/data/ChangeEvents", "/data/Sales__chn")
    assert of("Account", channels=several) == NOW - 5
    assert of("Lead", channels=several) == NOW - 3 * HOUR
    assert of("Lead", channels=("/data/Other__chn", "/data/ChangeEvents")) == NOW - 72 * HOUR


def test_names() -> None:
    """Of channels and events."""
    assert poll_channel("Contact") == "/poll/Contact"
    assert (change_event("Contact"), change_event("Order__c")) == ("ContactChangeEvent", "Order__ChangeEvent")


def row(record_id: str, second: int, *, deleted: bool = False) -> ModifiedRow:
    return ModifiedRow(record_id, NOW + second * 1000, deleted)


def test_what_the_overlap_reads_again_is_left_out() -> None:
    """Unless it was changed since, which its stamp tells, or came back from the recycle bin within its second."""
    overlap = Overlap()
    rows = [row("a", 0), row("b", 1)]
    assert overlap.news(rows, server_time=NOW + 10_000) == rows
    assert overlap.news(rows, server_time=NOW + 11_000) == []
    changed = [row("a", 5), row("b", 1, deleted=True)]
    assert overlap.news(changed, server_time=NOW + 12_000) == changed


def test_a_row_whose_second_is_not_over_is_published_again() -> None:
    """A query tells whole seconds: what is changed later in that second looks the same."""
    overlap = Overlap()
    assert overlap.news([row("a", 9)], server_time=NOW + 9_999) == [row("a", 9)]
    assert overlap.news([row("a", 9)], server_time=NOW + 10_000) == [row("a", 9)]
    assert overlap.news([row("a", 9)], server_time=NOW + 40_000) == []


def test_the_memory_of_the_overlap_is_bounded() -> None:
    """The oldest go first, and what no poll reads again is forgotten."""
    overlap = Overlap(most=3)
    overlap.news([row(str(number), number) for number in range(5)], server_time=NOW + 60_000)
    assert len(overlap) == 3
    assert overlap.news([row("0", 0), row("4", 4)], server_time=NOW + 60_000) == [row("0", 0)]
    overlap.forget_before(NOW + 4_000)
    assert len(overlap) == 1
