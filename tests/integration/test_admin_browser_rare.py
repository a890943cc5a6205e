"""What is done and seen more rarely on the admin page, in a real browser, at the width of a desk and of a phone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_browser import (
    ADA,
    CHROMIUM,
    NEEDS_CHROMIUM,
    SIZES,
    chromium,
    done,
    looked_at,
    signed_in,
    visit_of,
    with_something_of_each_sort,
)
from support.admin_page import AdminWorld

from ops.admin.routes import NAVIGATION
from ops.errands import replays as errands
from ops.replay import Run
from ops.replay_plan import Window
from ops.sync import asking
from schemas import topics
from schemas.operators import Role
from schemas.records import Failure
from schemas.sync_run import RunDirection, RunRequest, RunState

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason=NEEDS_CHROMIUM),
]

ANOTHER = "another battery staple"


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of this module."""
    async with chromium() as started:
        yield started


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With something of each sort to look at."""
    async with with_something_of_each_sort(database) as world:
        yield world


@pytest.fixture(params=list(SIZES))
async def page(request: pytest.FixtureRequest, browser: Browser, admin: AdminWorld) -> AsyncIterator[Page]:
    """Signed in as an admin, on the overview."""
    async with signed_in(browser, admin, request.param) as opened:
        yield opened


async def a_run(admin: AdminWorld, *, dry_run: bool, state: RunState) -> None:
    """`backfill`, as it stands."""
    now = admin.operator.stage.now
    request = RunRequest(id="backfill", what="customer", direction=RunDirection.PULL, dry_run=dry_run, by="grace")
    await admin.parts.runs.add(asking.new_run(request, admin.parts.catalog(), now=now))
    assert await admin.parts.runs.turn("backfill", [RunState.PLANNED], state, ended_at=now)


async def a_replay(admin: AdminWorld, state: str) -> None:
    """`replay-1`, begun here, at which no process works."""
    now = admin.operator.stage.now
    row = errands.asked_row(Run("replay-1", topics.PLATFORM_EVENTS, Window({0: (0, 9)})), 1, 2, by="grace", at=now)
    work = errands.PUBLISH if state == "begun" else None
    plan = {"plan": ["9 would be applied"], "to_publish": 9, "begun_at": now}
    await admin.parts.operations.add([{**row, **plan, "state": state, "work": work}])


async def test_begin_a_run_that_was_planned(page: Page, admin: AdminWorld) -> None:
    """Its plan is on the page whose button begins it."""
    await a_run(admin, dry_run=True, state=RunState.DONE)
    await page.get_by_role("link", name="Runs").click()
    await page.get_by_role("link", name="backfill").click()
    await looked_at(page, "run-planned")
    await page.get_by_role("button", name="Run it").click()
    await done(page, "the org was restored")
    run = await admin.parts.runs.get("backfill:run")
    assert run is not None
    assert (run.request.dry_run, run.state) == (False, RunState.PLANNED)


async def test_discard_what_is_parked(page: Page, database: AsyncDatabase[dict[str, Any]]) -> None:
    """The question says that it is for good."""
    await page.get_by_role("link", name="1 parked record waiting for a person").click()
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Discard what is chosen").click()
    await page.get_by_role("heading", name="Discard 1 for good").wait_for()
    await looked_at(page, "discard-question")
    await done(page, "test data")
    await page.get_by_text("1 discarded").wait_for()
    assert await database["tandem_parked"].count_documents({"state": "discarded"}) == 1


async def test_retry_one_refused_write(page: Page, admin: AdminWorld) -> None:
    """By the button in its row, and no other."""
    stage = admin.operator.stage
    for number in range(2):
        stage.salesforce.fail_rows(lambda _row: True, Failure.REJECTED, "UNABLE_TO_LOCK_ROW")
        await stage.post({**ADA, "email": f"l{number}@example.org"}, id_=f"locked-{number}", type_="customer.created")
        await stage.settle()
    await page.get_by_role("link", name="Salesforce", exact=True).click()
    await page.get_by_role("button", name="Retry customer:locked-1", exact=True).click()
    await done(page, "the record is free")
    refused = ["refusal" in (await stage.document(f"locked-{number}"))["_sync"] for number in range(2)]
    assert refused == [True, False]


@pytest.mark.parametrize("what", ["Disable", "Enable"])
async def test_switch_deliveries(page: Page, admin: AdminWorld, what: str) -> None:
    """Off while the platform is being mended, and on again."""
    if what == "Enable":
        await admin.parts.endpoints.disable("by grace: the platform moves", admin.operator.stage.now)
    await page.get_by_role("link", name="Deliveries").click()
    await page.get_by_role("button", name=what, exact=True).click()
    await done(page, "the platform moves")
    await page.locator(".badge", has_text=f"{what.lower()}d").wait_for()


async def test_change_a_role(page: Page, admin: AdminWorld) -> None:
    """Chosen in the row of who it is about."""
    await admin.user("linus", Role.VIEWER)
    await page.get_by_role("link", name="Users").click()
    await page.get_by_label("Change linus").select_option("make operator")
    await page.locator("form", has=page.get_by_label("Change linus")).get_by_role("button").click()
    await done(page, "he is on call")
    linus = await admin.parts.users.find("linus")
    assert linus is not None
    assert linus.role is Role.OPERATOR


async def test_change_ones_own_password(page: Page) -> None:
    """Which ends the visit; one signs in by the new one."""
    await page.get_by_role("link", name="grace", exact=True).click()
    await page.get_by_label("Your password").fill("correct horse battery")
    await page.get_by_label("The new one").fill(ANOTHER)
    await page.get_by_role("button", name="Change").click()
    await page.get_by_label("Name").fill("grace")
    await page.get_by_label("Password").fill(ANOTHER)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Overview").wait_for()


@pytest.mark.parametrize(("button", "before", "after"), [("Pause", "begun", "paused"), ("Go on", "paused", "begun")])
async def test_pause_a_replay_and_have_it_go_on(
    page: Page, admin: AdminWorld, button: str, before: str, after: str
) -> None:
    """From its page."""
    await a_replay(admin, before)
    await page.get_by_role("link", name="Replays").click()
    await page.get_by_role("link", name="replay-1").click()
    await page.get_by_role("button", name=button).click()
    await done(page, "the platform is busy")
    row = await admin.parts.operations.get("replay-1")
    assert row is not None
    assert row["state"] == after


@pytest.mark.parametrize("size", SIZES)
async def test_the_door_is_well_formed_for_everybody(browser: Browser, admin: AdminWorld, size: str) -> None:
    """The login, also after a wrong password; and what is said where something cannot be shown."""
    context = await visit_of(browser, admin, size)
    door = await context.new_page()
    await door.goto("/admin/login")
    await looked_at(door, "login")
    await door.get_by_label("Name").fill("grace")
    await door.get_by_label("Password").fill("not hers at all")
    await door.get_by_role("button", name="Sign in").click()
    await door.get_by_role("alert").wait_for()
    await looked_at(door, "login-wrong")
    await context.close()
    async with signed_in(browser, admin, size) as page:
        await page.goto("/admin/runs/none")
        await page.get_by_text("there is no such run").wait_for()
        await looked_at(page, "problem")


@pytest.mark.timeout(400)  # as many pages as a viewer may see, each looked at by axe-core
@pytest.mark.parametrize("size", SIZES)
async def test_every_page_is_well_formed_for_a_viewer(browser: Browser, admin: AdminWorld, size: str) -> None:
    """Without the buttons and columns of those who may do something."""
    await admin.user("vera", Role.VIEWER)
    await a_run(admin, dry_run=False, state=RunState.PAUSED)
    await a_replay(admin, "paused")
    (item,) = [each for each in await admin.operator.items() if not each.is_write]
    paths = [link.path for link in NAVIGATION if Role.VIEWER.may(link.role)]
    paths += ["/admin/runs/backfill", "/admin/replays/replay-1", f"/admin/parked/one?id={item.id}", "/admin/account"]
    paths += ["/admin/mapping/versions/1", "/admin/deliveries/one?id=evt-1", "/admin/customer/ada"]
    async with signed_in(browser, admin, size, "vera") as page:
        for path in paths:
            await page.goto(path)
            assert path in page.url, "the visit is over: this is the login"
            await looked_at(page, f"viewer{path.partition('?')[0].replace('/', '-')}")
