"""The site of the documentation, built as `make site` does, and read in a real browser that has no network.

Skipped, by name, where the generator is not installed (`make site` does that), or Chromium is not.
"""

import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize, async_playwright, expect

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
SIZES = {"desk": ViewportSize(width=1280, height=900), "phone": ViewportSize(width=390, height=844)}
MOST_SECONDS = 280
"""A build takes some ten seconds; a machine that does much else besides is slow."""

pytestmark = pytest.mark.timeout(MOST_SECONDS + 20)


def generator(root: Path) -> str | None:
    """Where the generator is: of `make site`, beside the wheel under test too, or on the PATH."""
    beside = (root / "build" / "docs-venv", root.parent / "docs-venv")
    found = [str(folder / "bin" / "sphinx-build") for folder in beside if (folder / ".installed").exists()]
    return found[0] if found else shutil.which("sphinx-build")


@pytest.fixture(scope="module")
def site(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built anew; a warning, as of a link that leads nowhere, fails it."""
    sphinx, folder = generator(pytestconfig.rootpath), tmp_path_factory.mktemp("docs")
    if sphinx is None:
        pytest.skip("the generator of the site is not installed: `make site` does that")
    done = subprocess.run(
        [
            *(sphinx, "--fail-on-warning", "--keep-going", "--nitpicky", "--quiet", "-c", "docs/site"),
            *("-d", str(folder / "trees"), "docs", str(folder / "site")),
        ],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests of this module."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        await started.close()


def test_every_page_is_built_and_loads_nothing_from_elsewhere(pytestconfig: pytest.Config, site: Path) -> None:
    """Each page below docs is one of the site's, and no style sheet or script comes from another machine."""
    docs = pytestconfig.rootpath / "docs"
    pages = {str(file.relative_to(docs).with_suffix(".html")) for file in docs.rglob("*.md")}
    assert pages | {"index.html"} <= {str(file.relative_to(site)) for file in site.rglob("*.html")}
    loaded = re.compile(
        r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//[^\"']+", re.IGNORECASE
    )
    fetched = re.compile(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']+", re.IGNORECASE)
    elsewhere = {
        f"{file.name}: {found}"
        for pattern, kind in ((loaded, "*.html"), (fetched, "*.css"))
        for file in site.rglob(kind)
        for found in pattern.findall(file.read_text())
    }
    assert not elsewhere


@pytest.mark.parametrize("size", SIZES)
async def test_it_is_read_and_searched_without_a_network(site: Path, browser: Browser, size: str) -> None:
    """From the files alone: the first page, a search, and what it finds; no page is wider than the window."""
    context = await browser.new_context(viewport=SIZES[size], offline=True)
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"an error in the page: {error}"))
    await page.goto((site / "index.html").as_uri())
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Documentation")
    if size == "phone":
        await page.locator(".mobile-header label[for=__navigation]").click()
    await page.get_by_role("textbox", name="Search").fill("position_refused")
    await page.keyboard.press("Enter")
    await page.locator("#search-results").get_by_role("link", name="Recover from three days of outage").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Recover from three days of outage")
    for name in ("README", "settings", "merge", "tutorial", "runbook"):
        await page.goto((site / f"{name}.html").as_uri())
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth"), name
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    await context.close()
