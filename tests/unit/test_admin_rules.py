"""What the admin page decides without asking anybody: who may, for how long, and whether all is well."""

from dataclasses import replace

import pytest

from adapters.mongo.overview import KindCounts, Owner, StreamPosition
from ops.admin.health import LATE_DUE, OLD_POSITION, Facts, Level, forecast, judge
from ops.admin.login import local_path
from ops.admin.routes import NAVIGATION, ROUTES
from ops.admin.sessions import OF_ADDRESS, OF_NAME, Lasting, new_token, session_id, waits
from ops.users import SHORTEST, new_user, wrong_password
from schemas.operators import Role, Session

HOUR = 3_600_000
NOW = 1_800_000_000_000
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
)


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
        ({"kinds": [KindCounts("customer", 9, 1, 10_000, 0, 0)]}, Level.LOOK, "10,000 or more customers"),
        ({"kinds": [KindCounts("customer", 9, 1, 0, 1, 0)]}, Level.LOOK, "conflicts in 1 customer waiting"),
        ({"kinds": [KindCounts("customer", 9, 1, 0, 0, NOW - LATE_DUE - 1)]}, Level.LOOK, "due for 15 minutes"),
        ({"allocation": (12_000, 15_000, NOW)}, Level.LOOK, "80% of the day's API calls"),
        ({"allocation": (13_500, 15_000, NOW)}, Level.ILL, "90% of the day's API calls"),
    ],
)
def test_what_is_not_well_is_said(change: dict[str, object], level: Level, told: str) -> None:
    """The worst first, each with the page where one acts."""
    overview = judge(replace(WELL, **change))  # type: ignore[arg-type]
    assert overview.level is level
    assert told in overview.signs[0].told
    assert told in overview.sentence
    assert overview.signs[0].to.startswith("/admin")


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
