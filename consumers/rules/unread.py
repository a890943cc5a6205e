"""Rules 19 and 23: what others set in a record that was not read whole yet counts where no read of it will follow."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from consumers.rules import review
from consumers.rules.audit import Occasion
from consumers.rules.kinds import FieldRule, Kind, number_of
from consumers.rules.ordinary import ordinary
from consumers.rules.state import DocumentState, Link, SalesforceRegister, WriteState
from schemas.position import BEGINNING, of_row

CUSTOM: Final = "__c"
"""What the names of custom fields end with."""
_UNTOLD: Final = (WriteState.OPEN, WriteState.ACKNOWLEDGED, WriteState.DOUBTFUL, WriteState.UNKNOWN)
_THERE: Final = (WriteState.ACKNOWLEDGED, WriteState.DOUBTFUL, WriteState.LANDED)


def hear_of_last_row(state: DocumentState, kind: Kind, values: Mapping[str, Any], *, modified: int) -> None:
    """Take note of what the row of a converted Lead shows in fields that its contact need not have, and nobody told of.

    `modified` is its `SystemModstamp`, epoch milliseconds. Where the conversion itself was not heard yet, what was set
    before it may still be told (rule 1), and nothing is noted. What a trigger may have made of a write that was not
    heard is no edit.
    """
    link = state.link
    if link is None or not (link.gone and link.converted) or state.position.timestamp < modified:
        return
    place, position = kind.place_of(link.record_id), of_row(modified // 1000 * 1000 + 999)
    last = state.named(number_of(values.get(kind.token), state.id))
    for rule in (rule for rule in kind.fields if rule.name.endswith(CUSTOM) and kind.keeps(rule, place)):
        value = values.get(rule.name)
        is_ours = last is not None and not last.heard and rule.name in last.values
        taken_over_empty = link.anew and not value
        if is_ours or taken_over_empty or any(rule.same(value, known) for known in _known(state, link, rule)):
            continue
        link.edits[rule.name] = SalesforceRegister(value, position)


def _known(state: DocumentState, link: Link, rule: FieldRule) -> Iterator[Any]:
    """What may lie there though nobody has edited it unheard: what Salesforce last told of, and what writes have put
    there that were not told of since. Of a field of which neither is known, nothing."""
    told = link.edits.get(rule.name) or state.field(rule.name).salesforce
    if told is not None:
        yield told.value
    ours = [write for write in state.writes if rule.name in write.values]
    yield from (write.values[rule.name] for write in ours if told is None or write.state in _UNTOLD)
    if told is None and not any(write.state in _THERE for write in ours):
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
        if not link.read and _was_made_with_current(state, rule):
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
