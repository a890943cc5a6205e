"""Rule 23: what a record that has ended in another has still to tell, and the other cannot show."""

from typing import Final

from consumers.rules import audit
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.showing import take_over
from consumers.rules.state import DocumentState, Link, Side
from consumers.rules.verdicts import overwritten, settle_conflict
from schemas.change import Change
from schemas.position import CommitPosition

LEFT_BEHIND: Final = "left behind in the lead before it was heard"
AFTERWARDS: Final = "edited in a former record, when another had taken its place"


def hear_of_left_behind(state: DocumentState, link: Link, change: Change, kind: Kind, occasion: Occasion) -> Change:
    """Take in edits of a former id that what took its place cannot show; the change without them.

    Those are edits of a Lead that are told late, in fields that its contact did not show; and whatever is edited in a
    Lead that was converted, once that is known. The row of the new record says nothing of them (rule 25), and neither
    do they of what it holds: S stays, so what they bring is written there.
    """
    if change.record_id == link.record_id or not link.read:
        return change
    # By our clock, and by Salesforce's where the new record was set by what ended the former one.
    afterwards = change.position.timestamp > max(link.linked_at, link.first_row)
    names = change.fields.keys() if afterwards else link.left & change.fields.keys()
    if not names:
        return change
    what = AFTERWARDS if afterwards else LEFT_BEHIND
    for name in sorted(names & kind.by_name.keys()):
        _decide(state, kind.by_name[name], change.fields[name], change.position, occasion, what)
    rest = {name: value for name, value in change.fields.items() if name not in names}
    return change.model_copy(update={"fields": rest})


def _decide(
    state: DocumentState, rule: FieldRule, value: object, position: CommitPosition, occasion: Occasion, what: str
) -> None:
    field = state.field(rule.name)
    if rule.same(value, field.value):
        return
    is_later = field.made_at <= position.timestamp
    had_seen = field.source is Side.SALESFORCE and what == LEFT_BEHIND
    if not rule.pulls:
        overwritten(state, field, rule, value, position, occasion)
    elif field.source is None or (had_seen and is_later):
        take_over(state, field, rule, value, position, at=occasion.shown_at)
    elif field.source is Side.SALESFORCE and not is_later:
        state.audit.append(
            audit.row(
                state,
                rule,
                field,
                platform=(field.value, field.made_at),
                salesforce=(value, position.timestamp),
                winner=Side.PLATFORM,
                by="25",
                note=f"{what}, and a later edit stands",
                occasion=occasion,
            )
        )
    else:
        # Also between two values of Salesforce's: who edits a former record does not see what the new one holds.
        by = f"13.{rule.policy}"
        settle_conflict(state, field, rule, value, position, by=by, occasion=occasion, note=what)
    settle(state, field, rule)
