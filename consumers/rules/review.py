"""Rule 13 where nobody may win yet: conflicts that wait for a person, and what is held back meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from consumers.rules import audit
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.conflict import Merged, Verdict
from consumers.rules.filters import lacks_consent
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.showing import merge
from consumers.rules.state import DocumentState, FieldState, Review, Side, Theirs


@dataclass(frozen=True, slots=True)
class OpenReview:
    """One conflict as a person is asked about it: what each side would have, and which of them the document shows."""

    rule: FieldRule
    platform: Any
    salesforce: Any
    shown: Side
    since: int


def hold(field: FieldState, side: Side, value: Any, *, made_at: int, occasion: Occasion) -> None:
    """Keep the value that the document does not show, until a person chooses. A later one of its side replaces it."""
    since = field.review.since if field.review is not None else occasion.now
    field.review = Review(side, value, made_at, since)


def end_overtaken(state: DocumentState, kind: Kind, occasion: Occasion) -> None:
    """End the reviews that an edit has settled: called after every decision about the document.

    The side that waited has come to be shown by another edit of its own, or waits with the very value that is shown.
    """
    for rule in kind.may_hold:
        field = state.fields.get(rule.name)
        if field is None or field.review is None:
            continue
        if field.review.side is field.source or field.merged:
            _overtake(state, field, rule, occasion)
        elif rule.same(field.review.value, field.value):
            field.review = None
            settle(state, field, rule)


def _close(field: FieldState, rule: FieldRule) -> Review | None:
    """End the review of a field; what waited, unless that is what is shown by now and nothing is lost."""
    waiting, field.review = field.review, None
    return None if waiting is None or rule.same(waiting.value, field.value) else waiting


def drop(state: DocumentState, field: FieldState, rule: FieldRule, occasion: Occasion) -> None:
    """End a review without asking: a later edit of the side that waited has taken its place."""
    waiting = _close(field, rule)
    if waiting is None:
        return
    _tell(state, field, rule, waiting, occasion, winner=waiting.side.other, note="a later edit took its place")


def _overtake(state: DocumentState, field: FieldState, rule: FieldRule, occasion: Occasion) -> None:
    """The side that waited has changed what the document showed: that wins, and its own earlier value has its row."""
    waiting = _close(field, rule)
    if waiting is None:
        return
    before = field.shown[-1] if field.shown else None
    now, replaced = (field.value, field.made_at), (before, waiting.since)
    platform, salesforce = (now, replaced) if waiting.side is Side.PLATFORM else (replaced, now)
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=platform,
            salesforce=salesforce,
            winner=waiting.side,
            by="13.review",
            note="a later edit took the place of the value that waited",
            occasion=occasion,
            lost=(waiting.side, waiting.value, waiting.made_at),
        )
    )


def choose(
    state: DocumentState, field: FieldState, rule: FieldRule, side: Side | Merged, occasion: Occasion, note: str
) -> bool:
    """Settle a review as a person says; False where there is none. `note` says who chose, and why.

    A new policy in a person's place may merge the two.
    """
    waiting = field.review
    if waiting is None:
        return False
    field.review = None
    _tell(state, field, rule, waiting, occasion, winner=side, note=note)
    if isinstance(side, Merged):
        _merge(state, field, side, waiting, occasion)
    elif side is waiting.side:
        field.show(waiting.value, side, made_at=waiting.made_at, at=occasion.shown_at, revision=state.next_revision)
    settle(state, field, rule)
    return True


def _merge(state: DocumentState, field: FieldState, merged: Merged, waiting: Review, occasion: Occasion) -> None:
    if waiting.side is Side.PLATFORM:
        platform, theirs = (waiting.value, waiting.made_at), field.part_of_theirs
    else:
        platform = (field.value, field.made_at)
        theirs = Theirs(occasion.shown_at, state.next_revision, waiting.made_at, waiting.value)
    merge(state, field, merged, platform, theirs, at=occasion.shown_at)


def open_reviews(state: DocumentState, kind: Kind) -> Iterator[OpenReview]:
    """What a person is asked to choose in this document."""
    for rule in kind.may_hold:
        found = open_review(state, rule)
        if found is not None:
            yield found


def open_review(state: DocumentState, rule: FieldRule) -> OpenReview | None:
    """What a person is asked to choose in this field; None where nothing is."""
    field = state.fields.get(rule.name)
    if field is None or field.review is None or field.source is None:
        return None
    values = {field.source: field.value, field.review.side: field.review.value}
    return OpenReview(rule, values[Side.PLATFORM], values[Side.SALESFORCE], field.source, field.review.since)


def held_back(state: DocumentState, kind: Kind, field: FieldState, rule: FieldRule, expected: Any) -> bool:
    """True where the current value is not to be pushed, though Salesforce is `expected` to hold another."""
    if field.review is not None or (rule.create_only and state.link is not None) or lacks_consent(state, kind, rule):
        return True
    return rule.fills_only and field.source is Side.PLATFORM and rule.key(expected) is not None


def held_paths(state: DocumentState, kind: Kind) -> list[str]:
    """The paths that are held, for the platform to see."""
    paths: list[str] = []
    for rule in kind.may_hold:
        field = state.fields.get(rule.name)
        if field is None or field.source is None:
            continue
        known = field.salesforce.value if field.salesforce is not None else None
        if rule.moved_by_salesforce(known):
            continue
        if (
            not rule.same(field.value, known) and held_back(state, kind, field, rule, known)
        ) or field.review is not None:
            paths.append(rule.dotted)
    return paths


def _tell(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    waiting: Review,
    occasion: Occasion,
    *,
    winner: Verdict,
    note: str,
) -> None:
    shown, kept = (field.value, field.made_at), (waiting.value, waiting.made_at)
    platform, salesforce = (kept, shown) if waiting.side is Side.PLATFORM else (shown, kept)
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=platform,
            salesforce=salesforce,
            winner=winner,
            by="13.review",
            note=note,
            occasion=occasion,
        )
    )
