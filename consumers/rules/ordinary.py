"""Rule 12: a value of Salesforce's that no write of ours explains."""

from typing import Any

from consumers.rules import review
from consumers.rules.agreement import settle
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule
from consumers.rules.showing import take_over
from consumers.rules.state import DocumentState, SalesforceRegister, Side
from consumers.rules.verdicts import overwritten, settle_conflict, tell_buried
from schemas.position import CommitPosition


def ordinary(
    state: DocumentState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """Rule 12: a value that no write of ours explains."""
    field = state.field(rule.name)
    before = field.salesforce
    if before is not None and rule.same(before.value, value):
        return
    field.salesforce = SalesforceRegister(value, position)
    if not rule.pulls:
        overwritten(state, field, rule, value, position, occasion)
    elif field.source is None:
        if rule.key(value) is not None:
            take_over(state, field, rule, value, position, at=occasion.shown_at)
    elif not rule.same(value, field.value):
        if field.source is Side.SALESFORCE or (field.agreed is not None and position > field.agreed):
            if before is not None and not rule.same(before.value, field.value):
                tell_buried(state, field, rule, value, position, occasion)
            take_over(state, field, rule, value, position, at=occasion.shown_at)
        else:
            by = f"18.{rule.first}" if before is None else f"13.{rule.policy}"
            settle_conflict(state, field, rule, value, position, by=by, occasion=occasion)
    elif field.source is Side.PLATFORM:
        review.drop(state, field, rule, occasion)
    settle(state, field, rule)
