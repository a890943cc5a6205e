"""Rule 16: how long a write is kept."""

from typing import Final

from consumers.rules.state import DocumentState, Write, WriteState
from consumers.rules.timing import LONGEST_CALL

WRITES_KEPT: Final = 8
UNHEARD_FOR: Final = 30 * 24 * 60 * 60 * 1000
"""Salesforce keeps an event for three days, and our log may be behind by its own retention: one of a write older than
this comes no more. Milliseconds."""
_CHANGED_NOTHING: Final = (WriteState.NOT_RUN, WriteState.REJECTED)


def forget_old_writes(state: DocumentState, *, now: int) -> None:
    """Rule 16: keep a write until nothing of it can arrive any more, and never fewer than eight.

    A record of whose changes no event tells has no event position. There the rows tell that a write is over, and its
    age that no event will come of it after all.
    """
    surplus = len(state.writes) - WRITES_KEPT
    kept: list[Write] = []
    for write in state.writes:
        over = write.taken_at + LONGEST_CALL
        past = now > over and not write.pending and _is_told(state, write, over, now=now)
        if surplus > 0 and past:
            surplus -= 1
        else:
            kept.append(write)
    state.writes = kept


def _is_told(state: DocumentState, write: Write, over: int, *, now: int) -> bool:
    """Whether all has been told that its record had to tell until the write was over, or is told no more."""
    unheard_for_long = now > write.taken_at + UNHEARD_FOR
    if _is_of_former_id(state, write):
        # What it buried there was told before it, in order; the position of the new record says nothing of that.
        return write.heard or write.state in _CHANGED_NOTHING or unheard_for_long
    return state.position.timestamp > over or (state.row_mark > over and unheard_for_long)


def _is_of_former_id(state: DocumentState, write: Write) -> bool:
    """Whether it went into a record that another has taken the place of. A first write lay over nothing."""
    link = state.link
    return link is not None and bool(link.former) and write.taken_at < link.linked_at and not write.first
