"""What the log tells of a link: which record it is to, and how it came or went."""

from enum import StrEnum
from typing import Any, Final

from consumers.rules.state import DocumentState, Link, WriteState
from consumers.rules.stored import StoredFields

LINK: Final = "link"
_MADE: Final = (WriteState.ACKNOWLEDGED, WriteState.DOUBTFUL, WriteState.LANDED)


class How(StrEnum):
    """What befell the link."""

    FOUND = "found"
    """The record was there: it holds our external id, or is of the same thing."""
    CONVERTED = "converted"
    """The contact of the Lead that the record was."""
    MOVED = "moved"
    """Another record has taken the place of the one before, by a merge or as a person would have it."""
    ANEW = "made anew"
    GONE = "gone"
    BACK = "back"


def link_row(state: DocumentState, *, at: int) -> dict[str, Any] | None:
    """The log's row, where the update that is decided on makes, moves or ends the link.

    A record that a write of ours has made is told by that write's row, one that we have deleted by the deletion's, and
    a document that was merged into another by that of the merge.
    """
    link = state.link
    before = state.fields.sync.get("link") if isinstance(state.fields, StoredFields) else None
    was = before or {"id": "", "gone": False}
    if link is None or (was["id"], was.get("gone", False)) == (link.record_id, link.gone):
        return None
    how = _how(state, link, was["id"])
    if how is None:
        return None
    return {
        "_id": f"{LINK}:{state.kind}:{state.id}:{state.next_revision}",
        "type": LINK,
        "kind": state.kind,
        "document": state.id,
        "record": link.record_id,
        "was": was["id"],
        "how": str(how),
        "at": at,
    }


def _how(state: DocumentState, link: Link, was: str) -> How | None:
    if link.gone:
        return None if link.deleted_for or link.merged_into else How.GONE
    if was == link.record_id:
        return How.BACK
    if link.from_lead:
        return How.CONVERTED
    made_by_us = any(write.first and write.state in _MADE for write in state.writes)
    if was:
        return How.ANEW if link.anew else How.MOVED
    return None if made_by_us else How.FOUND
