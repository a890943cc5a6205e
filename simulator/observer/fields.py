"""One thing's fields: what was lost, what is different, what was echoed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from simulator.observer.authorship import (
    FieldHistory,
    MappedField,
    Ours,
    PlatformEdit,
    SalesforceEdit,
    Standing,
    platform_edits,
    replay,
)
from simulator.observer.causality import Edit, Sight, superseded, tied_with_settled
from simulator.observer.echoes import echoes
from simulator.observer.gaps import Gaps
from simulator.observer.history import Commit, Named, Row, Seen, Sent, Settled, value_at
from simulator.observer.policies import dropped, misjudged, named_by_both
from simulator.observer.verdict import Fault, Finding, Verdict


@dataclass(slots=True)
class Thing:
    """A platform thing with its document, its live record, and what the witnesses say of them, in order."""

    id: str
    document: Row | None
    record: Row | None
    commits: Sequence[Commit] = ()
    events: Sequence[Sent] = ()
    looks: Sequence[Seen] = ()
    losers: Sequence[Named] = ()
    settled: Sequence[Settled] = ()
    gaps: Gaps = field(default_factory=Gaps)

    def holds(self, mapped: MappedField) -> bool:
        """The document says that a value of this field is kept back, and the mapping lets it."""
        held = ((self.document or {}).get("salesforce") or {}).get("held") or ()
        return mapped.may_hold and mapped.path in held


def judge_fields(thing: Thing, fields: Sequence[MappedField], ours: Ours, verdict: Verdict) -> None:
    """Add to the verdict what is wrong with the fields of a thing that has both its document and its record."""
    assert thing.document is not None  # noqa: S101 - the caller has told the rest
    assert thing.record is not None  # noqa: S101
    histories = replay(thing.commits, fields, ours)
    for mapped in fields:
        history = histories[mapped.name]
        asserted = mapped.pushes and not mapped.derived
        by_platform = platform_edits(thing.events, thing.looks, history.held, mapped) if asserted else []
        edits: list[Edit] = [*by_platform, *history.edits]
        shown, held = value_at(thing.document, mapped.path), thing.record.get(mapped.name)
        verdict.platform_edits += sum(1 for edit in by_platform if edit.judged)
        verdict.unsure += sum(1 for edit in by_platform if edit.standing is Standing.UNSURE)
        verdict.salesforce_edits += len(history.edits) if mapped.pulls else 0
        if mapped.derived:
            continue  # `totals.py` knows what it should be
        lost = _lost(thing, mapped, edits, history)
        verdict.findings += lost.findings
        verdict.unheard += lost.unheard
        verdict.findings += echoes(thing.id, mapped.name, history, by_platform)
        verdict.findings += misjudged(thing.id, mapped, thing.settled)
        if mapped.pulls and mapped.key(shown) != mapped.key(held) and not thing.holds(mapped):
            why = "the document and the record are unequal"
            values = {"document": shown, "record": held}
            verdict.findings.append(
                Finding(Fault.DIFFERENT, thing.id, mapped.name, f"record {thing.record['Id']}", why, values)
            )


@dataclass(frozen=True, slots=True)
class _Lost:
    findings: Sequence[Finding]
    unheard: int


def _lost(thing: Thing, mapped: MappedField, edits: Sequence[Edit], history: FieldHistory) -> _Lost:
    final = _final_key(thing, mapped)
    sight = Sight(mapped, thing.looks)
    settled = {id(edit) for edit in edits if final == (edit.key,)} | _named_losers(thing, mapped, edits)
    settled |= named_by_both(mapped, thing.settled, edits)
    found = []
    unheard = 0
    for edit in edits:
        if not edit.judged or (isinstance(edit, SalesforceEdit) and not mapped.pulls):
            continue
        if id(edit) in settled or superseded(edit, edits, sight) or tied_with_settled(edit, edits, settled):
            continue
        if isinstance(edit, SalesforceEdit) and thing.gaps.hid(edit, history):
            unheard += 1
            continue
        values = {"lost": edit.value, "document": value_at(thing.document or {}, mapped.path)}
        values["record"] = (thing.record or {}).get(mapped.name)
        found.append(Finding(Fault.LOST, thing.id, mapped.name, _where(edit), _why(edit), values))
    if final is not None:
        found += dropped(thing.id, mapped, thing.settled, edits, final[0])
    return _Lost(found, unheard)


def _final_key(thing: Thing, mapped: MappedField) -> tuple[object] | None:
    """The key that both sides hold, None where they differ: then no edit has survived. A value that is rightly held
    back survives in the document."""
    shown = mapped.key(value_at(thing.document or {}, mapped.path))
    if thing.holds(mapped):
        return (shown,)
    held = mapped.key((thing.record or {}).get(mapped.name))
    return (shown,) if shown == held else None


def _named_losers(thing: Thing, mapped: MappedField, edits: Sequence[Edit]) -> set[int]:
    """The edits that audit rows name, by identity.

    A row names the edit whose event it bears, else the latest one of that value not made after the time it tells: a
    value said again is one edit, which the audit dates by any of its assertions.
    """
    named: set[int] = set()
    for loser in thing.losers:
        if loser.field != mapped.name:
            continue
        side = PlatformEdit if loser.side == "platform" else SalesforceEdit
        key = mapped.key(loser.value)
        same = [edit for edit in edits if isinstance(edit, side) and edit.key == key]
        own = [edit for edit in same if isinstance(edit, PlatformEdit) and edit.event.event_id == loser.event]
        in_time = [edit for edit in same if edit.at <= loser.at]
        for candidates in (own, in_time):
            if candidates:
                found = max(candidates, key=lambda edit: edit.at)
                named |= {id(found)} | {id(again) for again in _said_again(found, thing, mapped, edits)}
                break
    return named


def _said_again(found: Edit, thing: Thing, mapped: MappedField, edits: Sequence[Edit]) -> Iterator[Edit]:
    """The platform's edits that follow and only say the same value again, while its document shows that: one edit."""

    def in_view(edit: Edit) -> bool:
        looks = [look for look in thing.looks if look.at <= edit.at]
        return bool(looks) and mapped.key(value_at(looks[-1].fields, mapped.path)) == found.key

    own = sorted((edit for edit in edits if isinstance(edit, PlatformEdit)), key=lambda edit: edit.at)
    later = own if isinstance(found, PlatformEdit) else []
    after = (edit for edit in later if edit.at > found.at)
    return takewhile(lambda edit: edit.key == found.key and in_view(edit), after)


def _where(edit: Edit) -> str:
    return f"event {edit.event.event_id}" if isinstance(edit, PlatformEdit) else f"commit {edit.commit.number}"


def _why(edit: Edit) -> str:
    author = "the platform's" if isinstance(edit, PlatformEdit) else f"a {edit.author}'s"
    return f"{author} edit at {edit.at} neither survived, nor was superseded, nor is in the audit"
