"""The story of a thing tells each type of row that is ever written into the log."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import adapters.mongo
import consumers
import ops
from adapters.mongo.lookups import HEARD
from ops.story import Entry, Known, story
from schemas.debugging import DECISION

ROOT = Path(__file__).parents[2]
NOON = 1_795_348_800_000
SIDE = {"value": "0712", "at": NOON}
ABOUT_NOBODY = "lookup"
ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "outcome": (
        {
            "topic": "salesforce.changes",
            "outcome": "applied",
            "reason": "rule 12",
            "event": "003A@1.1.1",
            "user": "0055g000001PersAAM",
        },
        "change: applied: rule 12 (003A@1.1.1) by 0055g000001PersAAM",
    ),
    "audit": (
        {"path": "phone", "platform": SIDE, "salesforce": SIDE, "winner": "platform", "rule": "13.latest_wins"},
        (
            "conflict: phone: platform ••• of 2026-11-22 12:00:00.000, Salesforce ••• of 2026-11-22 12:00:00.000; "
            "platform won, by 13.latest_wins"
        ),
    ),
    "write": ({"write": 2, "fields": ["Phone"], "outcome": "applied", "code": ""}, "write: 2 of Phone: applied"),
    "deletion": ({"record": "003A", "outcome": "applied", "code": ""}, "deletion: of 003A: applied"),
    "link": ({"record": "003B", "was": "003A", "how": "moved"}, "link: to 003B, before that 003A: moved"),
    "match": (
        {"record": "003A", "by": "Email", "runners_up": ["003B", "003C"]},
        "link: to 003A: matched by Email; others would have done: 003B, 003C",
    ),
    "merge": (
        {"record": "003A", "into": "cust-5", "into_record": "003D"},
        "merge: into cust-5, which has the record 003D",
    ),
    "decision": (
        {"step": "event", "outcome": "applied", "reason": "", "fields": [{"path": "phone", "came": "4 characters"}]},
        "decision: event applied; phone 4 characters",
    ),
}


def told(row: dict[str, Any]) -> list[str]:
    entries: list[Entry] = story(Known("customer", "cust-4", log=[row]), values=False)
    return [f"{entry.what}: {entry.told}" for entry in entries]


def written() -> Iterator[str]:
    """The types of rows in the source, as it is installed: literals that have one, and what they are of or an id."""
    named = {"DECISION": DECISION, "LINK": "link", "_TYPE": ABOUT_NOBODY, "HEARD": HEARD}
    for package in (consumers, adapters.mongo, ops):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Dict):
                    continue
                keys = {key.value: value for key, value in zip(node.keys, node.values, strict=True) if _is_text(key)}
                if "type" not in keys or not keys.keys() & {"_id", "document"}:
                    continue
                match keys["type"]:
                    case ast.Constant(value=str(type_)):
                        yield type_
                    case ast.Name(id=name):
                        yield named[name]


def _is_text(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and isinstance(key.value, str)


def test_every_type_that_is_written_is_documented_and_told() -> None:
    """A new one is named here, or somebody on call reads `None`."""
    types = set(written())
    assert types == {*ROWS, ABOUT_NOBODY, HEARD}
    page = (ROOT / "docs/document.md").read_text(encoding="utf-8")
    assert [type_ for type_ in sorted(types) if f"\n| `{type_}` | " not in page] == []


@pytest.mark.parametrize("type_", ROWS)
def test_a_row_of_each_type(type_: str) -> None:
    """Without values, and with all that a person asks for."""
    row, line = ROWS[type_]
    assert told({"_id": "x", "type": type_, "at": NOON, "kind": "customer", "document": "cust-4", **row}) == [line]


def test_a_link_that_was_found_and_one_that_nobody_else_would_have_done() -> None:
    """What there is not is not spoken of."""
    assert told({"_id": "x", "type": "link", "at": NOON, "record": "003A", "was": "", "how": "found"}) == [
        "link: to 003A: found"
    ]
    assert told({"_id": "x", "type": "link", "at": NOON, "record": "003A", "was": "003A", "how": "gone"}) == [
        "link: to 003A: gone"
    ]
    assert told({"_id": "x", "type": "match", "at": NOON, "record": "003A", "by": "Email", "runners_up": []}) == [
        "link: to 003A: matched by Email"
    ]


def test_whom_a_document_waits_for_and_who_keeps_it_back() -> None:
    """The one comes with a record; the other with a decision of somebody's."""
    awaited = {
        "CampaignId": {"parent": "hack", "at": NOON, "since": NOON},
        "ContactId": {"parent": "p-1", "at": NOON, "since": NOON, "keeper": "participant/p-1"},
    }
    known = Known("registration", "r-1", document={"_id": "r-1", "_sync": {"awaited": awaited}})
    assert [f"{entry.what}: {entry.told}" for entry in story(known, values=False)] == [
        "next look: CampaignId waits for the record of hack",
        "next look: kept back: the mapping's filter leaves out participant/p-1, on which it hangs by ContactId",
    ]
