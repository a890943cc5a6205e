"""The admin page in a real browser: a world with something of each sort, somebody signed in, and what is looked at.

Chromium is the system's: `CHROMIUM`, else `chromium` on the path.
"""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, FloatRect, Page, ViewportSize, async_playwright
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.gaps import MongoLogGaps
from adapters.mongo.samples import MongoSamples
from ops.processes.parts import wall_ms
from schemas import topics
from schemas.delivery import Answer, Delivery
from schemas.operators import Role
from schemas.stream import LostOffsets
from support.admin_page import PASSWORD, AdminWorld, open_admin
from support.at_work import HOUR, MINUTE, at_work, others, somebody_in_question
from support.samples import a_week_of_samples

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = os.environ.get("ADMIN_SCREENSHOTS")
"""A folder, to have each page's picture taken."""
ADA = {"last_name": "Lovelace", "first_name": "Ada", "email": "ada@example.org", "phone": "+40700000000"}
MOST_CLICKS = 4
"""From the overview to the end of a task, the answer to the question before a change among them."""
SIZES = {"desk": ViewportSize(width=1280, height=900), "phone": ViewportSize(width=390, height=844)}
NEEDS_CHROMIUM = "needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One that runs as long as the block."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


@asynccontextmanager
async def with_something_of_each_sort(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """To look at."""
    async with open_admin(database) as world:
        await world.user("grace", Role.ADMIN)
        stage = world.operator.stage
        stage.now = wall_ms() - 2 * HOUR
        await stage.post(ADA, id_="ada", type_="customer.created")
        await stage.settle()
        await others(world)
        await somebody_in_question(world, "cust-7")
        stage.now += HOUR - 12 * MINUTE
        await stage.reconciler.handle([stage.event(ADA, id_="ada", type_="customer.promoted")])
        gaps = MongoLogGaps(database)
        lost = LostOffsets(5, 9, 12)
        await gaps.record("tandem.reconcile", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", lost, stage.now)
        stage.now = wall_ms()
        await MongoSamples(database).keep(a_week_of_samples(stage.now))
        await some_deliveries(world)
        await at_work(database, stage.now)
        yield world


async def visit_of(browser: Browser, admin: AdminWorld, size: str) -> BrowserContext:
    """Somebody's browser, with no cookie yet."""
    return await browser.new_context(
        viewport=SIZES[size], color_scheme="dark" if size == "phone" else "light", base_url=admin.url
    )


@asynccontextmanager
async def signed_in(browser: Browser, admin: AdminWorld, size: str, name: str = "grace") -> AsyncIterator[Page]:
    """On the overview; whatever the page's own script complains of fails the test, and a fifth click."""
    context = await visit_of(browser, admin, size)
    opened = await context.new_page()
    opened.set_default_timeout(30_000)
    complaints: list[str] = []
    clicks: list[None] = []
    await opened.expose_function("tandemClicked", lambda: clicks.append(None))
    # Those of a pointer: a form that is sent by the return key clicks at its button by itself, with no detail.
    await opened.add_init_script("addEventListener('click', (each) => { if (each.detail) tandemClicked(); }, true)")
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto("/admin")
    await opened.get_by_label("Name").fill(name)
    await opened.get_by_label("Password").fill(PASSWORD)
    await opened.get_by_role("button", name="Sign in").click()
    await opened.get_by_role("heading", name="Overview").wait_for()
    assert clicks, "clicks are not counted"
    clicks.clear()
    yield opened
    await context.close()
    assert complaints == []
    assert len(clicks) <= MOST_CLICKS


async def some_deliveries(world: AdminWorld) -> None:
    """Two that the platform has taken, and one that it refused until nobody tried any more."""
    deliveries, now = world.parts.deliveries, world.operator.stage.now
    names = {"evt-1": "ada", "evt-2": "cust-21", "evt-3": "cust-22"}
    told = [
        Delivery(id_, "customer", name, "customer.changed", 3 + place, b"{}", now - (3 - place) * 20 * MINUTE)
        for place, (id_, name) in enumerate(names.items())
    ]
    await deliveries.keep(told, now)
    for each in told[1:]:
        await deliveries.delivered([(each, Answer(200))], now)
    for tries in range(7):
        at = now - (7 - tries) * 2 * MINUTE
        await deliveries.again(told[0], Answer(500, "http_500"), at, at)
    await deliveries.given_up(told[0], Answer(500, "http_500"), now)


async def done(page: Page, why: str) -> None:
    """Answer the question that comes before every change."""
    await page.get_by_label("Why").fill(why)
    await page.locator("main form button").click()
    await page.locator(".told").wait_for()


async def looked_at(page: Page, name: str) -> None:
    """The page as it is now."""
    found = await Axe().run(page)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, name
    if SCREENSHOTS:
        width = page.viewport_size["width"] if page.viewport_size else 0
        height = await page.evaluate(
            "Math.ceil((document.querySelector('footer') ?? document.body).getBoundingClientRect().bottom + scrollY)"
        )
        clip = FloatRect(x=0, y=0, width=width, height=height)
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{width}.png", full_page=True, clip=clip)
