"""Whether anything was done at sales that somebody had not allowed: a record made, or values written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.mapping import KindMapping
from simulator.observer.authorship import FieldHistory, Key, MappedField, Ours, platform_edits
from simulator.observer.fields import Thing
from simulator.observer.filtering import Leave
from simulator.observer.history import Row, Sent
from simulator.observer.verdict import Fault, Finding


def states(events: Sequence[Sent]) -> Iterable[Row]:
    """What the platform knew of a thing, event by event."""
    known: dict[str, Any] = {}
    for event in events:
        known = known | dict(event.fields)
        yield known


def made_without_consent(kind: KindMapping, thing: Thing, ours: Ours) -> list[Finding]:
    """A record that we made before the platform had ever told of a consent."""
    leave = Leave(kind, kind.consent)
    found = []
    for commit in thing.commits:
        if commit.type != "CREATE" or not ours.made(commit):
            continue
        told = [event for event in thing.events if event.occurred_at <= commit.at]
        shown = (look.fields for look in thing.looks if look.at <= commit.at)
        if not leave.ever_let([*states(told), *shown]):
            why = "a record was made of it without consent"
            found.append(Finding(Fault.DIFFERENT, thing.id, "", f"record {commit.record_id}", why))
    return found


def told_though_left_out(
    kind: KindMapping, thing: Thing, fields: Sequence[MappedField], histories: Mapping[str, FieldHistory]
) -> list[Finding]:
    """Values that the platform was told of after the mapping's filter had closed for good, and that we wrote.

    Nothing is said of a filter whose fields somebody edited in Salesforce too: when it closed cannot be told then.
    """
    since = _closed_since(Leave(kind, kind.filters.push), thing, fields, histories)
    if since is None:
        return []
    why = "a value that came after the mapping's filter had closed was written"
    return [finding for mapped in fields for finding in _written_after(since, thing, mapped, histories, why)]


def told_though_above_left_out(
    since: int | None, thing: Thing, fields: Sequence[MappedField], histories: Mapping[str, FieldHistory]
) -> list[Finding]:
    """Values that the platform was told of after it had seen that what the thing cannot be without is kept back, since
    `since` and for good, and that we wrote."""
    if since is None:
        return []
    why = "a value that came after what it hangs on was kept back was written"
    return [finding for mapped in fields for finding in _written_after(since, thing, mapped, histories, why)]


def told_without_consent(
    kind: KindMapping, thing: Thing, fields: Sequence[MappedField], histories: Mapping[str, FieldHistory]
) -> list[Finding]:
    """Values of single fields that we wrote though the person had never allowed it, or not any more."""
    found = []
    conditions = {field.salesforce: field.consent for field in kind.fields if field.consent is not None}
    for mapped in fields:
        history = histories.get(mapped.name)
        if mapped.name not in conditions or history is None:
            continue
        leave = Leave(kind, conditions[mapped.name])
        if history.writes and not leave.ever_let([*states(thing.events), *(look.fields for look in thing.looks)]):
            why = "it was written without the consent that it needs"
            where = f"commit {history.writes[0].commit.number}"
            found.append(Finding(Fault.DIFFERENT, thing.id, mapped.name, where, why))
            continue
        since = _closed_since(leave, thing, fields, histories)
        if since is not None:
            why = "a value that came after the consent was taken back was written"
            found += _written_after(since, thing, mapped, histories, why)
    return found


def _written_after(
    since: int, thing: Thing, mapped: MappedField, histories: Mapping[str, FieldHistory], why: str
) -> list[Finding]:
    history = histories.get(mapped.name)
    if history is None or not mapped.pushes or mapped.derived:
        return []
    late = _first_said_after(since, thing, mapped, history)
    return [
        Finding(Fault.DIFFERENT, thing.id, mapped.name, f"commit {write.commit.number}", why)
        for write in history.writes
        if write.key in late
    ]


def _closed_since(
    leave: Leave, thing: Thing, fields: Sequence[MappedField], histories: Mapping[str, FieldHistory]
) -> int | None:
    """When the event that closed the condition was acknowledged; nothing where that is not known."""
    asked = {mapped.name for mapped in fields if mapped.path in leave.paths}
    if any(histories[name].edits for name in asked if name in histories):
        return None
    closing: Sent | None = None
    for event, state in zip(thing.events, states(thing.events), strict=True):
        closing = None if leave.lets(state) else closing or event
    return None if closing is None else closing.acknowledged_at


def _first_said_after(since: int, thing: Thing, mapped: MappedField, history: FieldHistory) -> set[Key]:
    edits = platform_edits(thing.events, thing.looks, history.held, mapped)
    before = {edit.key for edit in edits if edit.at <= since} | {edit.key for edit in history.edits}
    return {edit.key for edit in edits if edit.judged and edit.at > since} - before
