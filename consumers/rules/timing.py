"""How long things may take: every wait that the rules know of, in milliseconds."""

from dataclasses import dataclass
from typing import Final

LONGEST_CALL: Final = 10 * 60 * 1000
"""Salesforce ends a call after ten minutes; nothing unanswered can land later than that. Milliseconds."""


CLOCKS_APART: Final = 2_000
"""So far the clocks of two hosts may differ: what one has heard and another has begun are in no order within it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds, all of them."""

    visible_after: int = 2_000
    """An edit within this time of a value's being shown counts as made without having seen it (rule 5)."""
    answer_within: int = 150_000
    """An open write older than this has lost its writer: its outcome is unknown. Longer than any call may take."""
    load_within: int = 15_000
    """A Bulk job that is open longer after a row was taken into it has lost its writer: it is closed no more. Longer
    than it takes to store and to send its rows."""
    event_within: int = 30_000
    """The usual delay of a change event: an acknowledged write whose event is later has its record read (rule 14)."""
    longest_call: int = 600_000
    """Salesforce ends a call after ten minutes: an unanswered first write may land that late (rule 20)."""
    look_again: int = 15_000
    """Between two looks for a first write that was never answered (rule 20)."""
    quiet_before_read: int = 2_200
    """A record is read whole when it has been quiet this long: the row's second must be over by Salesforce's clock,
    which tells whole seconds (rule 24)."""
    ring_again: int = 5_000
    """When the sweep rings again for a document whose doorbell was rung at once."""
