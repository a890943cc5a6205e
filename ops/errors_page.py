"""`docs/errors.md`, made from the table by which the adapter behaves."""

from collections.abc import Iterator
from typing import Final

from adapters.salesforce.error_codes import CODES, UNKNOWN_CODE, WHAT_WE_DO, Meaning, Remedy

_HEAD = """# Salesforce's errors

What each error code of Salesforce's means, and what Tandem does about it, of a row in a call or of a call as a whole.
Codes alone decide: texts change, and are in the org's language. The table is the code's own
(`adapters/salesforce/error_codes.py`), and each row of it is tried in `tests/unit/test_error_codes.py`.

Made by `python -m ops.pages`; a test compares.
"""

_OURS: Final = {
    "`HTTP_` and a status": (
        "the answer had no error of Salesforce's form: something in front of it gave it",
        "[look again](#look-again), and everybody waits; a 401 as [log in](#log-in)",
    ),
    "the name of a network error, as `ServerDisconnectedError`": (
        "no answer",
        "the same; where no connection was made it was not run: [wait for the org](#wait-for-the-org)",
    ),
    "`LOGIN:` and an OAuth code": ("the login is refused", "[wait for the org](#wait-for-the-org)"),
    "`UNEXPECTED_REPLY`": ("an answer that does not match the call row by row", "[look again](#look-again)"),
    "`UNREADABLE_ERROR`": (
        "an error that names no code in the form of one; its text is kept as the message",
        "as any other code: [park](#park)",
    ),
    "`SPLIT_LATER`": (
        "refused together with other rows, and 32 calls did not find the one to blame",
        "[try again](#try-again)",
    ),
    "`INVALID_ROW`": ("a value that Salesforce has no form for, or no id: never sent", "[park](#park)"),
}

_FOOT = """
A row with several errors is dealt with by the most final one. What a person does with a parked write is in
[runbook.md](runbook.md#something-is-parked).
"""


def page() -> str:
    """docs/errors.md."""
    rows = [_row(f"`{code}`", meaning) for code, meaning in CODES.items()]
    table = ["| code | usual status | what it means | what we do |", "|---|---|---|---|", *rows]
    unknown = _row("any other", UNKNOWN_CODE)
    ours = [f"| {code} | {says} | {done} |" for code, (says, done) in _OURS.items()]
    others = ["## Other answers", "", "| code | what it means | what we do |", "|---|---|---|", *ours, _FOOT]
    return "\n".join([_HEAD, "## The codes", "", *table, unknown, "", "## What we do", "", *_remedies(), *others])


def _row(code: str, meaning: Meaning) -> str:
    status = meaning.status if meaning is not UNKNOWN_CODE else ""
    return f"| {code} | {status} | {meaning.says} | {_link(meaning.remedy)} |"


def _link(remedy: Remedy) -> str:
    return f"[{remedy}](#{remedy.replace(' ', '-')})"


def _remedies() -> Iterator[str]:
    for remedy, told in WHAT_WE_DO.items():
        yield from (f"### {remedy}", "", told, "")
