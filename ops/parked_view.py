"""What `tandem parked` shows, from values. No I/O."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from ops.parked import Found
from ops.parked_items import Item
from ops.show_view import moment, text
from schemas import cloudevents

MASK: Final = "•••"
NOTHING: Final = "nothing is parked"


def list_lines(found: Found, *, filtered: bool, redriven: int = 0) -> Iterator[str]:
    """How many there are of each reason, and the oldest of them: lines, so that an id is never broken in two.

    `redriven` is how many were published again and have not been heard of.
    """
    if redriven:
        yield f"{redriven:,} redriven and not heard of yet: --state redriven shows them"
    if not found.number:
        yield "nothing parked is like that" if filtered else NOTHING
        return
    wide = max(len(reason) for reason, _topic in found.counts)
    for (reason, topic), count in sorted(found.counts.items(), key=lambda one: (-one[1].number, one[0])):
        newest = f" to {minute(count.newest)}" if minute(count.newest) != minute(count.oldest) else ""
        yield f"{count.number:>7,}  {reason:<{wide}}  {topic:<17}  {minute(count.oldest)}{newest}"
    yield ""
    for item in found.items:
        yield f"{text(item.id)}  {_told(item)}"
        if item.detail:
            yield f"    {text(item.detail)}"
    left = found.number - len(found.items)
    if left:
        yield f"{left:,} more; --limit shows them"


def _told(item: Item) -> str:
    """What an item is beside its id and its detail. Times are UTC."""
    about = "" if item.is_write or not item.about else f", {text(item.about)}"
    tries = f", tried {item.attempts} times" if item.attempts > 1 else ""
    state = "" if item.state == "parked" else f"{item.state}: "
    return f"{state}{item.reason}{about}, {minute(item.last_at)}{tries}"


def lines_of_json(found: Found) -> str:
    """One object a line, for scripts."""
    return "".join(
        orjson.dumps(
            {
                "id": item.id,
                "topic": item.topic,
                "key": item.key,
                "kind": item.kind,
                "document": item.document,
                "reason": item.reason,
                "detail": item.detail,
                "at": item.at,
                "last_at": item.last_at,
                "attempts": item.attempts,
                "state": item.state,
            }
        ).decode()
        + "\n"
        for item in found.items
    )


def minute(at: int) -> str:
    """Epoch milliseconds as UTC, to the minute."""
    return moment(at)[:16]


def record_lines(item: Item, row: Mapping[str, Any], *, values: bool, notes: bool = True) -> Iterator[str]:
    """All that is kept of a parked record; what it holds only with `values`, what operators said only with `notes`."""
    yield f"{row['_id']}: {row.get('state', 'parked')}"
    yield f"reason    {row['reason']}"
    if item.detail:
        yield f"detail    {text(item.detail)}"
    if row.get("document") or row.get("kind"):
        yield f"about     {row.get('kind') or '?'}:{text(row.get('document') or '?')}"
    yield f"parked    {moment(row['at'])}"
    attempts = row.get("attempts", 1)
    if attempts > 1:
        yield f"tries     {attempts}, the last {moment(row.get('last_at'))}"
    if row.get("timestamp"):
        yield f"came      {moment(row['timestamp'])}"
    for redrive in row.get("redrives", ()):
        yield f"redriven  {moment(redrive['at'])} by {redrive['by']}{_why(redrive, notes=notes)}"
    if row.get("closed_at"):
        by = f" by {row['closed_by']}" if row.get("closed_by") else ""
        end = ": ".join(part for part in (row.get("outcome"), row.get("outcome_reason")) if part)
        yield f"{row['state']:<9} {moment(row['closed_at'])}{by}{f': {end}' if end else _why(row, notes=notes)}"
    key, value = row.get("key"), row.get("value")
    yield f"key       {'none' if key is None else text(bytes(key).decode('utf-8', 'replace'))}"
    for name, held in row.get("headers", ()):
        yield f"header    {text(str(name))}: {_header(str(name), bytes(held), values=values)}"
    if value is None:
        yield "value     none"
    elif values:
        yield f"value     {len(value):,} bytes"
        yield text(bytes(value).decode("utf-8", "replace"))
    else:
        yield f"value     {len(value):,} bytes, not shown; --values shows them: personal data"


def write_lines(item: Item, row: Mapping[str, Any], *, values: bool, notes: bool = True) -> Iterator[str]:
    """All that is known of a refused write; the values only with `values`, what operators said only with `notes`."""
    refusal = row.get("refusal", {})
    what = "the deletion of its record" if refusal.get("deletion") else "its write"
    yield f"{item.id}: {what} is refused"
    yield f"reason    {item.reason}"
    if item.detail:
        yield f"detail    {text(item.detail)}"
    yield f"refused   {moment(item.at)}"
    yield f"record    {row.get('record') or 'none'}"
    for name, value in refusal.get("values", {}).items():
        yield f"field     {name}: {text(value) if values else MASK}"
    for witness in row.get("rows", ()):
        state = witness.get("state", "parked")
        yield f"parked    {moment(witness['at'])}: {witness['reason']}, {state} ({witness['_id']})"
        for redrive in witness.get("redrives", ()):
            yield f"redriven  {moment(redrive['at'])} by {redrive['by']}{_why(redrive, notes=notes)}"
    if refusal.get("values") and not values:
        yield "--values shows the values: personal data"


def _header(name: str, held: bytes, *, values: bool) -> str:
    """Ours hold no personal data; what others have sent along may."""
    known = name.startswith("ce_") or name in (cloudevents.CONTENT_TYPE, cloudevents.TRACEPARENT)
    return text(held.decode("utf-8", "replace")) if known or values else MASK


def _why(told: Mapping[str, Any], *, notes: bool) -> str:
    return f": {told['note']}" if notes and told.get("note") else ""
