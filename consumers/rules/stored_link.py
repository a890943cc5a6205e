"""How the link to a Salesforce record is stored in its document."""

from collections.abc import Mapping
from typing import Any

from consumers.rules.state import Link, SalesforceRegister
from schemas.position import BEGINNING, CommitPosition


def load_link(stored: Mapping[str, Any], position: CommitPosition) -> Link:
    """The link that is stored so.

    `position` is the record's last event. An earlier release counted those of its former ids by it too: where they have
    no positions of their own, all up to there was heard or dropped.
    """
    own, former = stored.get("positions", {}), tuple(stored.get("former", ()))
    return Link(
        record_id=stored["id"],
        linked_at=stored["at"],
        read=stored.get("read", False),
        gone=stored.get("gone", False),
        searched=stored.get("searched", False),
        deleted_for=stored.get("deleted_for", 0),
        deleting=stored.get("deleting", 0),
        claimed=stored.get("claimed", True),
        anew=stored.get("anew", False),
        from_lead=stored.get("from_lead", False),
        former=former,
        positions={each: CommitPosition(*own[each]) if each in own else position for each in former},
        first_row=stored.get("first_row", 0),
        converted=stored.get("converted", False),
        converted_at=stored.get("converted_at", 0),
        account=stored.get("account", ""),
        opportunity=stored.get("opportunity", ""),
        merged_into=stored.get("merged_into", ""),
        handed_over=stored.get("handed_over", False),
        touched=frozenset(stored.get("touched", ())),
        left=frozenset(stored.get("left", ())),
        edits={
            name: SalesforceRegister(value, CommitPosition(*position))
            for name, (value, *position) in stored.get("edits", {}).items()
        },
    )


def dump_link(link: Link) -> dict[str, Any]:
    """How the link is stored: what is usual is left out."""
    stored: dict[str, Any] = {"id": link.record_id, "at": link.linked_at, "read": link.read, "gone": link.gone}
    if link.searched:
        stored["searched"] = True
    if link.deleted_for:
        stored["deleted_for"] = link.deleted_for
    if link.deleting:
        stored["deleting"] = link.deleting
    if not link.claimed:
        stored["claimed"] = False
    if link.anew:
        stored["anew"] = True
    if link.from_lead:
        stored["from_lead"] = True
    if link.former:
        stored |= _dump_former(link)
    if link.converted:
        stored["converted"] = True
    led_to = {
        "converted_at": link.converted_at,
        "account": link.account,
        "opportunity": link.opportunity,
        "merged_into": link.merged_into,
    }
    stored |= {name: value for name, value in led_to.items() if value}
    if link.touched:
        stored |= _dump_touched(link)
    stored |= {"handed_over": True} if link.handed_over else {}
    return stored | ({"left": sorted(link.left)} if link.left else {})


def _dump_former(link: Link) -> dict[str, Any]:
    # Also of an id of which nothing was heard: without a position it would be of an earlier release.
    positions = {each: list(link.positions.get(each, BEGINNING)) for each in link.former}
    stored: dict[str, Any] = {"former": list(link.former), "positions": positions}
    return {**stored, "first_row": link.first_row} if link.first_row else stored


def _dump_touched(link: Link) -> dict[str, Any]:
    edits = {name: [edit.value, *edit.position] for name, edit in sorted(link.edits.items())}
    return {"touched": sorted(link.touched)} | ({"edits": edits} if edits else {})
