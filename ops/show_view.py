"""What `tandem show` shows, from values: a thing on both sides, field by field. No I/O."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from shlex import quote
from typing import Any, Final

import orjson
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.rules.audit import MASK, NOBODY
from consumers.rules.registers import load_field
from consumers.rules.state import FieldState, PlatformRegister, SalesforceRegister, Side
from schemas.field_mapping import Direction, FieldMapping
from schemas.mapping import KindMapping
from schemas.transforms import compile_field

Row = Mapping[str, Any]
Shown = Callable[[Any], str]
"""A value as it is shown, masked or not."""

NOTHING: Final = "-"
_CONTROLS: Final = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"
}
_ARROWS: Final = {Direction.PUSH: "→", Direction.PULL: "←", Direction.BOTH: "↔"}


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of one thing, on both sides."""

    kind_name: str
    kind: KindMapping
    id: str
    document: Row | None = None
    record_id: str = ""
    record: Row | None = None
    record_away: str = ""
    """Why the record could not be read; empty where it was, or is not there."""
    log: Sequence[Row] = field(default_factory=list)
    parked: Sequence[Row] = field(default_factory=list)
    values: bool = True
    """Whether values of fields are shown that the mapping marks as personal or sensitive."""

    def shown(self, name: str, value: Any) -> str:
        """A value of the field of this Salesforce name, or a mask in its place."""
        if value is None or self.values or name not in self._marked:
            return text(value)
        return MASK

    @property
    def _marked(self) -> frozenset[str]:
        return frozenset(each.salesforce for each in self.kind.fields if each.privacy is not None)


def view(findings: Findings) -> RenderableType:
    """All of it, as it is shown."""
    parts: list[RenderableType] = [Text("\n".join(heading(findings)))]
    if findings.document is not None or findings.record is not None:
        parts.append(_fields(findings))
    parts += [
        Text(f"parked {moment(row.get('at'))}: {row.get('reason')}: {row.get('detail')} ({row.get('_id')})", "red")
        for row in findings.parked
    ]
    return Group(*parts)


def heading(findings: Findings) -> list[str]:
    """What is known of the thing as a whole, a line each."""
    kind, document = findings.kind, findings.document
    lines = [f"{findings.kind_name} {findings.id}"]
    if document is None:
        lines.append(f"document: none in {kind.collection}")
    else:
        sync = document.get("_sync", {})
        status = document.get("salesforce", {}).get("syncStatus", "unknown")
        lines.append(f"document: {kind.collection}, revision {document.get('revision')}, {status}")
        if "due_at" in sync:
            lines.append(f"due: {moment(sync['due_at'])}")
        if "read" in sync:
            lines.append(f"to be read whole: {sync['read']}")
        lines += [
            f"write {write.get('n')}: {write.get('state')}, taken {moment(write.get('taken'))}, "
            f"fields {', '.join(write.get('values', {}))}"
            for write in sync.get("writes", ())
        ]
        if refusal := sync.get("refusal"):
            lines.append(f"refused {moment(refusal['at'])}: {': '.join(_refused(refusal))}")
        if retry := sync.get("retry"):
            lines.append(f"try {retry['tries']} failed ({retry['code']}); next {moment(retry['at'])}")
        lines += _waiting(findings)
    lines.append(_record_line(findings))
    return lines


def _waiting(findings: Findings) -> list[str]:
    """The fields in which a conflict waits for a person, with both values and the command that settles it."""
    lines: list[str] = []
    for mapped in findings.kind.fields:
        field = _registers(findings, mapped)
        if field.review is None or field.source is None:
            continue
        values = {field.source: field.value, field.review.side: field.review.value}
        both = ", ".join(f"{side} {findings.shown(mapped.salesforce, values[side])}" for side in Side)
        since = moment(field.review.since)
        lines += [
            f"{mapped.platform} waits for a person since {since}: {both}; the document shows what {field.source} has",
            f"  tandem review choose {findings.kind_name} {quote(findings.id)} {mapped.platform} platform|salesforce",
        ]
    return lines


def _registers(findings: Findings, mapped: FieldMapping) -> FieldState:
    """The field as it is stored; empty where nothing is."""
    document = findings.document or {}
    stored = document.get("_sync", {}).get("fields", {}).get(mapped.salesforce)
    return FieldState() if stored is None else load_field(stored, value_at(document, mapped.platform))


def _record_line(findings: Findings) -> str:
    if findings.record_away:
        return f"record: {findings.record_id or 'unknown'}, not read: {findings.record_away}"
    if findings.record is None:
        return f"record: {f'{findings.record_id} is gone' if findings.record_id else 'none'}"
    changed = findings.record.get("LastModifiedDate")
    token = findings.record.get(findings.kind.token)
    sobject = findings.kind.place_of(findings.record_id).sobject
    return f"record: {sobject} {findings.record_id}, changed {changed}, token {token}"


def _fields(findings: Findings) -> Table:
    shown = Table(show_lines=True)
    for column in (
        "field",
        "document, and what the platform said",
        "",
        "Salesforce, and what it said",
        "last conflict",
    ):
        shown.add_column(column, overflow="fold")
    for row in field_rows(findings):
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def field_rows(findings: Findings) -> list[tuple[str, ...]]:
    """For each mapped field: its names, each side's value and words, whether they are equal, the last audit row.

    Five columns, so that they can be read on a terminal of 80.
    """
    document, record = findings.document or {}, findings.record
    undrained = document.get("_sync", {}).get("audit", [])
    audits: dict[str, Row] = {}
    for row in sorted([*findings.log, *undrained], key=lambda row: row.get("at", 0)):
        if row.get("type") == "audit" and row.get("field"):
            audits[row["field"]] = row
    rows: list[tuple[str, ...]] = []
    for mapped in findings.kind.fields:
        key = compile_field(mapped).key
        ours = value_at(document, mapped.platform)
        theirs = None if record is None else record.get(mapped.salesforce)
        registers, shown = _registers(findings, mapped), partial(findings.shown, mapped.salesforce)
        rows.append(
            (
                f"{mapped.platform} {_ARROWS[mapped.direction]} {mapped.salesforce}",
                _with(shown(ours), _platform_said(registers.platform, shown)),
                "" if record is None else "=" if key(ours) == key(theirs) else "≠",
                _with(
                    _not_there(findings) if record is None else shown(theirs),
                    _salesforce_said(registers.salesforce, shown),
                ),
                _audit(audits.get(mapped.salesforce), shown),
            )
        )
    return rows


def _not_there(findings: Findings) -> str:
    """In place of the record's value: unknown is not the same as none."""
    return "?" if findings.record_away else NOTHING


def _with(value: str, said: str) -> str:
    return f"{value}\n{said}" if said else value


def _platform_said(register: PlatformRegister | None, shown: Shown) -> str:
    if register is None:
        return ""
    return f"said: {shown(register.value)}\nchanged {moment(register.changed)}\nheard {moment(register.heard)}"


def _salesforce_said(register: SalesforceRegister | None, shown: Shown) -> str:
    if register is None:
        return ""
    return f"said: {shown(register.value)}\ncommitted {moment(register.position.timestamp)}"


def _audit(row: Row | None, shown: Shown) -> str:
    if row is None:
        return ""
    if row.get("winner") == NOBODY:
        return f"{moment(row.get('at'))}: a person is asked by {row.get('rule')}"
    if "result" in row:
        return f"{moment(row.get('at'))}: both won by {row.get('rule')}; made of both: {shown(row['result'])}"
    loser = row.get("loser", "")
    lost = (row.get(loser) or {}).get("value")
    note = f", {row['note']}" if row.get("note") else ""
    return f"{moment(row.get('at'))}: {row.get('winner')} won by {row.get('rule')}{note}; lost: {shown(lost)}"


def decision_told(row: Row) -> str:
    """A decision about what is debugged: its values were masked when it was kept."""
    ended = ": ".join(part for part in (row.get("outcome"), row.get("reason")) if part)
    written = f"; revision {row['revision']}" if row.get("revision") else ""
    due = f", due {moment(row['due_at'])}" if row.get("due_at") else ""
    fields = "".join(f"; {_field_decided(each)}" for each in row.get("fields", ()))
    return f"{row.get('step')} {ended}{written}{due}{fields}"


def _field_decided(each: Row) -> str:
    came = f"{each.get('path')} {each.get('came')}"
    return f"{came} by rule {each['rule']}: {each['was']} → {each['shows']}" if "rule" in each else came


def value_at(document: Row, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = document
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def text(value: Any) -> str:
    """A value: text as it is, anything else as JSON. What would steer the terminal is shown as a sign instead."""
    if value is None:
        return NOTHING
    return value.translate(_CONTROLS) if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def moment(at: Any) -> str:
    """Epoch milliseconds as UTC."""
    if not isinstance(at, int) or at <= 0:
        return NOTHING
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _refused(refusal: dict[str, Any]) -> list[str]:
    """The code, the fields that Salesforce names if it does, and its words."""
    fields = ", ".join(refusal.get("fields", ()))
    return [part for part in (refusal["code"], fields, refusal["message"]) if part]
