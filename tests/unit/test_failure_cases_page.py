"""Every failure case and hole has its test, its guard and its row in docs/failure-cases.md, and they are the same."""

import ast
import importlib.util
from pathlib import Path

import pytest
from support.doc_pages import Page
from support.guards import GUARDS, Guard

ROOT = Path(__file__).parent.parent.parent
PAGE = Page("docs/failure-cases.md", (ROOT / "docs" / "failure-cases.md").read_text(encoding="utf-8"))
CASES = [f"{number:02}" for number in range(1, 26)]
HOLES = list("abcdefgh")


def source(module: str) -> str:
    """Of a module as it is installed: the tests also run against the wheel."""
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_text(encoding="utf-8")


def test_every_case_and_every_hole_has_its_guard() -> None:
    """Each once, in order."""
    assert [guard.case for guard in GUARDS] == CASES + HOLES


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.case)
def test_a_guard_stands_in_the_code_and_its_test_says_what_it_is_about(guard: Guard) -> None:
    """One that was rewritten asks for its entry anew; the test tells what happened in the field, and what does here."""
    left: dict[str, str] = {}
    for bend in guard.bends:
        text = left.get(bend.module) or source(bend.module)
        assert text.count(bend.old) == 1, f"{bend.module}: {bend.old!r}"
        left[bend.module] = text.replace(bend.old, bend.new)
    for module, text in left.items():
        compile(text, module, "exec")
    tree = ast.parse((ROOT / guard.file).read_text(encoding="utf-8"))
    (test,) = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == guard.test
    ]
    told = ast.get_docstring(test) or ""
    assert told.startswith("In the field: "), guard.test
    assert "\n\nHere: " in told, guard.test


def test_the_page_has_a_row_for_each() -> None:
    """With the test and what was taken out."""
    rows = [*PAGE.rows("Cases")[1:], *PAGE.rows("Holes")[1:]]
    assert [(row[0], row[2].strip("`"), row[3]) for row in rows] == [
        (guard.case, guard.test, guard.what) for guard in GUARDS
    ]
