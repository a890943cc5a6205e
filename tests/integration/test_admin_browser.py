"""What an operator does on the admin page, done in a real browser, at the width of a desk and of a phone.

Chromium is the system's: `CHROMIUM`, else `chromium` on the path. Where there is none these tests are skipped, by name.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_browser import (
    ADA,
    CHROMIUM,
    NEEDS_CHROMIUM,
    SCREENSHOTS,
    SIZES,
    chromium,
    done,
    looked_at,
    signed_in,
    with_something_of_each_sort,
)
from support.admin_page import AdminWorld
from support.at_work import CALLS_A_DAY, IN_QUESTION, used_of_day
from support.samples import two_weeks

from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.samples import MongoSamples
from ops.admin.replays import last_night
from ops.api_keys_command import new_key
from ops.finding import Finding, State
from ops.sync import asking
from ops.sync_now import ASKED_FOR
from ops.weekly.week import week_of
from schemas.api_key import Scope
from schemas.debugging import Debugged
from schemas.delivery import DeliveryState
from schemas.operators import Role
from schemas.records import Failure
from schemas.slow_lookup import LookupsHeard, SlowLookup
from schemas.stream import Gap
from schemas.sync_run import RunDirection, RunRequest, RunState

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason=NEEDS_CHROMIUM),
]


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


@pytest.mark.timeout(400)  # twenty pages, each looked at by axe-core
async def test_every_page_is_well_formed_for_everybody(page: Page) -> None:
    """axe-core finds nothing, nothing is wider than the screen, and every field and button can be named."""
    paths = {
        "overview": "/admin",
        "salesforce": "/admin/salesforce",
        "connection": "/admin/connection",
        "parked": "/admin/parked",
        "conflicts": "/admin/conflicts",
        "gaps": "/admin/gaps",
        "runs": "/admin/runs",
        "report-unknown": "/admin/report",
        "replays": "/admin/replays",
        "mapping": "/admin/mapping",
        "mapping-version": "/admin/mapping/versions/1",
        "deliveries": "/admin/deliveries",
        "delivery": "/admin/deliveries/one?id=evt-1",
        "api-keys": "/admin/api-keys",
        "erase": "/admin/erase?kind=customer&id=nobody",
        "audit": "/admin/audit",
        "users": "/admin/users",
        "account": "/admin/account",
        "find": "/admin/find?q=ada",
        "thing": "/admin/customer/ada",
        "nothing": "/admin/customer/nobody",
    }
    for name, path in paths.items():
        await page.goto(path)
        assert path in page.url, "the visit is over: this is the login"
        await looked_at(page, name)


async def test_charts_are_well_formed_for_everybody(page: Page) -> None:
    """Drawn, and with a table open."""
    await page.goto("/admin/charts?span=day")
    await page.locator(".plot[data-drawn]").last.wait_for(state="attached")
    await looked_at(page, "charts")
    await page.locator(".chart summary").first.click()
    found = await Axe().run(page, context=".chart details[open]")
    assert found.violations_count == 0, found.generate_report()


async def test_the_weekly_report_is_well_formed_for_everybody(page: Page, admin: AdminWorld) -> None:
    """A week in which much happened, with its table open; two clicks from the overview, one more to another week."""
    this = week_of(admin.operator.stage.now)
    week, lookups = this.moved(-1), MongoSlowLookups(admin.operator.database)
    await MongoSamples(admin.operator.database).keep(two_weeks(week))
    slow = [SlowLookup(week.since + place * 7_700_000, "known", 700 + place * 90) for place in range(4)]
    await lookups.add(slow, LookupsHeard(week.since, 4, 3_340))
    await page.get_by_role("link", name="Charts", exact=True).click()
    await page.get_by_role("link", name="The weekly report").click()
    await page.get_by_role("heading", name=f"Week {week.name}").wait_for()
    await page.get_by_text("STRING_TOO_LONG").first.wait_for()
    await page.locator("main summary").click()
    await looked_at(page, "report")
    await page.get_by_role("link", name=f"Week {this.name}").click()
    await page.get_by_role("heading", name=f"Week {this.name}").wait_for()


async def test_find_why_ada_is_not_synced(page: Page) -> None:
    """One search and one click: her page, with what is parked of her in her story."""
    await page.get_by_label("Find by id").fill("ada")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="customer ada").click()
    await page.get_by_text("unknown_event_type").first.wait_for()


async def test_redrive_what_is_parked(page: Page, admin: AdminWorld) -> None:
    """From the overview: what waits, which, why."""
    await page.get_by_role("link", name="1 parked record waiting for a person").click()
    await page.get_by_role("checkbox").check()
    await page.get_by_role("button", name="Redrive what is chosen").click()
    await done(page, "the type is mapped now")
    assert len(admin.log.published) == 1


async def test_settle_a_conflict(page: Page, admin: AdminWorld) -> None:
    """The other value is one click away."""
    await page.get_by_role("link", name="conflicts in 1 customer").click()
    await page.get_by_role("button", name="Take the platform's").click()
    await done(page, "called her")
    await page.get_by_text("No conflict waits").wait_for()
    assert (await admin.operator.stage.document("cust-7"))["phone"] == IN_QUESTION["platform"]


async def test_settle_a_conflict_on_the_page_of_the_one_it_is_about(page: Page, admin: AdminWorld) -> None:
    """Both values stand beside each other there, with a button for each."""
    await page.get_by_label("Find by id").fill("cust-7")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="customer cust-7").click()
    await page.locator("h1 .badge", has_text="in question").wait_for()
    await looked_at(page, "thing-in-question")
    await page.get_by_role("button", name="Take the platform's phone").click()
    await done(page, "called her")
    assert (await admin.operator.stage.document("cust-7"))["phone"] == IN_QUESTION["platform"]


async def test_debug_one_thing(page: Page, admin: AdminWorld) -> None:
    """For how long is chosen there; then the page says until when, and its story what was decided."""
    await page.get_by_label("Find by id").fill("ada")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="customer ada").click()
    await page.get_by_label("Debug it for").select_option("for 15 minutes")
    await page.get_by_role("button", name="Debug it").click()
    await page.get_by_text("customer ada: for 15 minutes").wait_for()
    await done(page, "ticket 7")
    await page.get_by_text("by grace: ticket 7").wait_for()
    stage = admin.operator.stage
    stage.debugged = Debugged(await MongoDebugMarks(admin.parts.database).lasting(stage.now))
    await stage.post({"title": "Countess"}, id_="ada", changed=["title"])
    await stage.settle()
    await page.reload()
    await page.get_by_text("title 8 characters").first.wait_for()
    await looked_at(page, "thing-debugged")


async def test_close_a_gap(page: Page) -> None:
    """What its means of repair are is said before."""
    await page.get_by_role("link", name="1 gap not closed yet").click()
    await page.locator("main table a").click()
    await page.get_by_role("button", name="Close by hand").click()
    await done(page, "the platform has sent it again")
    await page.get_by_text("No gap is open").wait_for()


async def test_repair_a_gap_now(page: Page, admin: AdminWorld, database: AsyncDatabase[dict[str, Any]]) -> None:
    """Its wait is over; by what it is repaired is said before."""
    (other,) = await admin.parts.gaps.unrepaired()
    assert await admin.parts.gaps.close(other, by="grace", note="sent again", at=1)
    now = admin.operator.stage.now
    refused = Gap("/data/ChangeEvents", "position_refused", now - 7_200_000, now, 7)
    await MongoGaps(database, "00D").record(refused)
    await page.reload()
    await page.get_by_role("link", name="1 gap not closed yet").click()
    await page.locator("main table a").click()
    await page.get_by_role("button", name="Repair now").click()
    await page.get_by_text("every record changed since").wait_for()
    await done(page, "the org is back")
    await page.get_by_text("to be tried now: grace asked for it").wait_for()
    await looked_at(page, "gap")


async def test_add_a_user(page: Page, admin: AdminWorld) -> None:
    """A name and a role; then a first password, and why."""
    await page.get_by_role("link", name="Users").click()
    await page.get_by_label("Name").fill("linus")
    await page.get_by_label("Role").select_option("operator")
    await page.get_by_role("button", name="Add").click()
    await page.get_by_label("First password").fill("something long enough")
    await looked_at(page, "user-question")
    await done(page, "he is on call from May")
    await page.get_by_text("linus may sign in as operator").wait_for()
    linus = await admin.parts.users.find("linus")
    assert linus is not None
    assert linus.role is Role.OPERATOR


async def test_redeliver_what_the_platform_refused(page: Page, admin: AdminWorld) -> None:
    """All that failed, in three clicks and a reason."""
    await page.get_by_role("link", name="Deliveries").click()
    await page.get_by_role("button", name="Redeliver all that failed").click()
    await done(page, "the platform is back")
    row = await admin.parts.deliveries.get("evt-1")
    assert row is not None
    assert row["state"] == DeliveryState.PENDING


async def test_make_another_key(page: Page, admin: AdminWorld) -> None:
    """It is shown once, on a page that is well-formed too."""
    await page.get_by_role("link", name="API keys").click()
    await page.get_by_label("Who will use it").fill("ticket-shop")
    await page.get_by_role("checkbox", name="events").check()
    await page.get_by_role("button", name="Make the key").click()
    await page.get_by_label("Why").fill("the shop is new")
    await page.locator("main form button").click()
    await page.get_by_text("not shown again").wait_for()
    assert (await Axe().run(page)).violations_count == 0
    (key,) = await admin.parts.api_keys.all()
    assert (key.name, key.made_by) == ("ticket-shop", "grace")


async def test_rotate_keys(page: Page, admin: AdminWorld) -> None:
    """Another is shown that may do the same, and the one before has a week left."""
    made_at = datetime.fromtimestamp(admin.operator.stage.now / 1000 - 60, UTC)
    _text, key = new_key("ticket-shop", [Scope.EVENTS], by="grace", at=made_at)
    await admin.parts.api_keys.add(key)
    await page.get_by_role("link", name="API keys").click()
    await looked_at(page, "api-keys-with-one")
    await page.get_by_role("button", name=f"Rotate {key.id}").click()
    await page.get_by_label("Why").fill("the quarter is over")
    await page.locator("main form button").click()
    await page.get_by_text("not shown again").wait_for()
    before, after = await admin.parts.api_keys.all()
    assert before.ends_at is not None
    assert (after.name, after.scopes, after.ends_at) == ("ticket-shop", (Scope.EVENTS,), None)


async def test_revoke_the_key_before_it(page: Page, admin: AdminWorld) -> None:
    """Once nobody uses it any more."""
    _text, key = new_key("ticket-shop", [Scope.EVENTS], by="grace", at=datetime.now(UTC))
    await admin.parts.api_keys.add(key)
    await page.get_by_role("link", name="API keys").click()
    await page.get_by_role("button", name=f"Revoke {key.id}").click()
    await done(page, "rotated")
    (revoked,) = await admin.parts.api_keys.all()
    assert revoked.revoked_at is not None


async def test_see_the_quota_and_slow_the_backfill(page: Page, admin: AdminWorld) -> None:
    """What is left of the day, and what uses it up, on one page: paused there."""
    request = RunRequest(id="backfill", what="customer", direction=RunDirection.PULL, by="grace")
    await admin.parts.runs.add(asking.new_run(request, admin.parts.catalog(), now=admin.operator.stage.now))
    await page.get_by_role("link", name="Connection").click()
    left = CALLS_A_DAY - used_of_day(admin.operator.stage.now, 9_000)
    await page.get_by_role("cell", name=f"{left:,}", exact=True).wait_for()
    await looked_at(page, "connection-runs")
    await page.get_by_role("button", name="Pause backfill").click()
    await done(page, "the day's calls run out")
    run = await admin.parts.runs.get("backfill")
    assert run is not None
    assert run.state is RunState.PAUSED


async def test_pause_a_run_that_eats_the_quota(page: Page, admin: AdminWorld) -> None:
    """It goes on when somebody says so."""
    request = RunRequest(id="backfill", what="customer", direction=RunDirection.PULL, by="grace")
    await admin.parts.runs.add(asking.new_run(request, admin.parts.catalog(), now=admin.operator.stage.now))
    await page.get_by_role("link", name="Runs").click()
    await page.get_by_role("link", name="backfill").click()
    await page.get_by_role("button", name="Pause").click()
    await done(page, "the day's calls run out")
    run = await admin.parts.runs.get("backfill")
    assert run is not None
    assert run.state is RunState.PAUSED


async def test_erase_a_person(page: Page, admin: AdminWorld) -> None:
    """From her page; then the certificate, well-formed too."""
    await page.get_by_label("Find by id").fill("ada")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="customer ada").click()
    await page.get_by_role("link", name="Forget customer ada for good").click()
    await page.get_by_role("button", name="Forget them").click()
    await done(page, "her letter")
    assert await admin.erased() == {"customer:ada"}
    await page.goto("/admin/erase?kind=customer&id=ada")
    await page.get_by_role("heading", name="Certificate").wait_for()
    assert (await Axe().run(page)).violations_count == 0
    if SCREENSHOTS and page.viewport_size:
        await page.screenshot(path=Path(SCREENSHOTS) / f"certificate-{page.viewport_size['width']}.png")


async def test_plan_a_run_of_everything(page: Page, admin: AdminWorld) -> None:
    """Two clicks from the overview; nothing is done before it is seen."""
    await page.get_by_role("link", name="Runs").click()
    await page.get_by_role("button", name="Plan").click()
    await page.locator(".told", has_text="planning").wait_for()
    (run,) = await admin.parts.runs.newest(1)
    assert run.request.dry_run


async def test_replay_last_night(page: Page, admin: AdminWorld) -> None:
    """It is proposed; planned, seen, published, watched to its end. Each step's page is well-formed."""
    stage = admin.operator.stage
    night = int(last_night(stage.now)[0].timestamp() * 1000)
    lost = [stage.event(ADA, id_=f"lost-{number}", type_="customer.created") for number in range(3)]
    handled = [stage.event({"title": "Countess"}, id_="ada", changed=["title"]) for _ in range(2)]
    await stage.reconciler.handle(handled)
    admin.facts.hold([replace(event, timestamp=night + 60_000) for event in [*lost, *handled]])
    async with admin.working():
        await page.get_by_role("link", name="Replays").click()
        await page.get_by_role("button", name="Plan").click()
        await page.get_by_role("button", name="Publish 3 again").wait_for()
        await looked_at(page, "replay")
        await page.get_by_role("button", name="Publish 3 again").click()
        await looked_at(page, "replay-question")
        await done(page, "the backup was a day old")
        await page.get_by_text("3 of 5 records were published again").wait_for()
    assert len(admin.facts.again) == 3


async def test_change_the_mapping(page: Page, admin: AdminWorld) -> None:
    """Written, planned, seen, published."""
    async with admin.working():
        await page.get_by_role("link", name="Mapping").click()
        written = page.get_by_label("The mapping as YAML")
        lines = (await written.input_value()).splitlines()
        kept = "\n".join(line for line in lines if "salesforce: Department," not in line)
        more = "      - {platform: nickname, salesforce: Nickname__c, policy: latest_wins}\n"
        await written.fill(f"{kept.replace('salesforce: Title, policy: review', 'salesforce: Title')}\n{more}")
        await page.get_by_role("button", name="Plan").click()
        await page.get_by_role("button", name="Publish").wait_for()
        await looked_at(page, "mapping-change")
        await page.get_by_role("button", name="Publish").click()
        await done(page, "nobody reads departments")
        await page.locator(".badge", has_text="done").wait_for()
    current = await admin.parts.mappings.current()
    assert current is not None
    assert current.version == 2
    assert "Department" not in [field.salesforce for field in current.kinds["customer"].fields]


async def test_roll_the_mapping_back(page: Page, admin: AdminWorld) -> None:
    """To what an older version said; its plan is seen before."""
    mappings = admin.parts.mappings
    first = await mappings.current()
    assert first is not None
    kind = first.kinds["customer"]
    fewer = kind.model_copy(update={"fields": kind.fields[:-1]})
    await mappings.publish(first.model_copy(update={"kinds": {"customer": fewer}}), 1, by="grace", note="a slip")
    async with admin.working():
        await page.get_by_role("link", name="Mapping").click()
        await page.get_by_role("button", name="Back to version 1").click()
        await page.get_by_role("button", name="Publish").click()
        await done(page, "it was a slip")
        await page.locator(".badge", has_text="done").wait_for()
    current = await mappings.current()
    assert current is not None
    assert (current.version, current.kinds) == (3, first.kinds)


async def test_what_is_wrong_in_a_mapping_is_said(page: Page) -> None:
    """Line by line, beside what was written."""
    await page.get_by_role("link", name="Mapping").click()
    written = page.get_by_label("The mapping as YAML")
    text = await written.input_value()
    await written.fill(text.replace("salesforce: Phone", "salesfarce: Phone"))
    await page.get_by_role("button", name="Plan").click()
    await page.get_by_role("heading", name="It cannot be used").wait_for()
    await looked_at(page, "mapping-wrong")
    assert "salesfarce" in await page.get_by_label("The mapping as YAML").input_value()


async def test_a_mapping_is_checked_while_it_is_written_and_tried_on_ada(page: Page) -> None:
    """What is wrong is said without a click; then what it would make of her."""
    await page.get_by_role("link", name="Mapping").click()
    written = page.get_by_label("The mapping as YAML")
    text = await written.input_value()
    told = page.locator("[data-checked]")
    await written.fill(text.replace("salesforce: Phone", "salesfarce: Phone"))
    await told.get_by_text("did you mean salesforce?").wait_for()
    await written.fill(text.replace("salesforce: Phone, policy: review", "salesforce: Phone, policy: latest_wins"))
    await told.get_by_text("customer: Phone: policy review → latest_wins").wait_for()
    await page.get_by_label("Id of the document").fill("ada")
    await page.get_by_role("button", name="Try").click()
    await page.get_by_role("heading", name="Tried on customer ada").wait_for()
    assert "latest_wins" in await written.input_value()
    await looked_at(page, "mapping-tried")


async def test_sync_ada_now(page: Page, admin: AdminWorld) -> None:
    """Her record is read whole."""
    await page.get_by_label("Find by id").fill("ada")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="customer ada").click()
    await page.get_by_role("button", name="Sync now").click()
    await done(page, "she called")
    document = await admin.operator.stage.document("ada")
    assert document["_sync"]["read"] == ASKED_FOR


async def test_export_what_is_held_of_ada(page: Page, admin: AdminWorld) -> None:
    """As a file."""
    admin.org.holds = {"documents": {"customer:ada": ADA}}
    await page.goto("/admin/customer/ada")
    await page.get_by_role("button", name="Export all that is held").click()
    await page.get_by_label("Why").fill("her letter")
    async with page.expect_download() as download:
        await page.locator("main form button").click()
    file = await download.value
    assert file.suggested_filename == "customer-ada.json"
    assert "Lovelace" in (await file.path()).read_text()


async def test_try_the_connection(page: Page, admin: AdminWorld) -> None:
    """What is missing in the org is told, well-formed."""
    admin.org.found.append(Finding("Salesforce", State.FAILED, "customer: Contact.Tandem_Customer_Id__c is not there"))
    await page.get_by_role("link", name="Connection").click()
    await page.get_by_role("button", name="Try it").click()
    await page.get_by_text("Tandem_Customer_Id__c is not there").wait_for()
    await looked_at(page, "connection-tried")


async def test_retry_all_lock_errors(page: Page, admin: AdminWorld) -> None:
    """All that Salesforce has refused for a lock, at once."""
    stage = admin.operator.stage
    for number in range(2):
        stage.salesforce.fail_rows(lambda _row: True, Failure.REJECTED, "UNABLE_TO_LOCK_ROW")
        await stage.post({**ADA, "email": f"l{number}@example.org"}, id_=f"locked-{number}", type_="customer.created")
        await stage.settle()
    await page.get_by_role("link", name="Salesforce", exact=True).click()
    await page.get_by_role("button", name="Retry what is chosen").wait_for()
    await looked_at(page, "salesforce-refused")
    await page.locator("form", has_text="UNABLE_TO_LOCK_ROW").get_by_role("button", name="Retry all").click()
    await done(page, "the nightly load is over")
    for number in range(2):
        document = await stage.document(f"locked-{number}")
        assert "refusal" not in document["_sync"]
        assert document["_sync"]["due_at"] <= stage.now


async def test_the_overview_is_told_anew(page: Page, admin: AdminWorld) -> None:
    """Without a click, the signs below the sentence too; who is at one with the keyboard stays there."""
    stage = admin.operator.stage
    await stage.reconciler.handle([stage.event(ADA, id_="bob", type_="customer.promoted")])
    await page.locator("[data-value=parked]", has_text="2").wait_for()
    await page.get_by_role("link", name="2 parked records waiting").wait_for()
    await page.get_by_role("link", name="2 parked records waiting").focus()
    await stage.reconciler.handle([stage.event(ADA, id_="eve", type_="customer.promoted")])
    await page.locator("[data-value=parked]", has_text="3").wait_for()
    await page.locator("a[href='/admin/parked']:focus", has_text="3 parked records").wait_for()


async def newest_row(section: Locator) -> list[str]:
    """When it began, as a week's legend tells it, and its values."""
    row = section.locator(".tall tbody tr").first
    at = datetime.fromtimestamp(int(await row.locator("th").get_attribute("data-at") or 0) / 1000, UTC)
    return [f"{at.day} {at:%b %H:%M}", *await row.locator("td").all_text_contents()]


async def test_see_how_things_were_in_the_last_week(page: Page) -> None:
    """Two clicks; each chart is drawn from the table behind it, which opens without a mouse. Its legend has the newest
    values while nobody points at it."""
    await page.get_by_role("link", name="Charts").click()
    await page.get_by_role("link", name="The last week").click()
    section = page.get_by_role("region", name="API calls of the day", exact=False).first
    await section.locator(".plot[data-drawn='2'] canvas").wait_for()
    painted = await section.locator("canvas").evaluate(
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)"
    )
    assert painted
    assert await section.locator(".u-legend .u-value").all_text_contents() == await newest_row(section)
    await section.locator("summary").focus()
    await page.keyboard.press("Enter")
    await section.get_by_role("cell", name="15,000").first.wait_for()
    assert await section.locator(".tall tbody tr").count() == 7 * 24
