"""Audit rows: both values, both times, who won and by which rule. Their ids make a repeat the same row."""

from dataclasses import dataclass
from typing import Any, Final

from consumers.rules.kinds import FieldRule
from consumers.rules.state import DocumentState, FieldState, Side

NOBODY: Final = "nobody"


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
    winner: Side | None,
    by: str,
    occasion: Occasion,
    note: str = "",
    author: Side | None = None,
    lost: tuple[Side, Any, int] | None = None,
) -> dict[str, Any]:
    """One row of `salesforce_sync_logs`. `platform` and `salesforce` are each a value and its time (epoch ms).

    `by` names the merge rule and, for a conflict, the policy: `13.latest_wins`. `author` is whose edit was lost, where
    that is not the side that lost: the document may have shown an edit of Salesforce's. Without a winner nothing is
    lost yet: a person will choose. `lost` is given where it is neither of the two values: side, value and time.
    """
    loser = None if winner is None else Side.PLATFORM if winner is Side.SALESFORCE else Side.SALESFORCE
    value, made_at = platform if loser is Side.PLATFORM else salesforce
    if loser is not None and lost is None:
        lost = author or loser, value, made_at
    return {
        "_id": f"{state.kind}:{state.id}:{occasion.event}:{rule.name}:{by}",
        "type": "audit",
        "kind": state.kind,
        "document": state.id,
        "record": state.link.record_id if state.link else "",
        "field": rule.name,
        "path": rule.dotted,
        "platform": {"value": platform[0], "at": platform[1]},
        "salesforce": {"value": salesforce[0], "at": salesforce[1]},
        "winner": str(winner or NOBODY),
        "loser": str(loser or NOBODY),
        "lost": None if lost is None else {"side": str(lost[0]), "value": lost[1], "at": lost[2]},
        "rule": by,
        "note": note,
        "event": occasion.event,
        "at": occasion.now,
        "shown_revision": field.shown_revision,
    }
