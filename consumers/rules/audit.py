"""Audit rows: both values, both times, who won and by which rule. Their ids make a repeat the same row."""

from dataclasses import dataclass
from typing import Any, Final

from consumers.rules.conflict import Merged, Verdict
from consumers.rules.kinds import FieldRule
from consumers.rules.state import DocumentState, FieldState, Side

NOBODY: Final = "nobody"
BOTH: Final = "both"
MASK: Final = "•••"
"""In place of a value of a field that the mapping marks as sensitive."""
CONFLICT_RULES: Final = frozenset({"13", "18"})
"""Merge rules that ask a policy; the audit has rows of others too, as of what a trigger made of a write."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is being decided on, and when: epoch milliseconds by our clock.

    `event` names the platform event, the record and commit, or the row and the revision it met. `shown_at` is the time
    from which a value put in the document now counts as seen: an edit made sooner counts as made without having seen
    it, since clocks differ and a write takes its time. A wrong guess is then a conflict with its audit row, never a
    silent loss.
    """

    event: str
    now: int
    shown_at: int


def row(
    state: DocumentState,
    rule: FieldRule,
    field: FieldState,
    *,
    platform: tuple[Any, int],
    salesforce: tuple[Any, int],
    winner: Verdict,
    by: str,
    occasion: Occasion,
    note: str = "",
    author: Side | None = None,
    lost: tuple[Side, Any, int] | None = None,
) -> dict[str, Any]:
    """One row of `salesforce_sync_logs`. `platform` and `salesforce` are each a value and its time (epoch ms).

    `by` names the merge rule and, for a conflict, the policy: `13.latest_wins`. `author` is whose edit was lost, where
    that is not the side that lost: the document may have shown an edit of Salesforce's. Without a winner nothing is
    lost yet: a person will choose. Where both win, `result` is what was made of them. `lost` is given where it is
    neither of the two values: side, value and time. Of a sensitive field there is a mask instead of each value.
    """
    loser = None if not isinstance(winner, Side) else winner.other
    value, made_at = platform if loser is Side.PLATFORM else salesforce
    if loser is not None and lost is None:
        lost = author or loser, value, made_at

    def kept(shown: Any) -> Any:
        return MASK if rule.sensitive and shown is not None else shown

    found = {
        "_id": f"{state.kind}:{state.id}:{occasion.event}:{rule.name}:{by}",
        "type": "audit",
        "kind": state.kind,
        "document": state.id,
        "record": state.link.record_id if state.link else "",
        "field": rule.name,
        "path": rule.dotted,
        "platform": {"value": kept(platform[0]), "at": platform[1]},
        "salesforce": {"value": kept(salesforce[0]), "at": salesforce[1]},
        "winner": BOTH if isinstance(winner, Merged) else str(winner or NOBODY),
        "loser": str(loser or NOBODY),
        "lost": None if lost is None else {"side": str(lost[0]), "value": kept(lost[1]), "at": lost[2]},
        "rule": by,
        "note": note,
        "event": occasion.event,
        "at": occasion.now,
        "shown_revision": field.shown_revision,
    }
    return {**found, "result": kept(winner.value)} if isinstance(winner, Merged) else found
