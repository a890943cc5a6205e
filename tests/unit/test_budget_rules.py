"""Which call the org's allocation has room for: the reserve is never touched, and live edits go first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.budget import Budget
from consumers.rules.budget import (
    BudgetLane,
    BudgetPolicy,
    Refusal,
    exceeded_wait,
    linger_seconds,
    refusal,
    room,
    slots,
)
from schemas.allocation import BULK_BATCHES, BULK_QUERY_JOBS, Allocation, AllocationHeard

POLICY = BudgetPolicy()
NOW = 1_700_000_000_000
LIVE, REPAIR, BACKFILL = BudgetLane

shares = st.floats(0, 0.95)
policies = st.builds(BudgetPolicy, reserve=shares, repair=st.floats(0.5, 1), backfill=st.floats(0.1, 0.5))
allocations = st.builds(Allocation, used=st.integers(0, 200_000), limit=st.integers(0, 150_000), seen_at=st.just(NOW))


def refused(seen: Allocation | None, lane: BudgetLane, *, now: int = NOW, exceeded: int = 0, probed: int = 0) -> object:
    return refusal(seen, lane, POLICY, now=now, exceeded_until=exceeded, probed_at=probed)


@pytest.mark.parametrize(
    ("used", "free"),
    [
        (0, {LIVE, REPAIR, BACKFILL}),
        (8_399, {LIVE, REPAIR, BACKFILL}),
        (8_400, {LIVE, REPAIR}),
        (10_799, {LIVE, REPAIR}),
        (10_800, {LIVE}),
        (11_999, {LIVE}),
        (12_000, set()),
        (15_000, set()),
    ],
)
def test_lanes_stop_one_after_the_other_and_the_last_before_the_reserve(used: int, free: set[BudgetLane]) -> None:
    """Of 15,000 calls 3,000 are the org's other users'; of ours backfill may use 70 %, repair 90 %."""
    seen = Allocation(used, 15_000, NOW)
    assert {lane for lane in BudgetLane if refused(seen, lane) is None} == free
    assert {refused(seen, lane) for lane in set(BudgetLane) - free} <= {Refusal.RESERVE_REACHED}


@given(allocations, policies)
def test_no_lane_has_room_where_one_above_has_none_and_none_has_any_of_the_reserve(
    seen: Allocation, policy: BudgetPolicy
) -> None:
    """Whatever the org's limit and the shares are."""
    rooms = [room(seen, lane, policy) for lane in BudgetLane]
    assert rooms == sorted(rooms, reverse=True)
    assert seen.used + rooms[0] <= max(seen.used, seen.limit * (1 - policy.reserve) + 1e-6)


def test_where_nothing_is_known_the_first_call_tells() -> None:
    """Right after the start."""
    assert [refused(None, lane) for lane in BudgetLane] == [None, None, None]


def test_without_room_one_live_call_in_five_minutes_looks_whether_there_is_again() -> None:
    """Only an answer tells that the oldest calls have left the 24 hours."""
    seen = Allocation(13_000, 15_000, NOW)
    later = NOW + POLICY.probe_every
    assert refused(seen, LIVE, now=later - 1) is Refusal.RESERVE_REACHED
    assert refused(seen, LIVE, now=later) is None
    assert refused(seen, LIVE, now=later, probed=later - 1) is Refusal.RESERVE_REACHED
    assert refused(seen, REPAIR, now=later) is Refusal.RESERVE_REACHED


def test_salesforces_own_refusal_stands_for_all_lanes_until_its_time_is_over() -> None:
    """Shortly where the day still has room: then too many long calls ran at once."""
    busy, spent = Allocation(5, 15_000, NOW), Allocation(15_000, 15_000, NOW)
    assert exceeded_wait(busy, POLICY) == POLICY.busy_wait
    assert exceeded_wait(spent, POLICY) == exceeded_wait(None, POLICY) == POLICY.probe_every
    assert {refused(busy, lane, exceeded=NOW + 1) for lane in BudgetLane} == {Refusal.LIMIT_EXCEEDED}
    assert refused(busy, LIVE, exceeded=NOW) is None


@given(allocations, st.integers(1, 8), policies)
def test_rows_gather_no_shorter_the_more_is_used(seen: Allocation, callers: int, policy: BudgetPolicy) -> None:
    """From the usual linger to the longest one, never back."""
    one, more = (
        linger_seconds(each, policy, least=0.05, callers=callers)
        for each in (seen, replace(seen, used=seen.used + 500))
    )
    assert 0.05 <= one <= more <= policy.longest_linger


def test_the_pace_nears_that_at_which_what_is_left_lasts_a_day() -> None:
    """Half of ours may go at the pace of the edits; then two lanes of a process wait for each other's calls too."""
    assert linger_seconds(None, POLICY, least=0.05, callers=2) == 0.05
    assert linger_seconds(Allocation(6_000, 15_000, NOW), POLICY, least=0.05, callers=2) == 0.05
    assert linger_seconds(Allocation(9_000, 15_000, NOW), POLICY, least=0.05, callers=1) == 0.5 * 86_400 / 3_000
    assert linger_seconds(Allocation(9_000, 15_000, NOW), POLICY, least=0.05, callers=2) == 86_400 / 3_000
    assert linger_seconds(Allocation(11_990, 15_000, NOW), POLICY, least=0.05, callers=2) == 60


def test_calls_at_once_are_shared_and_nobody_is_left_without() -> None:
    """25 of an org over all processes."""
    assert [slots(25, processes) for processes in (0, 1, 2, 4, 100)] == [25, 25, 12, 6, 1]


class Told:
    def __init__(self) -> None:
        self.now = NOW
        self.refused: list[tuple[BudgetLane, Refusal]] = []
        self.budget = Budget(POLICY, now=lambda: self.now, on_refused=lambda *told: self.refused.append(told))


def test_a_probe_is_one_call_and_its_answer_opens_the_lane_again() -> None:
    """The call after it is refused, and counted, until the answer says that there is room."""
    told = Told()
    told.budget.hear(Allocation(12_500, 15_000, NOW))
    told.now += POLICY.probe_every
    assert told.budget.refusal(LIVE) is None
    assert told.budget.admit(LIVE) is None
    assert told.budget.admit(LIVE) is Refusal.RESERVE_REACHED
    assert told.refused == [(LIVE, Refusal.RESERVE_REACHED)]
    told.budget.hear(Allocation(11_000, 15_000, told.now))
    assert told.budget.admit(LIVE) is None


def test_what_others_heard_counts_as_heard_and_the_newest_stands() -> None:
    """An older view of theirs changes nothing; their refusal holds here too."""
    told = Told()
    deliveries = Allocation(9_000, 10_000, NOW)
    told.budget.hear_deliveries(deliveries)
    told.budget.hear(Allocation(100, 15_000, NOW))
    assert told.budget.heard.deliveries == deliveries
    told.budget.share(AllocationHeard(Allocation(14_000, 15_000, NOW - 1)), 2)
    assert told.budget.refusal(LIVE) is None
    told.budget.share(AllocationHeard(Allocation(14_000, 15_000, NOW + 1), exceeded_until=NOW + 500), 3)
    assert told.budget.refusal(LIVE) is Refusal.LIMIT_EXCEEDED
    told.now += 500
    assert told.budget.refusal(LIVE) is Refusal.RESERVE_REACHED
    assert told.budget.slots(25) == 8


def test_a_refusal_of_salesforces_is_not_shortened_by_a_later_one() -> None:
    """The longer wait stands."""
    told = Told()
    told.budget.exceeded()
    until = told.budget.heard.exceeded_until
    told.budget.hear(Allocation(5, 15_000, NOW))
    told.budget.exceeded()
    assert told.budget.heard.exceeded_until == until == NOW + POLICY.probe_every


# Bulk jobs, by the day's allocation of them


def test_jobs_stop_before_the_reserve_lane_by_lane_and_each_is_counted() -> None:
    """Of ten jobs a day two are the org's other users'; a job that is made counts before the org is asked again."""
    told = Told()
    told.budget.hear_jobs({BULK_BATCHES: Allocation(5, 10, NOW)})
    assert [told.budget.admit_job(BULK_BATCHES, LIVE) for _ in range(4)] == [None] * 3 + [Refusal.JOBS_USED_UP]
    assert told.refused == [(LIVE, Refusal.JOBS_USED_UP)]
    told.budget.hear_jobs({BULK_BATCHES: Allocation(5, 10, NOW + 1)})
    assert told.budget.admit_job(BULK_BATCHES, BACKFILL) is Refusal.JOBS_USED_UP
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is None
    assert told.budget.admit_job(BULK_QUERY_JOBS, BACKFILL) is None, "nothing is known of it: the org tells"


def test_salesforces_refusal_of_a_job_stands_for_a_while_and_for_jobs_alone() -> None:
    told = Told()
    told.budget.jobs_used_up(BULK_BATCHES, LIVE)
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is Refusal.JOBS_USED_UP
    assert told.budget.refusal(LIVE) is None
    told.now += POLICY.probe_every
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is None


def test_of_jobs_too_the_newest_that_anybody_heard_stands() -> None:
    """Seen at one moment: the one of which more is used by now."""
    told = Told()
    told.budget.hear_jobs({BULK_BATCHES: Allocation(1, 10, NOW)})
    told.budget.share(AllocationHeard(jobs={BULK_BATCHES: Allocation(8, 10, NOW)}), 2)
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is Refusal.JOBS_USED_UP
    told.budget.share(AllocationHeard(jobs={BULK_BATCHES: Allocation(0, 10, NOW - 1)}), 2)
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is Refusal.JOBS_USED_UP
    told.budget.hear(Allocation(0, 15_000, NOW + 1))
    assert told.budget.admit_job(BULK_BATCHES, LIVE) is Refusal.JOBS_USED_UP, "an answer tells of calls alone"


def test_a_job_is_asked_after_less_often_the_fewer_calls_are_left() -> None:
    told = Told()
    assert told.budget.poll_seconds() == 0
    told.budget.hear(Allocation(3_000, 15_000, NOW))
    assert told.budget.poll_seconds() == 0
    told.budget.hear(Allocation(11_000, 15_000, NOW))
    assert told.budget.poll_seconds() == POLICY.longest_linger


def test_polls_are_further_apart_the_fewer_calls_are_left_and_the_more_objects_there_are() -> None:
    """So that what is left lasts the day: nobody waits for a poll, so it may be later than a write."""
    told = Told()
    assert told.budget.apart_seconds(5, 3_600) == 0
    told.budget.hear(Allocation(6_000, 15_000, NOW))
    assert told.budget.apart_seconds(5, 3_600) == 0
    told.budget.hear(Allocation(9_000, 15_000, NOW))
    some = told.budget.apart_seconds(5, 3_600)
    assert POLICY.longest_linger < some < 3_600
    assert told.budget.apart_seconds(10, 3_600) == 2 * some
    told.budget.hear(Allocation(11_990, 15_000, NOW))
    assert told.budget.apart_seconds(5, 3_600) == 3_600
