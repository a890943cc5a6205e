"""Rules 19 and 23: what others set in a record that was not read whole yet counts where no read of it will follow."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from consumers.rules import review
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.ordinary import ordinary
from consumers.rules.state import DocumentState, SalesforceRegister, WriteState
from schemas.position import BEGINNING, of_row

CUSTOM: Final = "__c"
"""What the names of custom fields end with."""
_MAY_LIE_THERE: Final = (
    WriteState.OPEN,
    WriteState.ACKNOWLEDGED,
    WriteState.DOUBTFUL,
    WriteState.LANDED,
    WriteState.UNKNOWN,
)


def hear_of_last_row(state: DocumentState, kind: Kind, values: Mapping[str, Any], *, modified: int) -> None:
    """Take note of what the row of a converted Lead shows in fields that its contact need not have, and nobody told of.

    `modified` is its `SystemModstamp`, epoch milliseconds. Where the conversion itself was not heard yet, what was set
    before it may still be told (rule 1), and nothing is noted.
    """
    link = state.link
    if link is None or not (link.gone and link.converted) or state.position.timestamp < modified:
        return
    place, position = kind.place_of(link.record_id), of_row(modified // 1000 * 1000 + 999)
    for rule in (rule for rule in kind.fields if rule.name.endswith(CUSTOM) and kind.keeps(rule, place)):
        value = values.get(rule.name)
        if rule.name not in link.edits and not any(rule.same(value, known) for known in _known(state, rule)):
            link.edits[rule.name] = SalesforceRegister(value, position)


def _known(state: DocumentState, rule: FieldRule) -> Iterator[Any]:
    """What may lie there with nobody's having edited it: what Salesforce last told of, what our writes have put there,
    and of a field of which neither is known, nothing."""
    field = state.field(rule.name)
    if field.salesforce is not None:
        yield field.salesforce.value
    ours = [
        write.values[rule.name] for write in state.writes if write.state in _MAY_LIE_THERE and rule.name in write.values
    ]
    yield from ours
    if field.salesforce is None and not ours:
        yield from (None, False)


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
