"""Rule 15 for writes that a Bulk job carries: asked after, not given up by the clock."""

from typing import Final

from consumers.rules.agreement import settle
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState, WriteState

FIRST_ASKED: Final = 5_000
"""How soon a Bulk job is asked after; then after half as long again as it has been under way. Milliseconds."""
LONGEST_UNASKED: Final = 5 * 60 * 1000
"""How long a Bulk job goes unasked at the most."""


def ask_again(state: DocumentState, job: str, *, now: int, least: int = 0) -> None:
    """The Bulk job is still at work: ask later, the later the longer it has been; not within `least` milliseconds."""
    for write in state.writes:
        if write.state is WriteState.OPEN and write.job == job:
            write.ask_at = now + min(max((now - write.taken_at) // 2, FIRST_ASKED, least), LONGEST_UNASKED)


def lost_with_job(state: DocumentState, kind: Kind, job: str) -> None:
    """Rule 15: Salesforce knows the Bulk job no more, so nobody will say what became of its write."""
    lost = [write for write in state.writes if write.state is WriteState.OPEN and write.job == job]
    for write in lost:
        write.state = WriteState.UNKNOWN
        for name in write.values.keys() & kind.by_name.keys():
            settle(state, state.field(name), kind.by_name[name])
