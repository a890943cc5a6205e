"""Rule 29 as a plan: what a new version of the mapping would do to one document, before anybody does it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from consumers.rules.audit import Occasion
from consumers.rules.existence import is_to_be_deleted, makes_anew
from consumers.rules.hanging import kept_back
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.making import given_up
from consumers.rules.review import open_reviews
from consumers.rules.state import DocumentState, Side
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.versions import bring_up
from consumers.rules.writes import due_values
from schemas.derivation import Cases


class Effect(Enum):
    """One thing that a new version does to a document, in the words of the plan."""

    BEHIND = "not decided by the version in force yet"
    DELETED = "whose record is to be deleted"
    MADE_ANEW = "whose record is to be made anew"
    LOOKED_UP = "to be looked up first, and made where missing"
    WRITTEN = "to be written"
    READ = "to be read whole first"
    WRITTEN_AFTER_READ = "may be written after that"
    TAKEN_ANEW = "totals to be taken anew, and written where they differ"
    TAKEN_OVER = "taken over from Salesforce"
    SETTLED = "questions settled"
    NO_LONGER_WRITTEN = "no longer written"


Effects = list[tuple[Effect, str]]
"""Each with the Salesforce field it is about; empty where it is about the document."""


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the writer would come to do with a document if nothing else happened."""

    due: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    """Of those due: nothing is known of what Salesforce holds."""
    read: bool = False
    look_up: bool = False
    make_anew: bool = False
    delete: bool = False


def effects(
    document: Mapping[str, Any], before: Kind | None, after: Kind, timing: Timing, *, in_force: int, now: int
) -> Effects:
    """What changes for a stored document if `after` comes into force where `before` is.

    `before` is missing where the kind is new. `in_force` is the version in force, `now` epoch milliseconds.
    """
    document_id = document["_id"]
    state = load(document, document_id, after)
    if state.revision is None:
        return []  # the platform has made it by itself, and no event has spoken of it
    decided_by = state.mapping
    shown = partial(value_at, document)
    if not bring_up(state, after, Occasion("plan", now, now + timing.visible_after), shown):
        return []
    known = load(document, document_id, before) if before is not None else None
    was = _standing(known, before, now) if known is not None and before is not None else _Standing()
    will_be = _standing(state, after, now)
    found = _of_document(was, will_be, behind=decided_by < in_force)
    found += _of_writes(was, will_be, after, decided_by)
    found += [(Effect.TAKEN_ANEW, name) for name in _taken_anew(before, after, decided_by)]
    for rule in after.fields:
        field = state.fields.get(rule.name)
        if field is not None and field.source is Side.SALESFORCE and not rule.same(field.value, shown(rule)):
            found.append((Effect.TAKEN_OVER, rule.name))
    if known is not None and before is not None:
        still = {asked.rule.name for asked in open_reviews(state, after)}
        asked_before = [asked.rule.name for asked in open_reviews(known, before)]
        found += [(Effect.SETTLED, name) for name in asked_before if name not in still]
    return found


def _of_document(was: _Standing, will_be: _Standing, *, behind: bool) -> Effects:
    told = (
        (Effect.BEHIND, behind),
        (Effect.DELETED, will_be.delete and not was.delete),
        (Effect.MADE_ANEW, will_be.make_anew and not was.make_anew),
        (Effect.LOOKED_UP, will_be.look_up and not was.look_up),
        (Effect.READ, will_be.read and not was.read),
    )
    return [(effect, "") for effect, holds in told if holds]


def _of_writes(was: _Standing, will_be: _Standing, after: Kind, decided_by: int) -> Effects:
    found: Effects = []
    for rule in after.fields:
        if rule.name in will_be.due and (rule.name not in was.due or rule.since > decided_by):
            found.append((Effect.WRITTEN_AFTER_READ if rule.name in will_be.unknown else Effect.WRITTEN, rule.name))
    return found + [(Effect.NO_LONGER_WRITTEN, name) for name in sorted(was.due - will_be.due)]


def _taken_anew(before: Kind | None, after: Kind, decided_by: int) -> list[str]:
    """The derived fields that may follow from something else now."""
    known = before.by_name if before is not None else {}
    anew = {
        rule.dotted
        for rule in after.derived
        if rule.since > decided_by or rule.name not in known or _follows_from(rule) != _follows_from(known[rule.name])
    }
    for rule in after.derived:
        if isinstance(rule.derive, Cases) and any(anew.intersection(case.when) for case in rule.derive.cases):
            anew.add(rule.dotted)
    return [rule.name for rule in after.derived if rule.dotted in anew]


def _follows_from(rule: FieldRule) -> tuple[Any, ...]:
    """What decides a derived field's value beside the documents."""
    read = rule.counts
    if read is None:
        return (rule.derive,)
    how = [(each.sort, each.zone) for each in (read.value, read.order) if each is not None]
    return rule.derive, how, [keys for _reading, keys in read.where]


def _standing(state: DocumentState, kind: Kind, now: int) -> _Standing:
    if state.deleted:
        return _Standing(delete=is_to_be_deleted(state, kind))
    link, anew = state.link, makes_anew(state, kind)
    if link is not None and link.gone and not anew:
        return _Standing()
    values = due_values(state, kind)
    if given_up(state, kind, values) or kept_back(state, kind, now=now):
        values = {}
    due = frozenset(values)
    if state.record is None:
        return _Standing(due=due, look_up=bool(due) and not anew, make_anew=bool(due) and anew)
    unknown = frozenset(name for name in due if _is_unknown(state, name))
    return _Standing(due=due, unknown=unknown, read=bool(state.read_reason) or not state.record.read or bool(unknown))


def _is_unknown(state: DocumentState, name: str) -> bool:
    field = state.fields.get(name)
    return field is None or field.salesforce is None
