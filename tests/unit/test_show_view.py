"""What `tandem show` shows."""

import io
from typing import Any

from rich.console import Console

from ops.show_view import Findings, field_rows, heading, moment, text, value_at, view
from schemas.mapping import KindMapping

KIND = KindMapping.model_validate(
    {
        "collection": "customers",
        "sobject": "Contact",
        "external_id": "Tandem_Customer_Id__c",
        "token": "Tandem_Customer_Write__c",
        "fields": [
            {"platform": "email", "salesforce": "Email", "transform": ["lower"]},
            {"platform": "address.city", "salesforce": "MailingCity"},
            {"platform": "spent", "salesforce": "Spent__c", "direction": "push"},
        ],
    }
)
NOON = 1_795_348_800_000
DOCUMENT: dict[str, Any] = {
    "_id": "cust-42",
    "revision": 7,
    "email": "ana@example.com",
    "address": {"city": "Iasi"},
    "salesforce": {"syncStatus": "pending"},
    "_sync": {
        "link": {"id": "003000000000001AAA"},
        "due_at": NOON,
        "fields": {
            "Email": f'{{"p":["Ana@example.com",{NOON},{NOON},["e1"]]}}',
            "MailingCity": f'{{"s":["Cluj",[{NOON},1,1]]}}',
        },
        "writes": [{"n": 3, "state": "open", "taken": NOON, "values": {"MailingCity": "Iasi"}}],
        "refusal": {"code": "STRING_TOO_LONG", "message": "too long", "at": NOON},
        "retry": {"tries": 2, "at": NOON, "code": "UNABLE_TO_LOCK_ROW"},
        "audit": [
            {
                "type": "audit",
                "field": "MailingCity",
                "path": "address.city",
                "winner": "platform",
                "loser": "salesforce",
                "rule": "13.latest_wins",
                "platform": {"value": "Iasi", "at": NOON},
                "salesforce": {"value": "Cluj", "at": NOON},
                "at": NOON,
            }
        ],
    },
}
RECORD = {"Email": "ana@EXAMPLE.com", "MailingCity": "Cluj", "Spent__c": None, "LastModifiedDate": "2026-11-22"}


def found(**changes: Any) -> Findings:
    """A customer on both sides."""
    given = {"kind_name": "customer", "kind": KIND, "id": "cust-42", "document": DOCUMENT, "record": RECORD}
    return Findings(**{**given, "record_id": "003000000000001AAA", **changes})


def test_each_mapped_field_stands_side_by_side() -> None:
    """Both values, compared as the merge compares them, and what each side said last."""
    email, city, spent = field_rows(found())
    noon = "2026-11-22 12:00:00.000"
    said = f"ana@example.com\nsaid: Ana@example.com\nchanged {noon}\nheard {noon}"
    assert email[:4] == ("email ↔ Email", said, "=", "ana@EXAMPLE.com")
    assert city[:4] == ("address.city ↔ MailingCity", "Iasi", "≠", f"Cluj\nsaid: Cluj\ncommitted {noon}")
    assert spent[:4] == ("spent → Spent__c", "-", "=", "-")


def test_the_last_conflict_of_a_field_is_named_with_what_was_lost() -> None:
    """Also while the row has not been drained to the log; the newest one wins."""
    older = {**DOCUMENT["_sync"]["audit"][0], "at": NOON - 1, "rule": "5"}
    (_, city, _) = field_rows(found(log=[older]))
    assert city[4] == "2026-11-22 12:00:00.000: platform won by 13.latest_wins; lost: Cluj"


def test_the_heading_tells_what_is_under_way() -> None:
    """Revision, due time, writes, refusal, retry and the record's token."""
    told = "\n".join(heading(found()))
    for part in (
        "revision 7, pending",
        "due: 2026-11-22 12:00:00.000",
        "write 3: open",
        "refused 2026-11-22 12:00:00.000: STRING_TOO_LONG: too long",
        "try 2 failed (UNABLE_TO_LOCK_ROW)",
        "record: Contact 003000000000001AAA, changed 2026-11-22",
    ):
        assert part in told


def test_what_is_not_there_is_said() -> None:
    """No document, no record, a record that is gone, an org that is away: four different answers."""
    assert "document: none in customers" in heading(found(document=None))
    assert heading(found(record=None, record_id=""))[-1] == "record: none"
    assert heading(found(record=None))[-1] == "record: 003000000000001AAA is gone"
    assert heading(found(record=None, record_away="no answer"))[-1].endswith("not read: no answer")
    assert field_rows(found(record=None, record_away="no answer"))[0][2:4] == ("", "?")
    assert field_rows(found(record=None))[0][2:4] == ("", "-")


def test_a_value_made_of_both_sides_is_told_as_nobodys_loss() -> None:
    """With what was made of them."""
    both = {"winner": "both", "loser": "nobody", "rule": "13.union", "result": ["a", "b"]}
    row = {**DOCUMENT["_sync"]["audit"][0], **both}
    city = f'{{"now":["platform",1,{NOON},3]}}'
    document = {**DOCUMENT, "_sync": {"fields": {"MailingCity": city}, "audit": [row]}}
    assert field_rows(found(document=document))[1][4].endswith('both won by 13.union; made of both: ["a","b"]')


def test_a_conflict_that_waits_shows_both_values_and_the_command() -> None:
    """Ready to be copied; the last conflict is told as a question, not as somebody's loss."""
    city = f'{{"now":["salesforce",1,2,3],"review":["platform","Arad",{NOON},{NOON}]}}'
    asked = {**DOCUMENT["_sync"]["audit"][0], "winner": "nobody", "loser": "nobody", "rule": "13.review"}
    document = {**DOCUMENT, "_sync": {"fields": {"MailingCity": city}, "audit": [asked]}}
    lines = heading(found(document=document, id="cust 42"))
    noon = "2026-11-22 12:00:00.000"
    told = f"address.city waits for a person since {noon}: platform Arad, salesforce Iasi; the document shows what "
    at = lines.index(f"{told}salesforce has")
    assert lines[at + 1] == "  tandem review choose customer 'cust 42' address.city platform|salesforce"
    assert field_rows(found(document=document))[1][4] == f"{noon}: a person is asked by 13.review"


def test_a_value_does_not_steer_the_terminal() -> None:
    """Anybody can type an escape sequence into a form; lines and tabs stay."""
    assert text("a\x1b[2Jb\x07\x9bc\n\td") == "a\ufffd[2Jb\ufffd\ufffdc\n\td"


def test_of_what_is_on_neither_side_no_fields_are_shown() -> None:
    """The heading has said it all."""
    output = io.StringIO()
    Console(width=80, file=output).print(view(found(document=None, record=None, record_id="")))
    assert output.getvalue().splitlines() == ["customer cust-42", "document: none in customers", "record: none"]


def test_a_narrow_terminal_is_wide_enough() -> None:
    """Values of a usual length and whole times stand in one line."""
    output = io.StringIO()
    Console(width=80, file=output).print(view(found()))
    assert "ana@example.com" in output.getvalue()
    assert "changed 2026-11-22" in output.getvalue()


def test_everything_is_printed_as_it_is() -> None:
    """Values with brackets are no markup; parked records stand below."""
    parked = [{"_id": "t:0:1", "reason": "STRING_TOO_LONG", "detail": "[bold]too long[/bold]", "at": NOON}]
    output = io.StringIO()
    Console(width=240, file=output).print(view(found(document={**DOCUMENT, "email": "[red]x[/red]"}, parked=parked)))
    printed = output.getvalue()
    for part in ("[red]x[/red]", "[bold]too long[/bold] (t:0:1)"):
        assert part in printed


def test_values_and_times() -> None:
    """Text as it is, anything else as JSON; no time is a dash."""
    assert [text(value) for value in (None, "a", 1.5, True, {"x": [1]})] == ["-", "a", "1.5", "true", '{"x":[1]}']
    assert moment(None) == moment(0) == "-"
    assert value_at({"a": {"b": 1}}, "a.b") == 1
    assert value_at({"a": 1}, "a.b") is None
