"""Rule 29: a document under a new version of the mapping is decided again from its registers, never by replaying."""

from collections.abc import Callable
from typing import Any

from consumers.rules import audit, conflict
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.review import choose
from consumers.rules.state import DocumentState, FieldState, SalesforceRegister, Side
from schemas.field_mapping import Policy
from schemas.unavailable import Unavailable

NEWLY_MAPPED = "rule 29: a field is newly mapped"

Shown = Callable[[FieldRule], Any]
"""What the document shows at a field's path, whoever put it there."""


class DecidedByNewerMapping(Unavailable):
    """The document is a version ahead: this process has still to take the version up, a moment from now."""


def bring_up(state: DocumentState, kind: Kind, occasion: Occasion, shown: Shown) -> bool:
    """Decide a stored document again if it was last decided by an older version, or by none yet; whether it was.

    Raises:
        DecidedByNewerMapping: it was last decided by a newer one. To go on would forget fields that are mapped by now.
    """
    if state.revision is None:
        _take_in(state, kind, occasion, shown)
        state.underived = bool(kind.derived)
        return True
    if state.mapping == kind.version:
        return False
    if state.mapping > kind.version:
        raise DecidedByNewerMapping(
            f"a {kind.name} was decided by version {state.mapping} of the mapping, and this process has {kind.version}"
        )
    for rule in kind.fields:
        if rule.since > state.mapping:
            _newly_mapped(state, rule, occasion, shown if rule.derive is None else _nothing)
        elif (field := state.fields.get(rule.name)) is not None:
            _mapped_anew(state, field, rule, occasion)
    state.mapping = kind.version
    state.underived = bool(kind.derived)  # no register tells by what a total was taken
    return True


def _nothing(_rule: FieldRule) -> None:
    """What is shown at a derived field's path is no word of the platform's."""


def _take_in(state: DocumentState, kind: Kind, occasion: Occasion, shown: Shown) -> None:
    """A document that was there before us: what it shows is the platform's own, as of a field that is newly mapped.

    Else the first row read would be taken over whole, and the platform's values be lost without a word.
    """
    for rule in kind.fields:
        if rule.derive is None:
            _newly_mapped(state, rule, occasion, shown)
    state.mapping = kind.version


def _newly_mapped(state: DocumentState, rule: FieldRule, occasion: Occasion, shown: Shown) -> None:
    """Rule 18: nothing is known of Salesforce's value, so the record is read; what is shown is the platform's own.

    What an older version knew of the Salesforce field was of another path, or is long out of date.
    """
    state.fields.get(rule.name)  # taken from among those that stay as they are stored
    field = state.fields[rule.name] = FieldState()
    value = shown(rule)
    if rule.key(value) is not None:
        # Where the field is only pulled, what the platform had there was never its to say.
        said, side = (value, Side.PLATFORM) if rule.pushes else (None, Side.SALESFORCE)
        field.show(said, side, made_at=0, at=occasion.now, revision=state.next_revision)
    if state.record is not None:
        state.read_reason = NEWLY_MAPPED


def _mapped_anew(state: DocumentState, field: FieldState, rule: FieldRule, occasion: Occasion) -> None:
    """A field that both versions map: what the new one leaves to no side, or to another, is decided."""
    asks = rule.pushes and rule.pulls and Policy.REVIEW in (rule.policy, rule.first)
    if field.review is not None and not asks:
        _settle_review(state, field, rule, occasion)
    held = field.salesforce
    if held is not None and rule.pulls and not rule.same(held.value, field.value):
        if field.source is None:
            if rule.key(held.value) is not None:
                _show_salesforces(state, field, rule, held, occasion)
        elif not rule.pushes or field.overruled:
            _give_way(state, field, rule, held, occasion)
        elif _is_in_other_words(field):
            _show_salesforces(state, field, rule, held, occasion)
    settle(state, field, rule)


def _is_in_other_words(field: FieldState) -> bool:
    """Both sides agreed on what Salesforce has, and the new version only tells it in other words on the platform's."""
    return field.agreed is not None and field.source is Side.SALESFORCE and not field.merged and field.review is None


def _settle_review(state: DocumentState, field: FieldState, rule: FieldRule, occasion: Occasion) -> None:
    """Nobody is asked any more: the policy that the field has now picks."""
    waiting = field.review
    if waiting is None:
        return
    times = {field.source: field.made_at, waiting.side: waiting.made_at}
    ours, theirs = field.value, waiting.value
    if waiting.side is Side.PLATFORM:
        ours, theirs = theirs, ours
    winner = conflict.settle_by(
        rule.policy, rule, platform=(ours, times[Side.PLATFORM]), salesforce=(theirs, times[Side.SALESFORCE])
    )
    choose(state, field, rule, winner or Side.SALESFORCE, occasion, f"the policy is {rule.policy} now")


def _give_way(
    state: DocumentState, field: FieldState, rule: FieldRule, held: SalesforceRegister, occasion: Occasion
) -> None:
    """The field belongs to Salesforce now, or it may at last give back what its automation made of it."""
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(held.value, held.position.timestamp),
            winner=Side.SALESFORCE,
            by="29",
            note="the mapping has changed",
            occasion=occasion,
        )
    )
    _show_salesforces(state, field, rule, held, occasion)


def _show_salesforces(
    state: DocumentState, field: FieldState, rule: FieldRule, held: SalesforceRegister, occasion: Occasion
) -> None:
    field.show(
        rule.values.pull(held.value),
        Side.SALESFORCE,
        made_at=held.position.timestamp,
        at=occasion.shown_at,
        revision=state.next_revision,
    )
