"""The pages are a site: each has its place, no link is broken, what people are told to type exists.

It is built, and looked at, by `tests/integration/test_docs_site_built.py`.
"""

import importlib.util
import re
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest
from support.doc_commands import faults, made, typed
from support.doc_pages import Page, exists, read_pages

from ops.commands_page import commands

WALKED = ("docs/tutorial.md", "docs/how-to/")
"""Pages that people follow command by command."""


@pytest.fixture(scope="module")
def root(pytestconfig: pytest.Config) -> Path:
    """Where the documentation is: beside `pyproject.toml`."""
    return pytestconfig.rootpath


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, Page]:
    """Every page below docs by its path."""
    return {name: page for name, page in read_pages(root).items() if name.startswith("docs/")}


@pytest.fixture(scope="module")
def navigation(root: Path) -> ModuleType:
    """`docs/site/navigation.py`, as the generator reads it."""
    spec = importlib.util.spec_from_file_location("navigation", root / "docs" / "site" / "navigation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation_once(pages: dict[str, Page], navigation: ModuleType) -> None:
    """From docs/README.md on, through the indexes that it names; a page that nobody can come to is missing here."""
    reached = ["docs/README.md"]
    for name in reached:
        if PurePosixPath(name).name == "README.md":
            folder = PurePosixPath(name).parent
            reached += [str(folder / page) for _, listed in navigation.sections(pages[name].text) for page in listed]
    assert sorted(reached) == sorted(pages)


def test_the_navigation_has_the_four_sorts_of_pages(pages: dict[str, Page], navigation: ModuleType) -> None:
    """One to learn by, those to follow, those to look things up in, and those to understand by."""
    sections = dict(navigation.sections(pages["docs/README.md"].text))
    assert list(sections) == ["Tutorial", "How-tos", "Reference", "Explanation"]
    told = navigation.with_navigation("README", pages["docs/README.md"].text)
    assert told.count("```{toctree}") == 4
    assert ":caption: Tutorial\n\ntutorial\n```" in told
    assert navigation.with_navigation("merge", "| [a](a.md) |") == "| [a](a.md) |"


@pytest.mark.parametrize(
    ("page", "link", "becomes"),
    [
        ("deploy", "[c](../CHANGELOG.md)", "[c](<path:../CHANGELOG.md>)"),
        ("deploy", "[c](../README.md#in-salesforce)", "[c](<path:../README.md>)"),
        ("deploy", "[m](merge.md#rule-1)", "[m](merge.md#rule-1)"),
        ("how-to/rotate-keys", "[m](../merge.md#rule-1)", "[m](../merge.md#rule-1)"),
        ("how-to/rotate-keys", "[c](../../CHANGELOG.md)", "[c](<path:../../CHANGELOG.md>)"),
    ],
)
def test_a_link_that_leaves_the_site_is_to_the_file(navigation: ModuleType, page: str, link: str, becomes: str) -> None:
    """A page outside docs/ is none of the site's, so the site brings the file along."""
    assert navigation.with_files(page, link) == becomes


def test_every_link_and_picture_of_a_page_is_there(root: Path, pages: dict[str, Page]) -> None:
    """Files, headings and pictures, of every page of the site."""
    broken = []
    for page in pages.values():
        pictures = [link for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.prose) if "://" not in link]
        for link in [*page.links, *pictures]:
            target, _, anchor = link.partition("#")
            path = str((root / page.name).parent.joinpath(target).resolve().relative_to(root)) if target else page.name
            if not exists(root, path) or (anchor and path in pages and anchor not in pages[path].anchors):
                broken.append(f"{page.name}: {link}")
    assert not broken


def test_every_command_that_a_page_tells_exists(pages: dict[str, Page]) -> None:
    """With its options, and as many arguments as it takes."""
    known = commands()
    wrong = [
        f"{page.name}: {fault}" for page in pages.values() for call in typed(page.text) for fault in faults(call, known)
    ]
    assert not wrong


def test_the_pages_to_follow_tell_commands(root: Path, pages: dict[str, Page]) -> None:
    """Each of them has some, so the test above reads what it is meant to; their `make` targets exist."""
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    walked = [page for name, page in pages.items() if name.startswith(WALKED)]
    assert len(walked) >= 6
    for page in walked:
        assert list(typed(page.text)), page.name
        assert made(page.text) <= targets, page.name


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("tandem verify --kind customer --sample 10 | head -3", ""),
        (". settings.sh && tandem show customer cust-1", ""),
        ("docker compose exec write tandem chekc", "no such command"),
        ("tandem verify --samples 10", "no option --samples"),
        ("tandem verify --kind", "no value"),
        ("tandem show customer", "2 arguments are needed"),
        ("tandem gaps show a b", "1 arguments at most"),
        ("tandem sync contacts --dry-run > plan.txt", ""),
        ("tandem sync contacts --dryrun", "no option --dryrun"),
        ("tandem api-keys revoke <id>   # --nothing", ""),
        ("/opt/tandem/bin/tandem upp", "no such command"),
        ("mongodump --db tandem --gzip", ""),
        ("while read -r id; do A=1 tandem show customer; done", "2 arguments are needed"),
        ("tandem review choose --why 'import of May' -- customer cust-1 phone salesforce", ""),
        ("tandem review choose -- customer cust-1 phone salesforce more", "4 arguments at most"),
    ],
)
def test_a_wrong_command_is_found(line: str, wrong: str) -> None:
    """Or the test of the pages could not fail."""
    block = f"```sh\n{line}\n```\n"
    told = [fault for call in typed(block) for fault in faults(call, commands())]
    assert bool(told) == bool(wrong)
    assert wrong in " ".join(told)
    assert list(typed(f"```console\n$ {line}\ntandem nothing of the sort\n```\n")) == list(typed(block))
