"""Things that are there twice."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from schemas.mapping import KindMapping
from simulator.observer.authorship import Ours
from simulator.observer.history import Commit, Row
from simulator.observer.verdict import Fault, Finding


def doubles(
    kind: KindMapping,
    things: Collection[str],
    commits: Sequence[Commit],
    ours: Ours,
    records: Sequence[Row],
    documents: Sequence[Row],
    others: Collection[str] = (),
) -> list[Finding]:
    """Records and documents beyond one of each for every thing the platform spoke of (`things`: their ids).

    `others` are the external id fields of other kinds: a record that bears one of those is not of this kind alone.
    """
    findings: list[Finding] = []
    by_external_id: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.get(kind.external_id):
            by_external_id[str(record[kind.external_id])].append(str(record["Id"]))
    for document, ids in by_external_id.items():
        if len(ids) > 1:
            findings.append(_found(document, ", ".join(ids), f"{len(ids)} records bear its external id"))
        if document not in things:
            findings.append(_found(document, ", ".join(ids), "a record for a thing that the platform never spoke of"))
    findings += _strays(kind, commits, ours, records, others)
    by_record: dict[str, list[str]] = defaultdict(list)
    for row in documents:
        if str(row["_id"]) not in things:
            findings.append(_found(str(row["_id"]), "", "a document for a thing that the platform never spoke of"))
        linked = (row.get("salesforce") or {}).get("recordId")
        if linked:
            by_record[linked].append(str(row["_id"]))
    for record_id, linked_to in by_record.items():
        if len(linked_to) > 1:
            findings.append(_found(", ".join(linked_to), record_id, "documents that are linked to one record"))
    return findings


def _strays(
    kind: KindMapping, commits: Sequence[Commit], ours: Ours, records: Sequence[Row], others: Collection[str]
) -> list[Finding]:
    """Records that we made and that belong to nothing."""
    made = {commit.record_id for commit in commits if commit.type == "CREATE" and ours.made(commit)}
    return [
        _found("", str(record["Id"]), "a record of ours without an external id")
        for record in records
        if not any(record.get(name) for name in (kind.external_id, *others)) and str(record["Id"]) in made
    ]


def _found(document: str, where: str, why: str) -> Finding:
    return Finding(Fault.DOUBLED, document, "", where, why)
