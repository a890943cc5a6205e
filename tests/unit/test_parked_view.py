"""What `tandem parked` and `tandem show --story` show."""

from typing import Any

from consumers.catalog import Catalog
from ops.parked import Count, Found
from ops.parked_items import end_of_refusal, item_of_record, item_of_write
from ops.parked_view import lines_of_json, list_lines, record_lines, write_lines
from ops.story import Known, story
from schemas.outcome import Outcome, Result
from schemas.presets import preset

NOON = 1_795_348_800_000
ROW: dict[str, Any] = {
    "_id": "platform.events:3:1207",
    "topic": "platform.events",
    "partition": 3,
    "offset": 1207,
    "key": b"customer:cust-1",
    "value": b'{"secret": "ana@example.org"}',
    "headers": [["ce_id", b"e1"], ["x-theirs", b"Ana"]],
    "timestamp": NOON - 1_000,
    "reason": "invalid_value",
    "detail": "total_tickets: must be a number",
    "kind": "customer",
    "document": "cust-1",
    "at": NOON,
    "last_at": NOON + 60_000,
    "attempts": 2,
    "state": "discarded",
    "redrives": [{"attempt": 2, "by": "ana", "note": "tried", "at": NOON + 30_000}],
    "closed_at": NOON + 90_000,
    "closed_by": "bo",
    "note": "a test",
}
DOCUMENT: dict[str, Any] = {
    "_id": "cust-4",
    "revision": 6,
    "salesforce": {"syncStatus": "error"},
    "_sync": {
        "link": {"id": "003A", "at": NOON, "former": ["003B"]},
        "writes": [{"n": 2, "values": {"Phone": "0712"}, "taken": NOON + 2, "state": "rejected"}],
        "refusal": {
            "code": "STRING_TOO_LONG",
            "message": "Phone: 0712 is too long",
            "values": {"Phone": "0712"},
            "fields": ["Phone"],
            "at": NOON + 3,
        },
        "retry": {"tries": 2, "at": NOON + 9_000, "code": "UNABLE_TO_LOCK_ROW"},
        "due_at": NOON + 9_000,
        "audit": [
            {
                "_id": "a",
                "type": "audit",
                "path": "phone",
                "platform": {"value": "0712", "at": NOON},
                "salesforce": {"value": "0799", "at": NOON},
                "winner": "platform",
                "rule": "13.latest_wins",
                "at": NOON + 1,
            }
        ],
    },
}
CUSTOMER = Catalog(preset("customers")).kinds["customer"]


def test_the_list_tells_how_many_and_which_with_ids_in_one_piece() -> None:
    """A line each; what was tried again says so."""
    items = [item_of_record(ROW | {"state": "parked"}), item_of_write(DOCUMENT, CUSTOMER)]
    counts = {
        ("invalid_value", "platform.events"): Count(3, NOON, NOON + 3_600_000),
        ("STRING_TOO_LONG", "salesforce.writes"): Count(1, NOON, NOON),
    }
    assert list(list_lines(Found(items, counts), filtered=False)) == [
        "      3  invalid_value    platform.events    2026-11-22 12:00 to 2026-11-22 13:00",
        "      1  STRING_TOO_LONG  salesforce.writes  2026-11-22 12:00",
        "",
        "platform.events:3:1207  invalid_value, customer:cust-1, 2026-11-22 12:01, tried 2 times",
        "    total_tickets: must be a number",
        "customer:cust-4  STRING_TOO_LONG, 2026-11-22 12:00",
        "    Phone (phone): Phone: 0712 is too long",
        "2 more; --limit shows them",
    ]
    assert list(list_lines(Found(), filtered=False)) == ["nothing is parked"]
    assert lines_of_json(Found(items, counts)).count("\n") == 2


def test_a_record_is_shown_without_what_it_holds_unless_asked() -> None:
    """Headers of ours hold none of it; those of others may."""
    lines = list(record_lines(item_of_record(ROW), ROW, values=False))
    assert lines[0] == "platform.events:3:1207: discarded"
    assert "redriven  2026-11-22 12:00:30.000 by ana: tried" in lines
    assert "discarded 2026-11-22 12:01:30.000 by bo: a test" in lines
    assert "header    x-theirs: •••" in lines
    assert lines[-1] == "value     29 bytes, not shown; --values shows them: personal data"
    assert "Ana" not in "".join(lines)
    assert list(record_lines(item_of_record(ROW), ROW, values=True))[-1] == '{"secret": "ana@example.org"}'


def test_a_row_of_an_earlier_release_is_shown() -> None:
    """It says less."""
    old = {name: ROW[name] for name in ("_id", "topic", "partition", "offset", "reason", "at")}
    assert item_of_record(old).attempts == 1
    assert list(record_lines(item_of_record(old), old | {"key": None, "value": None}, values=False))[-2:] == [
        "key       none",
        "value     none",
    ]


def test_a_refused_write_is_shown_with_its_rows() -> None:
    """Fields by name, values only if asked for."""
    item = item_of_write(DOCUMENT, CUSTOMER)
    row = {"record": "003A", "refusal": DOCUMENT["_sync"]["refusal"], "rows": [{"_id": "w", "at": NOON, "reason": "X"}]}
    lines = list(write_lines(item, row, values=False))
    assert "field     Phone: •••" in lines
    assert "parked    2026-11-22 12:00:00.000: X, parked (w)" in lines
    assert "field     Phone: 0712" in list(write_lines(item, row, values=True))


def test_a_row_of_a_refused_write_ends_as_its_document_says() -> None:
    """Not while it is refused or due; refused later it is another row's."""
    witness = {"at": NOON + 5}
    refused = {"_sync": {"refusal": {"at": NOON + 3}}}
    assert end_of_refusal(witness, refused) is None
    assert end_of_refusal({"at": NOON}, refused) == Result(Outcome.PARKED, "refused again since")
    assert end_of_refusal(witness, {"_sync": {"due_at": 1}}) is None
    assert end_of_refusal(witness, {"_sync": {}}) == Result(Outcome.APPLIED, "no write is refused any more")
    assert end_of_refusal(witness, None) == Result(Outcome.IGNORED, "there is no such document")


def test_the_story_is_in_order_of_time_and_masks_values() -> None:
    """Everything that is stored about the thing has its line."""
    known = Known(
        kind="customer",
        id="cust-4",
        document=DOCUMENT,
        log=[
            {
                "_id": "w",
                "type": "write",
                "write": 2,
                "fields": ["Phone"],
                "outcome": "parked",
                "at": NOON + 4,
                "code": "STRING_TOO_LONG",
                "reason": "Phone: 0712 is too long",
            },
            {
                "_id": "o",
                "type": "outcome",
                "topic": "platform.events",
                "outcome": "stale",
                "reason": "rule 3",
                "event": "e1",
                "at": NOON - 1,
                "again": "r1",
            },
            {"_id": "d", "type": "deletion", "record": "003A", "outcome": "applied", "at": NOON + 8},
        ],
        parked=[ROW],
        operations=[
            {"at": NOON + 7, "by": "ana", "what": "redrive", "item": "customer:cust-4", "result": "sent again"}
        ],
    )
    told = story(known, values=False)
    assert [entry.at for entry in told] == sorted(entry.at for entry in told)
    assert [f"{entry.what}: {entry.told}" for entry in told] == [
        "event: stale: rule 3 (e1); published again by a person",
        "link: to 003A, before that 003B",
        "parked: invalid_value (platform.events:3:1207)",
        (
            "conflict: phone: platform ••• of 2026-11-22 12:00:00.000, Salesforce ••• of 2026-11-22 12:00:00.000; "
            "platform won, by 13.latest_wins"
        ),
        "taken: write 2 of Phone taken; now rejected",
        "refused: STRING_TOO_LONG: Phone",
        "write: 2 of Phone: parked: STRING_TOO_LONG",
        "operator: ana: redrive of customer:cust-4: sent again",
        "deletion: of 003A: applied",
        "next try: after 2 that failed by UNABLE_TO_LOCK_ROW",
        "due: the writer looks at it",
        "redriven: by ana, tried (platform.events:3:1207)",
        "parked: again, after 2 tries: invalid_value (platform.events:3:1207)",
        "discarded: platform.events:3:1207 by bo, a test",
    ]
    assert "0712" not in "".join(entry.told for entry in told)
    assert "0712 of" in "".join(entry.told for entry in story(known, values=True))
    assert Known("customer", "x").is_nothing
