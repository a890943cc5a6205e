"""What becomes of a value that Salesforce holds: taken over, a conflict, overruled, overwritten. Each has its row."""

from typing import Any, assert_never

from consumers.rules import audit, conflict, review
from consumers.rules.audit import Occasion
from consumers.rules.conflict import Merged, Verdict
from consumers.rules.kinds import FieldRule
from consumers.rules.showing import merge, take_over
from consumers.rules.state import DocumentState, FieldState, Side, Theirs, Write
from schemas.position import CommitPosition


def settle_conflict(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    *,
    by: str,
    occasion: Occasion,
    note: str = "",
) -> None:
    """Rule 13: the policy picks between the current value and Salesforce's; both are kept in the audit."""
    policy = rule.first if by.startswith("18.") else rule.policy
    (platform, _), salesforce = conflict.claims(field), (value, position.timestamp)
    winner: Verdict = Side.SALESFORCE  # of two values of its own the later one stands, whatever the policy
    if field.source is not Side.SALESFORCE:
        winner = conflict.settle_by(policy, rule, platform=platform, salesforce=salesforce)
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=platform,
            salesforce=salesforce,
            winner=winner,
            by=by,
            note=note,
            occasion=occasion,
            author=field.source if winner is Side.SALESFORCE else None,
        )
    )
    match winner:
        case Side.SALESFORCE:
            take_over(state, field, rule, value, position, at=occasion.shown_at)
        case Side.PLATFORM:
            if field.merged:
                said, made_at = platform
                field.show(said, Side.PLATFORM, made_at=made_at, at=occasion.shown_at, revision=state.next_revision)
        case Merged():
            shown = rule.values.pull(value)
            theirs = Theirs(occasion.shown_at, state.next_revision, position.timestamp, shown)
            merge(state, field, winner, platform, theirs, at=occasion.shown_at)
        case None:
            shown = rule.values.pull(value)
            review.hold(field, Side.SALESFORCE, shown, made_at=position.timestamp, occasion=occasion)
        case _:
            assert_never(winner)


def overruled(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    write: Write,
    position: CommitPosition,
    *,
    by: str,
    occasion: Occasion,
) -> None:
    """Rules 10 and 26: what a trigger made of our write is taken over, unless the value has moved on and is due anyway.

    Expects the register S to hold the trigger's value already.
    """
    if field.salesforce is None:
        raise AssertionError("S is set before a write is judged")
    value = field.salesforce.value
    as_taken = field.shown_revision <= write.revision
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at) if as_taken else (write.values[rule.name], write.taken_at),
            salesforce=(value, position.timestamp),
            winner=Side.SALESFORCE if as_taken else Side.PLATFORM,
            by=by,
            note="overruled" if as_taken else "overruled, and moved on since",
            occasion=occasion,
        )
    )
    if not as_taken or rule.same(value, field.value):
        return
    if rule.pulls:
        take_over(state, field, rule, value, position, at=occasion.shown_at)
    else:
        field.overruled = True


def tell_buried(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """An edit of Salesforce's that our write had buried, and that was due to be put back, gives way to a later one.

    The later author saw our value and not that edit, so it is lost to someone who did not know of it: a row says so.
    """
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(value, position.timestamp),
            winner=Side.SALESFORCE,
            by="12",
            note="replaced an edit that a write of ours had buried",
            occasion=occasion,
            author=field.source,
        )
    )


def overwritten(
    state: DocumentState,
    field: FieldState,
    rule: FieldRule,
    value: Any,
    position: CommitPosition,
    occasion: Occasion,
) -> None:
    """A push-only field belongs to the platform: an edit of it in Salesforce is audited and written over."""
    if field.source is None or rule.same(value, field.value) or rule.moved_by_salesforce(value):
        return
    held = field.salesforce
    if held is not None and rule.same(value, held.value):
        # Only of what Salesforce holds does this say that it is a person's edit, and no automation's.
        field.overruled = False
    if rule.fills_only and rule.key(value) is not None:
        return
    if rule.key(value) is None and not field.shown:
        return
    state.audit.append(
        audit.row(
            state,
            rule,
            field,
            platform=(field.value, field.made_at),
            salesforce=(value, position.timestamp),
            winner=Side.PLATFORM,
            by="13.push_only",
            occasion=occasion,
        )
    )
