"""What `tandem verify` shows, from values. No I/O; values of documents and records only where they are asked for."""

from collections.abc import Iterator
from typing import Final

import orjson
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.rules.verify_reasons import TRULY_DIFFERENT, Why
from ops.show_view import moment, text
from ops.verify_findings import Finding, Report

MAY_ONLY_WAIT: Final = frozenset({Why.NOT_HANDLED, Why.IN_GAP})
"""What is compared again before anybody knows."""


def report_view(report: Report, *, values: bool, repaired: bool) -> RenderableType:
    """The summary, the reasons, and the first of what is truly different."""
    parts: list[RenderableType] = [_summary(report)]
    if report.reasons:
        parts.append(_reasons(report))
    parts += [Text(line) for line in finding_lines(report, values=values)]
    parts += [Text(line) for line in end_lines(report, repaired=repaired)]
    return Group(*parts)


def finding_lines(report: Report, *, values: bool) -> Iterator[str]:
    """A line for each finding that was kept."""
    for finding in report.findings:
        yield _line(finding, values=values)
    kept = len({(finding.kind, finding.document_id, finding.record_id) for finding in report.findings})
    if report.truly_different > kept:
        yield f"… and {report.truly_different - kept:,} more; --show says how many are named"


def end_lines(report: Report, *, repaired: bool) -> Iterator[str]:
    """What it comes to, and what is done about it."""
    for kind, count in report.undecided.items():
        yield f"{kind}: {count:,} not compared, as Tandem has never decided them: `tandem sync all --dry-run` plans it"
    if report.unseen:
        yield f"could not look at all that waits in Kafka, where a change may not be handled yet: {report.unseen}"
    if not report.truly_different:
        yield "nothing is truly different"
    else:
        yield from _truly_different_lines(report, repaired=repaired)
    if waits := sum(count for (why, _code), count in report.reasons.items() if why in MAY_ONLY_WAIT):
        found = "1 difference" if waits == 1 else f"{waits:,} differences"
        yield f"{found} may only wait: compare again once Kafka is read to its end and the gaps are closed"


def _truly_different_lines(report: Report, *, repaired: bool) -> Iterator[str]:
    if different := sum(report.differ.values()):
        yield f"{different:,} document{'' if different == 1 else 's'} truly different"
    if alone := sum(report.alone.values()):
        yield f"{alone:,} record{' that has' if alone == 1 else 's that have'} no document and should"
    if repaired:
        yield f"{report.asked_again:,} of them looked at again by the ordinary rules; compare again in a minute"
        if report.by_hand:
            yield f"{report.by_hand:,} of them for a person: edit the field on the side that is wrong"
    else:
        yield "--repair has the ordinary rules look at them again; `tandem show` has one document's whole story"


def lines_of_json(report: Report, *, values: bool) -> str:
    """One JSON object for the counts, then one for each finding that was kept."""
    rows: list[dict[str, object]] = [
        {
            "documents": dict(report.documents),
            "same": dict(report.same),
            "truly_different": dict(report.differ),
            "without_a_document": dict(report.alone),
            "reasons": [
                {"why": why.name.lower(), "code": code, "fields": count}
                for (why, code), count in report.reasons.most_common()
            ],
            "asked_again": report.asked_again,
            "not_compared": dict(report.undecided),
            "not_looked_at_in_kafka": report.unseen,
        }
    ]
    for finding in report.findings:
        difference = finding.difference
        row: dict[str, object] = {
            "kind": finding.kind,
            "id": finding.document_id,
            "record": finding.record_id,
            "path": difference.path,
            "why": difference.why.name.lower(),
        }
        if values:
            row |= {"platform": difference.platform, "salesforce": difference.salesforce}
        rows.append(row)
    return "".join(orjson.dumps(row, default=str).decode() + "\n" for row in rows)


def _summary(report: Report) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("kind")
    for column in ("documents", "same", "explained", "truly different", "records without"):
        shown.add_column(column, justify="right")
    for kind in dict.fromkeys([*report.documents, *report.alone]):
        documents, same, differ = report.documents[kind], report.same[kind], report.differ[kind]
        row = (documents, same, documents - same - differ, differ, report.alone[kind])
        shown.add_row(kind, *(f"{count:,}" for count in row))
    return shown


def _reasons(report: Report) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("fields", justify="right")
    shown.add_column("why they differ", overflow="fold")
    ordered = sorted(report.reasons.items(), key=lambda each: (each[0][0] not in TRULY_DIFFERENT, -each[1]))
    for (why, code), count in ordered:
        mark = " (truly different)" if why in TRULY_DIFFERENT else ""
        shown.add_row(f"{count:,}", Text(f"{why}{f': {code}' if code else ''}{mark}"))
    return shown


def _line(finding: Finding, *, values: bool) -> str:
    difference = finding.difference
    where = " ".join(part for part in (finding.kind, finding.document_id, finding.record_id) if part)
    path = f" {difference.path}" if difference.path else ""
    until = f", looked at again {moment(difference.until)}" if difference.until else ""
    sides = ""
    if values and difference.why not in (Why.MISSING, Why.NO_DOCUMENT):
        sides = f": the document {text(difference.platform)}, the record {text(difference.salesforce)}"
    return f"{where}{path}: {difference.why}{until}{sides}"
