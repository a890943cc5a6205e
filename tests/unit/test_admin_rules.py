"""What the admin page decides without asking anybody: who may, for how long, and whether all is well."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.mongo.collections import NOT_SYNCED, SYNC_STATUS
from adapters.mongo.overview import MOST, KindCounts, Owner, StreamPosition
from consumers.rules.enriched import Known
from consumers.rules.making import STATUSES
from ops.admin.health import LATE_DUE, OLD_POSITION, Facts, forecast, judge
from ops.admin.login import local_path
from ops.admin.process_signs import FAILURES, GONE, LATELY, SILENT, STOPPED
from ops.admin.routes import NAVIGATION, ROUTES
from ops.admin.sessions import OF_ADDRESS, OF_NAME, Lasting, new_token, session_id, waits
from ops.admin.sign import Level
from ops.admin.state import synced
from ops.admin.untended import DAY, Untended, credential_since
from ops.users import SHORTEST, new_user, wrong_password
from schemas.allocation import Allocation
from schemas.connection import Connection
from schemas.operators import Role, Session
from schemas.process import OrgSeen, ProcessSeen, StreamSeen

HOUR = 3_600_000
NOW = 1_800_000_000_000


def process(name: str, **seen: Any) -> ProcessSeen:
    """One that was heard of just now, if nothing else is said."""
    return ProcessSeen(f"host:{name}", name, **({"stages": [name], "told": 3_000, "worked": 3_000} | seen))


RUN = [process("reconcile"), process("write", org=OrgSeen())]
WELL = Facts(
    kinds=[KindCounts("customer", 120, 0, 0, 0, 0)],
    parked=0,
    open_gaps=0,
    owners=[Owner("changes:00D", "a:1", held=True, until=NOW + 1)],
    positions=[StreamPosition("/data/ChangeEvents", NOW - HOUR, NOW - HOUR)],
    allocation=(100, 15_000, NOW),
    last_sync=NOW,
    flow=[],
    away={},
    now=NOW,
    processes=RUN,
)


def test_of_what_was_not_counted_to_its_end_there_is_more() -> None:
    """Where one kind was not; two that were are as many as they are."""
    kinds = [KindCounts("customer", 90_000, MOST, MOST - 1, 0, 1), KindCounts("order", 90_000, 3, MOST - 1, 0, 1)]
    overview = judge(replace(WELL, kinds=kinds, parked=MOST))
    assert (overview.due, overview.refused) == (MOST + 3, 2 * MOST - 2)
    assert overview.at_least == {"due", "parked"}


@pytest.mark.parametrize(
    ("not_synced", "number", "or_fewer"),
    [
        ({}, 1_000_000, False),
        ({"gone": 3, "no_consent": 4, "pending": 2}, 999_991, False),
        ({"filtered": MOST, "pending": 2}, 999_998 - MOST, True),
    ],
)
def test_what_is_set_aside_is_not_synced(not_synced: dict[str, int], number: int, *, or_fewer: bool) -> None:
    """And of what was not counted to its end there may be more."""
    told = synced(KindCounts("customer", 1_000_000, MOST, 0, 0, 1), not_synced)
    assert told == {"synced": number, "or_fewer": or_fewer, "not_synced": not_synced}


def test_whatever_is_not_synced_is_in_its_index() -> None:
    """A partial index knows no `$ne`: it has the words before `synced`, which are all others that are ever told."""
    words = {"pending", "error", "filtered", "gone", "merged", "deleted", *STATUSES.values(), *map(str, Known)}
    assert words - {"synced"} == {word for word in words if word < "synced"}
    assert {SYNC_STATUS: {"$lt": "synced"}} == NOT_SYNCED


def test_all_is_well() -> None:
    """In one sentence, and with nothing to look at."""
    overview = judge(WELL)
    assert (overview.level, list(overview.signs)) == (Level.WELL, [])
    assert overview.sentence.startswith("All is well")


@pytest.mark.parametrize(
    ("change", "level", "told"),
    [
        ({"away": {"kafka": "Unavailable"}}, Level.ILL, "kafka does not answer"),
        ({"owners": []}, Level.ILL, "no subscriber owns the stream"),
        ({"owners": [Owner("changes:00D", "a:1", held=False, until=1)]}, Level.ILL, "no subscriber owns"),
        ({"positions": [StreamPosition("/data/X", NOW - OLD_POSITION - 1, 1)]}, Level.ILL, "has not moved for 2 days"),
        ({"parked": 1}, Level.LOOK, "1 parked record waiting"),
        ({"open_gaps": 2}, Level.LOOK, "2 gaps not closed"),
        ({"kinds": [KindCounts("customer", 9, 1, 5_000, 0, 0)]}, Level.LOOK, "5,000 or more customers"),
        ({"kinds": [KindCounts("customer", 9, 1, 0, 1, 0)]}, Level.LOOK, "conflicts in 1 customer waiting"),
        ({"kinds": [KindCounts("customer", 9, 1, 0, 0, NOW - LATE_DUE - 1)]}, Level.LOOK, "due for 15 minutes"),
        ({"allocation": (12_000, 15_000, NOW)}, Level.LOOK, "80% of the day's API calls"),
        ({"allocation": (13_500, 15_000, NOW)}, Level.ILL, "90% of the day's API calls"),
        ({"deliveries": Allocation(40_000, 50_000, NOW)}, Level.LOOK, "80% of the day's event deliveries"),
        ({"deliveries": Allocation(45_000, 50_000, NOW)}, Level.ILL, "90% of the day's event deliveries"),
        ({"untended": Untended(url_disabled=True)}, Level.LOOK, "its URL is disabled"),
        ({"untended": Untended(given_up=1)}, Level.LOOK, "1 delivery given up"),
        ({"untended": Untended(given_up=5_000)}, Level.LOOK, "5,000 or more deliveries given up"),
        ({"untended": Untended(runs_failed=2)}, Level.LOOK, "2 runs failed within a day"),
        ({"untended": Untended(runs_paused=1)}, Level.LOOK, "1 run paused"),
        ({"untended": Untended(erasures_late=1)}, Level.LOOK, "1 person to be forgotten for more than a day"),
        ({"untended": Untended(credential_since=NOW - 93 * DAY)}, Level.LOOK, "in use for 93 days: change it"),
    ],
)
def test_what_is_not_well_is_said(change: dict[str, object], level: Level, told: str) -> None:
    """The worst first, each with the page where one acts."""
    overview = judge(replace(WELL, **change))  # type: ignore[arg-type]
    assert overview.level is level
    assert told in overview.signs[0].told
    assert told in overview.sentence
    assert overview.signs[0].to.startswith("/admin")


@pytest.mark.parametrize(
    "untended", [Untended(credential_since=NOW - 92 * DAY), Untended(credential_since=0), Untended()]
)
def test_a_credential_of_this_quarter_rings_nobody(untended: Untended) -> None:
    """Nor one of which nobody knows since when."""
    assert judge(replace(WELL, untended=untended)).level is Level.WELL


def test_the_credential_in_use_is_that_of_the_last_login() -> None:
    """An app that was replaced leaves its row behind; a refresh token is as old as the consent."""
    before = Connection("old", "", "", "", "", (), "", "", 0, refreshed_at=NOW - DAY, credential_since=1)
    secret = replace(before, name="new", refreshed_at=NOW, credential_since=NOW - HOUR)
    agreed = replace(secret, credential_since=0, connected_at=NOW - 2 * HOUR)
    assert credential_since([secret, before]) == NOW - HOUR
    assert credential_since([before, agreed]) == NOW - 2 * HOUR
    assert credential_since([]) == 0


def followed(**stream: Any) -> ProcessSeen:
    """A subscriber that lives, and what it says of the stream."""
    told = {"state": "connected", "heard": 9, "silent": 0} | stream
    return process("subscribe", org=OrgSeen(), stream=StreamSeen(**told))


@pytest.mark.parametrize(
    ("processes", "name", "told"),
    [
        ([], "gone:reconcile", "no process does reconcile"),
        ([*RUN, process("webhook", worked=GONE + 1, told=GONE + 1)], "gone:webhook", "last seen at work 1 minute ago"),
        ([*RUN, process("webhook", worked=GONE + 1)], "gone:webhook", "webhook does not run"),
        ([RUN[0], process("write", worked=STOPPED + 1, stopped=True)], "gone:write", "write was stopped 5 minutes ago"),
        ([*RUN, process("api", away={"kafka": "Unavailable"})], "away:kafka", "kafka does not answer api"),
        ([*RUN, followed(silent=SILENT)], "stream_silent", "have not come for 1 minute (connected)"),
        ([*RUN, followed(failures=FAILURES, state="backing_off")], "unreachable", "3 sessions of the change stream"),
        ([*RUN, process("x", org=OrgSeen(FAILURES, LATELY))], "unreachable", "3 calls and logins in a row"),
        ([*RUN, process("x", org=OrgSeen(9, 1, "invalid_grant"))], "login_refused", "login (invalid_grant)"),
    ],
)
def test_what_processes_tell_of_themselves_is_judged(processes: list[ProcessSeen], name: str, told: str) -> None:
    """The stream keeps its owner while it backs off, and the position moves on no sooner than somebody edits."""
    sign, *others = judge(replace(WELL, processes=processes)).signs
    assert len(others) == (0 if processes else 1)
    assert (sign.name, sign.level) == (name, Level.ILL)
    assert told in sign.told


@pytest.mark.parametrize(
    "more",
    [
        process("webhook", worked=GONE, told=GONE),
        process("write", worked=GONE + 1, told=GONE + 1),
        process("webhook", worked=STOPPED, told=STOPPED, stopped=True),
        followed(silent=SILENT - 3_000, failures=FAILURES - 1),
        followed(silent=0, state="standby", heard=None),
        process("x", org=OrgSeen(9, LATELY + 1)),
        process("write", told=GONE + 1, away={"kafka": "Unavailable"}, org=OrgSeen(9, 1, "invalid_grant")),
        process("subscribe", away={"salesforce": "Unavailable"}, worked=0),
    ],
    ids=["late", "another does it", "restarts", "catches up", "stands by", "asked nothing since", "is gone", "first"],
)
def test_what_passes_by_itself_rings_nobody(more: ProcessSeen) -> None:
    """A rolling restart, one of several, a frame that is late, what a process said that is gone."""
    assert judge(replace(WELL, processes=[*RUN, more])).level is Level.WELL


def test_a_connection_that_salesforce_has_ended_is_ill() -> None:
    """Whether or not a process still tries."""
    (sign,) = judge(replace(WELL, refused=["invalid_grant"])).signs
    assert (sign.name, sign.level, sign.to) == ("login_refused", Level.ILL, "/admin/connection")


def test_what_is_begun_for_the_first_time_is_waited_for() -> None:
    """The admin page of a new installation may come up first."""
    begins = ProcessSeen("host:write", "write", stages=[], told=1, worked=GONE)
    assert [sign.name for sign in judge(replace(WELL, processes=[begins])).signs] == []
    late = replace(begins, worked=GONE + 1)
    assert [sign.name for sign in judge(replace(WELL, processes=[late])).signs] == ["gone:reconcile", "gone:write"]


def test_what_nobody_needs_may_stay_stopped_and_is_looked_at() -> None:
    """For the day that its row is kept; what syncs is another matter."""
    (sign,) = judge(replace(WELL, processes=[*RUN, process("deliver", worked=STOPPED + 1, stopped=True)])).signs
    assert (sign.name, sign.level) == ("gone:deliver", Level.LOOK)


def test_the_worst_comes_first() -> None:
    """And the sentence says how many more there are."""
    overview = judge(replace(WELL, parked=3, open_gaps=1, owners=[]))
    assert [sign.level for sign in overview.signs] == [Level.ILL, Level.LOOK, Level.LOOK]
    assert overview.sentence.endswith("and 2 more to look at.")


def test_the_forecast_goes_to_midnight() -> None:
    """At noon a half of the day is over; in the first hour nothing can be said."""
    midnight = NOW - NOW % (24 * HOUR)
    assert forecast(600, midnight + 12 * HOUR) == 1_200
    assert forecast(600, midnight + HOUR // 2) == 600


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, [True, False, False]),
        (Role.OPERATOR, [True, True, False]),
        (Role.ADMIN, [True, True, True]),
    ],
)
def test_a_role_may_what_those_before_it_may(role: Role, may: list[bool]) -> None:
    """And no more."""
    assert [role.may(needed) for needed in Role] == may


def test_who_changes_something_is_an_operator_at_least() -> None:
    """But for one's own password and the way out. What the navigation names is a page of that role or less."""
    of_everybody = {route.path for route in ROUTES if route.method == "POST" and not Role.VIEWER.may(route.role)}
    assert {route.path for route in ROUTES if route.method == "POST"} - of_everybody == {
        "/admin/account",
        "/admin/logout",
    }
    pages = {route.path: route.role for route in ROUTES if route.method == "GET"}
    assert all(link.role is pages[link.path] for link in NAVIGATION)


def test_a_visit_runs_out() -> None:
    """Without a click, and at the latest."""
    lasting = Lasting(idle=30, longest=100)
    visit = Session("i", "ada", "c", began_at=1_000, seen_at=1_010)
    assert [lasting.is_over(visit, at) for at in (1_039, 1_040)] == [False, True]
    assert [lasting.is_over(replace(visit, seen_at=1_090), at) for at in (1_099, 1_100)] == [False, True]


def test_what_is_kept_of_a_visit_does_not_open_it() -> None:
    """A hash of what the browser holds; no two are the same."""
    token = new_token()
    assert token != new_token()
    assert session_id(token) not in (token, session_id(new_token()))


def test_wrong_passwords_cost_time() -> None:
    """The first few nothing, then twice as long each time, up to a quarter of an hour."""
    assert waits(2, 5_000) == [0, 0, 1_000, 2_000, 4_000, 5_000]
    assert OF_NAME[:7] == [0, 0, 0, 0, 0, 1_000, 2_000]
    assert OF_NAME[-1] == 15 * 60_000
    assert (OF_ADDRESS[29], OF_ADDRESS[30], OF_ADDRESS[-1]) == (0, 1_000, 10_000)


@pytest.mark.parametrize(
    ("given", "to"),
    [
        ("/admin/gaps?all=yes", "/admin/gaps?all=yes"),
        ("", "/admin"),
        ("https://elsewhere.example/admin", "/admin"),
        ("//elsewhere.example/admin", "/admin"),
        ("/admin\\..", "/admin"),
        ("/other", "/admin"),
    ],
)
def test_the_login_leads_to_pages_of_ours_alone(given: str, to: str) -> None:
    """Whatever a link says."""
    assert local_path(given) == to


async def test_names_and_passwords_have_a_form() -> None:
    """What is wrong is said, and never the password."""
    assert wrong_password("x" * SHORTEST) == ""
    assert "12" in wrong_password("x" * (SHORTEST - 1))
    for name, role, password in (("A b", "viewer", "x" * 12), ("ada", "king", "x" * 12), ("ada", "viewer", "short")):
        why = await new_user(name, role, password, 1)
        assert isinstance(why, str)
        assert password not in why
