"""Writes of ours that tell Salesforce what Salesforce said, and writing that does not end."""

from collections.abc import Iterable, Sequence

from simulator.observer.authorship import FieldHistory, Ours, OurWrite, PlatformEdit
from simulator.observer.history import Commit
from simulator.observer.verdict import Fault, Finding


def echoes(document: str, name: str, history: FieldHistory, edits: Sequence[PlatformEdit]) -> list[Finding]:
    """Writes of a value that a user or a trigger had put there, which no platform edit asks for."""
    return [
        Finding(
            Fault.ECHOED,
            document,
            name,
            f"commit {write.commit.number}",
            f"carries back what a {write.setter.author} set in commit {write.setter.commit.number}",
            {"value": write.setter.value},
        )
        for write in history.writes
        if write.setter is not None and write.key == write.before and not _asked_for(write, history, edits)
    ]


def restless(commits: Iterable[Commit], ours: Ours, resting_since: int) -> list[Finding]:
    """Writes of ours after everything had come to rest."""
    return [
        Finding(Fault.ECHOED, commit.record_id, "", f"commit {commit.number}", "written although all was at rest")
        for commit in commits
        if commit.number > resting_since and ours.made(commit)
    ]


def _asked_for(write: OurWrite, history: FieldHistory, edits: Sequence[PlatformEdit]) -> bool:
    """Whether the platform set this very value, and Salesforce has not moved on from it since we first wrote it."""
    return any(
        edit.key == write.key and edit.at <= write.commit.at and not _spent(edit, write, history) for edit in edits
    )


def _spent(edit: PlatformEdit, write: OurWrite, history: FieldHistory) -> bool:
    carried = next(
        (one.commit.place for one in history.writes if one.key == edit.key and one.commit.at >= edit.at), None
    )
    return carried is not None and any(
        carried < change.commit.place < write.commit.place and change.key != edit.key for change in history.edits
    )
