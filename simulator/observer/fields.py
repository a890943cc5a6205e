"""One thing's fields: what was lost, what is different, what was echoed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from simulator.observer.authorship import (
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
from simulator.observer.history import Commit, Named, Row, Seen, Sent, value_at
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
    losers: Sequence[Named] = field(default=())


def judge_fields(thing: Thing, fields: Sequence[MappedField], ours: Ours, verdict: Verdict) -> None:
    """Add to the verdict what is wrong with the fields of a thing that has both its document and its record."""
    assert thing.document is not None  # noqa: S101 - the caller has told the rest
    assert thing.record is not None  # noqa: S101
    histories = replay(thing.commits, fields, ours)
    for mapped in fields:
        history = histories[mapped.name]
        by_platform = platform_edits(thing.events, thing.looks, history.held, mapped) if mapped.pushes else []
        edits: list[Edit] = [*by_platform, *history.edits]
        shown, held = value_at(thing.document, mapped.path), thing.record.get(mapped.name)
        verdict.platform_edits += sum(1 for edit in by_platform if edit.judged)
        verdict.unsure += sum(1 for edit in by_platform if edit.standing is Standing.UNSURE)
        verdict.salesforce_edits += len(history.edits) if mapped.pulls else 0
        verdict.findings += _lost(thing, mapped, edits)
        verdict.findings += echoes(thing.id, mapped.name, history, by_platform)
        if mapped.pushes and mapped.pulls and mapped.key(shown) != mapped.key(held):
            why = "the document and the record are unequal"
            values = {"document": shown, "record": held}
            verdict.findings.append(
                Finding(Fault.DIFFERENT, thing.id, mapped.name, f"record {thing.record['Id']}", why, values)
            )


def _lost(thing: Thing, mapped: MappedField, edits: Sequence[Edit]) -> list[Finding]:
    final = _final_key(thing, mapped)
    sight = Sight(mapped, thing.looks)
    settled = {id(edit) for edit in edits if final == (edit.key,)} | _named_losers(thing, mapped, edits)
    found = []
    for edit in edits:
        if not edit.judged or (isinstance(edit, SalesforceEdit) and not mapped.pulls):
            continue
        if id(edit) in settled or superseded(edit, edits, sight) or tied_with_settled(edit, edits, settled):
            continue
        values = {"lost": edit.value, "document": value_at(thing.document or {}, mapped.path)}
        values["record"] = (thing.record or {}).get(mapped.name)
        found.append(Finding(Fault.LOST, thing.id, mapped.name, _where(edit), _why(edit), values))
    return found


def _final_key(thing: Thing, mapped: MappedField) -> tuple[object] | None:
    """The key that both sides hold, None where they differ: then no edit has survived."""
    shown = mapped.key(value_at(thing.document or {}, mapped.path))
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
                named.add(id(max(candidates, key=lambda edit: edit.at)))
                break
    return named


def _where(edit: Edit) -> str:
    return f"event {edit.event.event_id}" if isinstance(edit, PlatformEdit) else f"commit {edit.commit.number}"


def _why(edit: Edit) -> str:
    author = "the platform's" if isinstance(edit, PlatformEdit) else f"a {edit.author}'s"
    return f"{author} edit at {edit.at} neither survived, nor was superseded, nor is in the audit"
