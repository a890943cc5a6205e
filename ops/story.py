"""The whole story of one thing, in order of time, from what is stored of it: values only if asked for. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from consumers.rules.audit import BOTH, NOBODY
from ops.parked_view import MASK
from ops.show_view import decision_told, moment, text
from schemas import topics

Row = Mapping[str, Any]

_HEARD: Final = {topics.PLATFORM_EVENTS: "event", topics.SALESFORCE_CHANGES: "change"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored about one thing, each in any order."""

    kind: str
    id: str
    document: Row | None = None
    log: Sequence[Row] = field(default_factory=list)
    parked: Sequence[Row] = field(default_factory=list)
    operations: Sequence[Row] = field(default_factory=list)

    @property
    def is_nothing(self) -> bool:
        """Nothing at all is known of it."""
        return not (self.document or self.log or self.parked or self.operations)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened: when (epoch milliseconds), what sort of thing, and how it went."""

    at: int
    what: str
    told: str


def story(known: Known, *, values: bool, notes: bool = True) -> list[Entry]:
    """All of it, the oldest first. Without `values` it holds no personal data but ids, without `notes` nothing of what
    operators said."""
    entries = [
        *_of_log(known, values=values, notes=notes),
        *_of_document(known.document or {}, values=values),
        *(entry for row in known.parked for entry in _of_parked(row, notes=notes)),
        *(_of_operation(row, notes=notes) for row in known.operations),
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _of_log(known: Known, *, values: bool, notes: bool) -> Iterator[Entry]:
    """What the log has, and the audit rows that have not come there yet."""
    undrained = (known.document or {}).get("_sync", {}).get("audit", ())
    rows = {row["_id"]: row for row in (*undrained, *known.log)}
    for row in rows.values():
        match row.get("type"):
            case "audit":
                yield Entry(row["at"], "conflict", _conflict(row, values=values, notes=notes))
            case "write":
                fields = ", ".join(row.get("fields", ()))
                yield Entry(row["at"], "write", f"{row.get('write')} of {fields}: {_answer(row, values=values)}")
            case "link":
                yield Entry(row["at"], "link", _link(row))
            case "match":
                yield Entry(row["at"], "link", _match(row))
            case "merge":
                yield Entry(
                    row["at"], "merge", f"into {row.get('into')}, which has the record {row.get('into_record')}"
                )
            case "decision":
                yield Entry(row["at"], "decision", decision_told(row))
            case "deletion":
                yield Entry(row["at"], "deletion", f"of {row.get('record')}: {_answer(row, values=values)}")
            case _:
                yield Entry(row["at"], _HEARD.get(row.get("topic", ""), "heard"), _outcome(row))


def _outcome(row: Row) -> str:
    why = f": {row['reason']}" if row.get("reason") else ""
    event = f" ({text(row['event'])})" if row.get("event") else ""
    user = f" by {row['user']}" if row.get("user") else ""
    again = "; published again by a person" if row.get("again") else ""
    return f"{row.get('outcome')}{why}{event}{user}{again}"


def _answer(row: Row, *, values: bool) -> str:
    """Salesforce's own words may quote values."""
    said = text(row["reason"]) if row.get("reason") and values else ""
    return ": ".join(part for part in (str(row.get("outcome", "")), row.get("code", ""), said) if part)


def _link(row: Row) -> str:
    before = f", before that {row['was']}" if row.get("was") not in ("", row.get("record")) else ""
    return f"to {row.get('record')}{before}: {row.get('how')}"


def _match(row: Row) -> str:
    others = row.get("runners_up", ())
    would = f"; others would have done: {', '.join(others)}" if others else ""
    return f"to {row.get('record')}: matched by {row.get('by')}{would}"


def _conflict(row: Row, *, values: bool, notes: bool) -> str:
    def side(name: str) -> str:
        claim = row.get(name) or {}
        return f"{text(claim.get('value')) if values else MASK} of {moment(claim.get('at'))}"

    winner = row.get("winner")
    if winner == NOBODY:
        end = f"a person is asked, by {row.get('rule')}"
    elif winner == BOTH:
        end = f"both won, by {row.get('rule')}"
    else:
        end = f"{winner} won, by {row.get('rule')}"
    note = f" ({text(row['note'])})" if notes and row.get("note") else ""
    return f"{row.get('path')}: platform {side('platform')}, Salesforce {side('salesforce')}; {end}{note}"


def _of_document(document: Row, *, values: bool) -> Iterator[Entry]:
    sync = document.get("_sync", {})
    if link := sync.get("link"):
        former = f", before that {', '.join(link['former'])}" if link.get("former") else ""
        gone = "; it is gone" if link.get("gone") else ""
        yield Entry(link["at"], "link", f"to {link['id']}{former}{gone}")
    for write in sync.get("writes", ()):
        what = "first write" if write.get("first") else "write"
        job = f", by job {write['job']}" if write.get("job") else ""
        told = f"{what} {write['n']} of {', '.join(sorted(write['values']))} taken; now {write['state']}{job}"
        yield Entry(write["taken"], "taken", told)
        if values:
            shown = "; ".join(f"{name} {text(value)}" for name, value in sorted(write["values"].items()))
            yield Entry(write["taken"], "values", shown)
    if refusal := sync.get("refusal"):
        fields = ", ".join(refusal.get("fields", ()))
        said = text(refusal["message"]) if values else ""
        told = ": ".join(part for part in (refusal["code"], fields, said) if part)
        yield Entry(refusal["at"], "refused", told)
    if retry := sync.get("retry"):
        yield Entry(retry["at"], "next try", f"after {retry['tries']} that failed by {retry['code']}")
    for name, awaited in sorted(sync.get("awaited", {}).items()):
        told = f"{name} waits for the record of {awaited['parent']}"
        if keeper := awaited.get("keeper"):
            told = f"kept back: the mapping's filter leaves out {keeper}, on which it hangs by {name}"
        yield Entry(awaited["at"], "next look", told)
    if "due_at" in sync:
        yield Entry(sync["due_at"], "due", "the writer looks at it")


def _of_parked(row: Row, *, notes: bool) -> Iterator[Entry]:
    yield Entry(row["at"], "parked", f"{row['reason']} ({row['_id']})")
    for redrive in row.get("redrives", ()):
        yield Entry(redrive["at"], "redriven", f"by {redrive['by']}{_note(redrive, notes=notes)} ({row['_id']})")
    if row.get("last_at", row["at"]) != row["at"]:
        yield Entry(row["last_at"], "parked", f"again, after {row['attempts']} tries: {row['reason']} ({row['_id']})")
    if row.get("closed_at"):
        by = f" by {row['closed_by']}" if row.get("closed_by") else ""
        end = ": ".join(part for part in (row.get("outcome"), row.get("outcome_reason")) if part)
        yield Entry(row["closed_at"], row["state"], f"{row['_id']}{by}{f': {end}' if end else _note(row, notes=notes)}")


def _of_operation(row: Row, *, notes: bool) -> Entry:
    item = f" of {row['item']}" if row.get("item") else ""
    result = f": {row['result']}" if row.get("result") else ""
    return Entry(row["at"], "operator", f"{row['by']}: {row['what']}{item}{_note(row, notes=notes)}{result}")


def _note(row: Row, *, notes: bool) -> str:
    return f", {text(row['note'])}" if notes and row.get("note") else ""
