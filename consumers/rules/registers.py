"""One field's registers as they are stored: a line of JSON in `_sync.fields.<field>`.

A document carries fourteen of them or more, and an event speaks of two. As text each is one value to the driver and to
MongoDB; only those that a rule asks for are read, and two questions are answered without reading. `docs/document.md`
shows the layout.
"""

import json
from typing import Any

import orjson

from consumers.rules.state import FieldState, PlatformRegister, Review, SalesforceRegister, Side, Theirs
from schemas.position import CommitPosition

SET = '{"now":'
"""How the text of a field begins that has a current value, and no other."""
_HELD = '"s":['
# Looking a member up is far cheaper than calling the enum.
_SIDES = {str(side): side for side in Side}


def load_field(text: str, value: Any) -> FieldState:
    """The field whose registers these are; `value` is what the document shows, which they leave out."""
    stored = orjson.loads(text)
    field = FieldState()
    if (now := stored.get("now")) is not None:
        side, field.made_at, field.shown_at, field.shown_revision = now
        field.source = _SIDES[side]
        field.value = value
        field.shown = tuple(stored.get("shown", ()))
        if (agreed := stored.get("agreed")) is not None:
            field.agreed = CommitPosition(*agreed)
    if (salesforce := stored.get("s")) is not None:
        field.salesforce = SalesforceRegister(salesforce[0], CommitPosition(*salesforce[1]))
    if (platform := stored.get("p")) is not None:
        field.platform = PlatformRegister(platform[0], platform[1], platform[2], tuple(platform[3]))
    field.overruled = "overruled" in stored
    field.merged = "merged" in stored
    if (theirs := stored.get("theirs")) is not None:
        field.theirs = Theirs(*theirs)
    if (review := stored.get("review")) is not None:
        side, waiting, made_at, since = review
        field.review = Review(_SIDES[side], waiting, made_at, since)
    return field


def dump_field(field: FieldState) -> str:
    """The text of a field's registers: `now` first, where there is a current value, and `s` right behind it."""
    stored: dict[str, Any] = {}
    if field.source is not None:
        stored["now"] = (field.source, field.made_at, field.shown_at, field.shown_revision)
    if field.salesforce is not None:
        stored["s"] = (field.salesforce.value, tuple(field.salesforce.position))
    if field.platform is not None:
        known = field.platform
        stored["p"] = (known.value, known.heard, known.changed, known.events)
    if field.source is not None:
        if field.shown:
            stored["shown"] = field.shown
        if field.agreed is not None:
            stored["agreed"] = tuple(field.agreed)
    if field.overruled:
        stored["overruled"] = True
    if field.merged:
        stored["merged"] = True
    if field.theirs is not None:
        stored["theirs"] = tuple(field.theirs)
    if field.review is not None:
        review = field.review
        stored["review"] = (review.side, review.value, review.made_at, review.since)
    return _text(stored)


def surely_agree(text: str, value: Any) -> bool:
    """True where `value`, which the document shows, is to the letter what Salesforce last said."""
    if not text.startswith(SET):
        return False
    # Of `now`, whose first member is a word of ours, this bracket is the end.
    behind = text.index("]") + 2
    return text.startswith(_HELD, behind) and text.startswith(f"{_text(value)},", behind + len(_HELD))


def _text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits, which MongoDB will refuse in the document itself
        return json.dumps(value, separators=(",", ":"))
