"""The judge: from what the three witnesses say to a verdict. No I/O, and none of Tandem's counters or registers."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from schemas.field_mapping import FieldMapping
from schemas.mapping import Asserts, KindMapping
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.authorship import MappedField, Ours, linked_records, replay
from simulator.observer.deletions import deleted_by_the_platform, deleted_in_salesforce, undeleted
from simulator.observer.doubles import doubles
from simulator.observer.echoes import restless
from simulator.observer.fields import Thing, judge_fields
from simulator.observer.filtering import Leave
from simulator.observer.gaps import Gaps
from simulator.observer.hanging import Hanging
from simulator.observer.history import (
    Commit,
    Row,
    read_commits,
    read_journal,
    read_losers,
    read_settled,
    value_at,
)
from simulator.observer.lineage import Lineage
from simulator.observer.permission import (
    made_without_consent,
    states,
    told_though_above_left_out,
    told_though_left_out,
    told_without_consent,
)
from simulator.observer.places import in_own_words, live
from simulator.observer.totals import Totals, fits
from simulator.observer.verdict import Fault, Finding, Tally, Verdict

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
    gaps: Iterable[Row] = (),
) -> Verdict:
    """Judge what happened, once both sides are at rest.

    `journal`, `commits` and `audit` are rows as the platform, the org and `salesforce_sync_logs` hold them; `records`
    are the live records by sObject, `documents` the documents by collection. `resting_since` is the org's last commit
    number when both sides were first found at rest: a later write of ours is a finding. `gaps` are rows as
    `tandem_gaps` holds them. The platform's ids are its own over all kinds.
    """
    sent, seen = read_journal(journal)
    log = read_commits(commits)
    rows = [row for row in audit if row.get("type") == "audit"]
    verdict = Verdict(
        conflicts=sum(1 for row in rows if _is_conflict(row)),
        overruled=sum(1 for row in rows if str(row.get("note", "")).startswith("overruled")),
        platform_events=len(sent),
        records=sum(len(rows) for rows in records.values()),
    )
    logs = {name: in_own_words(kind, log) for name, kind in mapping.kinds.items()}
    looks = _grouped((look.document, look) for look in seen)
    events = {
        name: _grouped((one.document, one) for one in sent if one.type in mapping.kinds[name].events)
        for name in mapping.kinds
    }
    links = {name: linked_records(logs[name], kind.external_id) for name, kind in mapping.kinds.items()}
    totals, missed = Totals(mapping, events, documents), Gaps.of(gaps)
    hanging = Hanging(mapping, documents, events, looks)
    written: set[int] = set()
    for name, kind in mapping.kinds.items():
        own = [commit for commit in logs[name] if any(commit.entity == place.sobject for place in kind.places())]
        ours = Ours.learn(kind.token, own)
        there, stored = live(kind, records), documents.get(kind.collection, ())
        verdict.kinds[name] = Tally(
            " or ".join(place.sobject for place in kind.places()),
            documents=len(stored),
            records=sum(1 for record in there if record.get(kind.external_id)),
            conflicts=sum(1 for row in rows if row.get("kind") == name and _is_conflict(row)),
        )
        verdict.documents += len(stored)
        written |= {commit.place for commit in own if ours.made(commit)}
        told = len(verdict.findings)
        others = [other.external_id for other in mapping.kinds.values() if other is not kind]
        verdict.findings += doubles(kind, events[name], own, ours, there, stored, others)
        if resting_since is not None:
            verdict.findings += restless(own, ours, resting_since)
        fields = _fields(kind, links)
        losers = _grouped((loser.document, loser) for loser in read_losers(rows, name))
        settled = _grouped((one.document, one) for one in read_settled(rows, name))
        things = _Things(kind, Lineage(logs[name]), links[name], there, stored)
        for document, heard in events[name].items():
            thing = things.thing(document)
            thing.events, thing.looks = heard, looks.get(document, [])
            thing.losers, thing.settled = losers.get(document, []), settled.get(document, [])
            thing.gaps = missed
            if things.deleted_by_the_platform(thing):
                verdict.apart += 1
                verdict.findings += deleted_by_the_platform(kind, thing)
            elif things.deleted_in_salesforce(thing):
                verdict.apart += 1
                verdict.findings += deleted_in_salesforce(kind, thing, things.deletion(thing), ours)
            elif any(event.acknowledged for event in heard):
                verdict.findings += undeleted(thing)
                _judge_thing(thing, kind, fields, ours, hanging, verdict)
                _judge_totals(thing, kind, totals, verdict)
        verdict.findings[told:] = [replace(finding, kind=name) for finding in verdict.findings[told:]]
    verdict.writes = len(written)
    return verdict


def _is_conflict(row: Row) -> bool:
    return str(row["rule"]).startswith(("13", "18"))


def _fields(kind: KindMapping, links: Mapping[str, Mapping[str, str]]) -> list[MappedField]:
    snapshots = kind.whole_records == "snapshots"
    return [MappedField.of(mapped, snapshots=snapshots, parents=_parents(mapped, links)) for mapped in kind.fields]


def _parents(mapped: FieldMapping, links: Mapping[str, Mapping[str, str]]) -> dict[str, str] | None:
    """For a lookup: by record, the platform's value that names its document; of several kinds with the kind's name."""
    named = mapped.lookups
    return (
        {
            record: document if len(named) == 1 else f"{parent}/{document}"
            for parent in named
            for record, document in links[parent].items()
        }
        if named
        else None
    )


def _judge_thing(
    thing: Thing, kind: KindMapping, fields: Sequence[MappedField], ours: Ours, hanging: Hanging, verdict: Verdict
) -> None:
    may_go, may_be_made = Leave(kind, kind.filters.push), Leave(kind, kind.consent)
    if thing.document is None:
        first = next(event for event in thing.events if event.acknowledged)
        why = "acknowledged, and there is no document"
        verdict.findings.append(Finding(Fault.LOST, thing.id, "", f"event {first.event_id}", why))
        return
    verdict.findings += made_without_consent(kind, thing, ours)
    let = may_go.lets(thing.document) and hanging.lets(kind, thing.document)
    if thing.record is None:
        if let and may_be_made.lets(thing.document):
            verdict.findings.append(Finding(Fault.DIFFERENT, thing.id, "", "", "the document has no record"))
        else:
            verdict.kept_back += 1
        return
    kept = kind.place_of(str(thing.record["Id"])).names
    there = [mapped for mapped in fields if mapped.name in kept]
    verdict.findings += told_without_consent(kind, thing, there, replay(thing.commits, there, ours))
    if let:
        judge_fields(thing, there, ours, verdict)
        return
    verdict.kept_back += 1
    if not may_go.ever_let([*states(thing.events), *(look.fields for look in thing.looks)]):
        why = "it has a record, though the mapping's filter has always kept it back"
        verdict.findings.append(Finding(Fault.DIFFERENT, thing.id, "", f"record {thing.record['Id']}", why))
    histories = replay(thing.commits, there, ours)
    verdict.findings += told_though_left_out(kind, thing, there, histories)
    since = hanging.shut_since(kind, thing.document)
    verdict.findings += told_though_above_left_out(since, thing, there, histories)


def _judge_totals(thing: Thing, kind: KindMapping, totals: Totals, verdict: Verdict) -> None:
    if thing.document is None or thing.record is None or not Leave(kind, kind.filters.push).lets(thing.document):
        return
    expected = totals.of(kind, thing.id)
    kept = kind.place_of(str(thing.record["Id"])).names
    for mapped in kind.fields:
        if mapped.platform not in expected or mapped.salesforce not in kept:
            continue
        verdict.totals += 1
        shown, held = value_at(thing.document, mapped.platform), thing.record.get(mapped.salesforce)
        due = expected[mapped.platform]
        if not (fits(mapped, due, shown) and fits(mapped, due, held)):
            why = "is not what the platform's own papers come to"
            values = {"expected": due, "document": shown, "record": held}
            verdict.findings.append(
                Finding(Fault.DIFFERENT, thing.id, mapped.salesforce, f"record {thing.record['Id']}", why, values)
            )


class _Things:
    """Which document, record and commits belong to one platform thing."""

    def __init__(
        self,
        kind: KindMapping,
        lineage: Lineage,
        links: Mapping[str, str],
        records: Sequence[Row],
        documents: Sequence[Row],
    ) -> None:
        self._kind = kind
        self._lineage = lineage
        self._documents = {str(row["_id"]): row for row in documents}
        self._records = _grouped((str(row.get(kind.external_id)), row) for row in records)
        self._bearers = _grouped((document, record) for record, document in links.items())

    def thing(self, document: str) -> Thing:
        """Of several records, the one that the document says it is linked to."""
        stored = self._documents.get(document)
        candidates = self._records.get(document, [])
        linked = ((stored or {}).get("salesforce") or {}).get("recordId")
        record = next((row for row in candidates if row["Id"] == linked), candidates[0] if candidates else None)
        commits: list[Commit] = []
        if record is not None:
            commits = self._lineage.history(str(record["Id"]), self._bearers.get(document, ()), self._kind.token)
        return Thing(id=document, document=stored, record=record, commits=commits)

    def deleted_by_the_platform(self, thing: Thing) -> bool:
        """The platform's last word of it."""
        return self._kind.events[thing.events[-1].type] is Asserts.DELETED

    def deleted_in_salesforce(self, thing: Thing) -> bool:
        """The org has none of the records any more that it had, and nothing in their place."""
        return thing.id not in self._records and any(self._lineage.was_deleted(end) for end in self._ends(thing))

    def deletion(self, thing: Thing) -> Commit | None:
        """The last commit by which a record of its went into the recycle bin, and from which none came back."""
        found = [self._lineage.deletion(end) for end in self._ends(thing) if self._lineage.was_deleted(end)]
        return max((one for one in found if one is not None), key=lambda one: one.place, default=None)

    def _ends(self, thing: Thing) -> set[str]:
        return {self._lineage.successor(record) for record in self._bearers.get(thing.id, ())}


def _grouped(pairs: Iterable[tuple[Id, Item]]) -> dict[Id, list[Item]]:
    groups: dict[Id, list[Item]] = defaultdict(list)
    for group, item in pairs:
        groups[group].append(item)
    return dict(groups)
