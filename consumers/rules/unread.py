"""Rules 19 and 23: what others set in a record that was not read whole yet counts where no read of it will follow."""

from consumers.rules import review
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.ordinary import ordinary
from consumers.rules.state import DocumentState, WriteState
from schemas.position import BEGINNING


def end_unread(state: DocumentState, kind: Kind, occasion: Occasion) -> None:
    """Take in the edits of a record that has gone before it was read whole; nothing where there are none.

    What takes its place need not hold them: a conversion carries custom fields along only where an admin has said so.
    """
    link = state.link
    if link is None or not link.gone or not link.edits:
        return
    for name, edit in sorted(link.edits.items()):
        rule = kind.by_name.get(name)
        if rule is None:
            continue
        if _was_made_with_current(state, rule):
            state.field(name).agreed = BEGINNING
        ordinary(state, rule, edit.value, edit.position, occasion)
    link.edits = {}
    review.end_overtaken(state, kind, occasion)


def _was_made_with_current(state: DocumentState, rule: FieldRule) -> bool:
    """Whether our first write made the record with the current value: whoever edits there has that before him."""
    value = state.field(rule.name).value
    return any(
        write.first
        and (write.heard or write.state in (WriteState.ACKNOWLEDGED, WriteState.LANDED))
        and rule.name in write.values
        and rule.same(value, write.values[rule.name])
        for write in state.writes
    )
