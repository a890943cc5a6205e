"""What the document comes to show: Salesforce's value, or one that was made of both sides'."""

from typing import Any

from consumers.rules.conflict import Claim, Merged
from consumers.rules.kinds import FieldRule
from consumers.rules.state import DocumentState, FieldState, Side, Theirs
from schemas.position import CommitPosition


def take_over(
    state: DocumentState, field: FieldState, rule: FieldRule, value: Any, position: CommitPosition, *, at: int
) -> None:
    """Make Salesforce's value the current one, put in the document at `at`."""
    field.show(
        rule.values.pull(value), Side.SALESFORCE, made_at=position.timestamp, at=at, revision=state.next_revision
    )


def show_theirs(state: DocumentState, field: FieldState, *, at: int) -> None:
    """Of a value that was made of both, only Salesforce's part is left: people have had it in view all along."""
    theirs, revision = field.part_of_theirs, state.next_revision
    field.show(theirs.value, Side.SALESFORCE, made_at=theirs.made_at, at=at, revision=revision, theirs=theirs)


def merge(state: DocumentState, field: FieldState, merged: Merged, platform: Claim, theirs: Theirs, *, at: int) -> None:
    """Make what a conflict made of both claims the current value: it is due wherever it is missing."""
    made_at, revision = max(platform[1], theirs.made_at), state.next_revision
    field.show(merged.value, Side.PLATFORM, made_at=made_at, at=at, revision=revision, merged=True, theirs=theirs)
