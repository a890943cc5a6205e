"""What is made of the tests in `docs/merge.md`: each rule's worked examples, and the list of its tests."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from support.merge_examples.book import examples, rule_of
from support.merge_examples.story import Story
from support.merge_examples.tale import FIELDS, NO_RECORD, Line
from support.merge_examples.words import SIDES, clock, value_of

PAGE: Final = "docs/merge.md"
TESTS: Final = "test_merge_*.py"
NOT_OF_RULES: Final = "test_merge_examples.py"
_OF_RULES: Final = re.compile(r"test_rules?_(\d+)_(?:and_(\d+)_)?")
_BLOCK: Final = re.compile(r"<!-- rule (\d+): (example|tests) -->\n.*?<!-- end -->", re.DOTALL)


def with_examples(text: str, root: Path) -> str:
    """The page with everything between its markers made anew; the rest of it is written by hand."""
    made, tests = examples(), tests_of(root)

    def block(found: re.Match[str]) -> str:
        rule = int(found[1])
        if found[2] == "tests":
            named = [f"- `{name}`: {meaning}" for name, meaning in tests.items() if rule in rules_of(name)]
            summary = f"<summary>Tests ({len(named)})</summary>"
            told = [f"<details>{summary}", "", *named, "", "</details>"]
        else:
            told = [part for name, example in made.items() if rule_of(name) == rule for part in _tell(example)][1:]
        return "\n".join([found[0].partition("\n")[0], *told, "<!-- end -->"])

    return _BLOCK.sub(block, text)


def blocks(text: str) -> set[tuple[int, str]]:
    """The markers that the page has, as (rule, what)."""
    return {(int(rule), what) for rule, what in _BLOCK.findall(text)}


def tests_of(root: Path) -> dict[str, str]:
    """The rules' tests and the first line of what each promises, in the order of the source."""
    return {
        node.name: (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
        for file in sorted((root / "tests/unit").glob(TESTS))
        if file.name != NOT_OF_RULES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rules_of(test: str) -> set[int]:
    """The rules that a test's name names."""
    found = _OF_RULES.match(test)
    return {int(number) for number in found.groups() if number} if found else set()


def _tell(example: Callable[[], Story]) -> list[str]:
    """One example: its sentence, the table of its steps, and its audit rows."""
    story = example()
    said = " ".join((example.__doc__ or "").split())
    path, name = story.about, FIELDS[story.about]
    head = [f"| time | what happens | outcome | document: `{path}` | Salesforce: `{name}` | next call |"]
    rows = [_row(line) for line in story.lines]
    audit = [f"- {_audit(row)}" for row in story.world.audit.values()]
    told = ["Audit:", "", *audit] if audit else ["No audit row."]
    return ["", f"**Example.** {said}", "", *head, "|---|---|---|---|---|---|", *rows, "", *told]


def _row(line: Line) -> str:
    there = NO_RECORD if line.salesforce == NO_RECORD else value_of(line.salesforce)
    held = (value_of(line.document), there)
    cells = (clock(line.at), line.what, line.outcome, *held, line.next_call)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _audit(row: Mapping[str, Any]) -> str:
    """Both values with their times, who won and by which rule."""
    sides = " against ".join(
        f"{name}'s {value_of(row[side]['value'])} of {clock(row[side]['at'])}" for side, name in SIDES.items()
    )
    lost = row["lost"]
    by_another = f"; the edit lost is {SIDES[lost['side']]}'s own" if lost and lost["side"] != row["loser"] else ""
    note = f" ({row['note']})" if row["note"] else ""
    ends = f"{SIDES.get(row['winner'], 'nobody')} wins"
    if "result" in row:
        ends = f"both win: {value_of(row['result'])}"
    return f"`{row['field']}`, rule `{row['rule']}`: {sides}; {ends}{note}{by_another}."
