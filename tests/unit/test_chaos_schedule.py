"""What goes wrong in the chaos, and when: decided before anything starts."""

import itertools

import pytest

from ops.chaos.org_troubles import script
from ops.chaos.outcome import OPEN_WRITE_SECONDS, RECOVERY_SECONDS
from ops.chaos.schedule import AT_FIRST_SECONDS, BETWEEN_SECONDS, JITTER, plan_troubles, told
from ops.chaos.stage import HOLD_SECONDS, PAUSE_SECONDS, SETTINGS, SLACK_SECONDS
from ops.chaos.troubles import (
    ORG_MEANING,
    OURS,
    Kill,
    Org,
    OrgTrouble,
    Pause,
    all_troubles,
    ends_later,
    lasts,
    target,
    tell,
)
from ops.settings_groups import OF_PROCESS
from simulator.org.cometd.admin import _ACTIONS
from simulator.org.faults import Fault

EVERYTHING = all_troubles(wires=True)


def test_every_process_of_ours_is_killed() -> None:
    """Each that the commands know, but for those that are all in one."""
    killed = {trouble.process.partition("-")[0] for trouble in EVERYTHING if isinstance(trouble, Kill)}
    assert killed == set(OF_PROCESS)
    assert {name.partition("-")[0] for name in OURS} == killed


def test_every_process_that_holds_something_is_stopped_too() -> None:
    """But for those that answer requests, and hold nothing between two."""
    stopped = {trouble.process.partition("-")[0] for trouble in EVERYTHING if isinstance(trouble, Pause)}
    assert stopped == set(OF_PROCESS) - {"webhook", "api", "admin"}


def test_each_trouble_is_told_in_other_words() -> None:
    """A report names them all."""
    assert len({tell(trouble) for trouble in EVERYTHING}) == len(EVERYTHING)
    assert set(ORG_MEANING) == set(OrgTrouble)


def test_a_kill_waits_for_the_end_of_a_pause_of_the_same_process() -> None:
    """And for nothing else."""
    assert target(Kill("write")) == target(Pause("write"))
    assert target(Kill("write")) != target(Kill("reconcile"))


def test_a_pause_is_longer_than_any_lease() -> None:
    """Or nobody would take over."""
    leases = ("KAFKA_SESSION_TIMEOUT", "CHANGES_LEASE_SECONDS", "REPAIR_LEASE_SECONDS", "SCHEDULE_LEASE_SECONDS")
    assert all(float(SETTINGS[name]) < PAUSE_SECONDS for name in leases)
    longest, call = (
        float(SETTINGS[name]) for name in ("MERGE_LONGEST_CALL_SECONDS", "SALESFORCE_CALL_TIMEOUT_SECONDS")
    )
    assert longest - call > PAUSE_SECONDS


def test_the_page_tells_how_long_a_write_without_an_answer_is_left_alone() -> None:
    """And some time remains after it."""
    assert OPEN_WRITE_SECONDS < RECOVERY_SECONDS
    assert float(SETTINGS["MERGE_LONGEST_CALL_SECONDS"]) == OPEN_WRITE_SECONDS


def test_a_half_open_stream_lasts_until_it_is_noticed() -> None:
    """Where there is time for it: longer than the advised time-out and the ten seconds that are added."""
    silence = HOLD_SECONDS + SLACK_SECONDS + 2
    assert lasts(Org(OrgTrouble.HALF_OPEN), pause=PAUSE_SECONDS, silence=silence) > HOLD_SECONDS + SLACK_SECONDS


@pytest.mark.parametrize("seed", range(1, 9))
def test_where_there_is_time_it_is_calm_between_two_troubles(seed: int) -> None:
    """So that each has a recovery of its own."""
    taken = sum(lasts(each, pause=8, silence=20) + ends_later(each) for each in EVERYTHING)
    schedule = plan_troubles(
        seed, AT_FIRST_SECONDS + taken + BETWEEN_SECONDS * len(EVERYTHING), EVERYTHING, pause=8, silence=20
    )
    assert len(schedule) == len(EVERYTHING)
    for one, then in itertools.pairwise(schedule):
        calm = then.at - (one.at + one.lasts + ends_later(one.trouble))
        assert calm > BETWEEN_SECONDS * (1 - 2 * JITTER) - 0.1


def test_nothing_goes_wrong_at_first() -> None:
    """What is usual has to be seen before anything can be back at it; a short run keeps its troubles."""
    assert plan_troubles(7, 1_600, EVERYTHING, pause=8, silence=20)[0].at > AT_FIRST_SECONDS
    assert 3 < plan_troubles(7, 60, EVERYTHING, pause=8, silence=20)[0].at < 6


def test_a_schedule_can_be_printed() -> None:
    """A line for each, in the order of time."""
    (line,) = told(plan_troubles(1, 10, [Pause("write")], pause=8, silence=20))
    assert line == "    4.7 s  write is stopped beyond its lease, and goes on, for 8 s"


@pytest.mark.parametrize(("seconds", "troubles"), [(0.0, EVERYTHING), (10.0, ())])
def test_a_schedule_needs_time_and_something_to_go_wrong(seconds: float, troubles: tuple[Kill, ...]) -> None:
    """It says so."""
    with pytest.raises(ValueError, match="needs time"):
        plan_troubles(1, seconds, troubles, pause=8, silence=20)


@pytest.mark.parametrize("trouble", OrgTrouble)
def test_the_org_understands_what_it_is_told(trouble: OrgTrouble) -> None:
    """Each script is made of requests that its admin pages take, and does something."""
    wanted = script(trouble, 5.0)
    for fault in wanted.faults:
        Fault.model_validate(fault)
    for post in [*wanted.begin, *wanted.end]:
        if post.path == "/stream":
            _ACTIONS.validate_python(post.body)
    assert wanted.faults or wanted.begin
