"""Rule 17: the same value on both sides with no request open is an agreement, however it came about."""

from consumers.rules.conflict import has_platforms_part
from consumers.rules.kinds import FieldRule
from consumers.rules.state import DocumentState, FieldState
from schemas.position import CommitPosition


def settle(state: DocumentState, field: FieldState, rule: FieldRule, at: CommitPosition | None = None) -> None:
    """Bring *agreed* in line with the registers: called after every decision about the field.

    `at` is the commit that has just confirmed the value, where one has (rule 9).
    """
    held = field.salesforce
    if held is not None and not rule.same(held.value, field.value) and has_platforms_part(rule, field, held.value):
        # A write that was taken before the value was made of both has landed: who edits there since has seen that part.
        field.agreed = at or field.agreed
    elif held is None or not rule.same(held.value, field.value):
        field.agreed = None
    elif at is not None:
        field.agreed = at
    elif field.agreed is None and not any(write.pending and rule.name in write.values for write in state.writes):
        field.agreed = held.position
