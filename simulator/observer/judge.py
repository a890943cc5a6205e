"""The judge: from what the three witnesses say to a verdict. No I/O, and none of Tandem's counters or registers."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from schemas.mapping import Asserts, KindMapping
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.authorship import MappedField, Ours, linked_records
from simulator.observer.doubles import doubles
from simulator.observer.echoes import restless
from simulator.observer.fields import Thing, judge_fields
from simulator.observer.history import Commit, Row, read_commits, read_journal, read_losers
from simulator.observer.verdict import Fault, Finding, Verdict

Item = TypeVar("Item")
Id = TypeVar("Id", bound=Hashable)


def judge(
    journal: Iterable[Row],
    commits: Iterable[Row],
    records: Mapping[str, Sequence[Row]],
    documents: Mapping[str, Sequence[Row]],
    audit: Iterable[Row],
    mapping: FieldsMapping,
    *,
    resting_since: int | None = None,
) -> Verdict:
    """Judge what happened, once both sides are at rest.

    `journal`, `commits` and `audit` are rows as the platform, the org and `salesforce_sync_logs` hold them; `records`
    are the live records by sObject, `documents` the documents by collection. `resting_since` is the org's last commit
    number when both sides were first found at rest: a later write of ours is a finding.
    """
    sent, seen = read_journal(journal)
    log = read_commits(commits)
    rows = [row for row in audit if row.get("type") == "audit"]
    verdict = Verdict(
        conflicts=sum(1 for row in rows if str(row["rule"]).startswith(("13", "18"))),
        overruled=sum(1 for row in rows if str(row.get("note", "")).startswith("overruled")),
        platform_events=len(sent),
    )
    looks = _grouped((look.document, look) for look in seen)
    for name, kind in mapping.kinds.items():
        of_sobject = [commit for commit in log if commit.entity == kind.sobject]
        ours = Ours.learn(kind.token, of_sobject)
        live, stored = records.get(kind.sobject, ()), documents.get(kind.collection, ())
        events = _grouped((event.document, event) for event in sent if event.type in kind.events)
        losers = _grouped((loser.document, loser) for loser in read_losers(rows, name))
        verdict.documents += len(stored)
        verdict.records += len(live)
        verdict.writes += sum(1 for commit in of_sobject if ours.made(commit))
        verdict.findings += doubles(kind, events, of_sobject, ours, live, stored)
        if resting_since is not None:
            verdict.findings += restless(of_sobject, ours, resting_since)
        fields = [MappedField.of(mapped) for mapped in kind.fields]
        pairs = _Pairs(kind, of_sobject, live, stored)
        for document, heard in events.items():
            thing = pairs.thing(document)
            thing.events, thing.looks, thing.losers = heard, looks.get(document, []), losers.get(document, [])
            if kind.events[heard[-1].type] is Asserts.DELETED or pairs.was_deleted(document):
                verdict.apart += 1
            elif any(event.acknowledged for event in heard):
                _judge_thing(thing, fields, ours, verdict)
    return verdict


def _judge_thing(thing: Thing, fields: Sequence[MappedField], ours: Ours, verdict: Verdict) -> None:
    if thing.document is None:
        first = next(event for event in thing.events if event.acknowledged)
        why = "acknowledged, and there is no document"
        verdict.findings.append(Finding(Fault.LOST, thing.id, "", f"event {first.event_id}", why))
    elif thing.record is None:
        verdict.findings.append(Finding(Fault.DIFFERENT, thing.id, "", "", "the document has no record"))
    else:
        judge_fields(thing, fields, ours, verdict)


class _Pairs:
    """Which document, record and commits belong to one platform thing."""

    def __init__(
        self, kind: KindMapping, commits: Sequence[Commit], records: Sequence[Row], documents: Sequence[Row]
    ) -> None:
        self._documents = {str(row["_id"]): row for row in documents}
        self._records = _grouped((str(row.get(kind.external_id)), row) for row in records)
        self._commits = _grouped((commit.record_id, commit) for commit in commits)
        self._linked = _grouped(
            (document, record) for record, document in linked_records(commits, kind.external_id).items()
        )

    def thing(self, document: str) -> Thing:
        """Of several records, the one that the document says it is linked to."""
        stored = self._documents.get(document)
        candidates = self._records.get(document, [])
        linked = ((stored or {}).get("salesforce") or {}).get("recordId")
        record = next((row for row in candidates if row["Id"] == linked), candidates[0] if candidates else None)
        commits = self._commits.get(str(record["Id"]), []) if record is not None else []
        return Thing(id=document, document=stored, record=record, commits=commits)

    def was_deleted(self, document: str) -> bool:
        """It had a record, and every one of them was deleted in the org."""
        if document in self._records:
            return False
        return any(self._commits[record][-1].type == "DELETE" for record in self._linked.get(document, ()))


def _grouped(pairs: Iterable[tuple[Id, Item]]) -> dict[Id, list[Item]]:
    groups: dict[Id, list[Item]] = defaultdict(list)
    for group, item in pairs:
        groups[group].append(item)
    return dict(groups)
