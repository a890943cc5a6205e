"""What `tandem gaps` shows, from values. No I/O; nothing that it shows is personal data."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import orjson
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from consumers.repair.repairer import BY_ITSELF, Closed, NeedsPerson, Published, Repaired, Waits
from consumers.rules.repair import ByHand, MappedObjects, Reading, Swept, Window, means_for
from ops.reviews_view import age
from ops.show_view import moment
from schemas.gap import Found, GapReason, GapRow, GapState
from schemas.unavailable import Unavailable

HANDLE_CHARACTERS = 8
TO_HANDLE: Final = "it is closed once `tandem reconcile` has handled what was published"
TO_LOOK_AT: Final = (
    "it is closed once `tandem reconcile`, then `tandem write`, have come past the records that no document has"
)


def handle(row_id: str) -> str:
    """A short name for a gap, the same wherever it is shown."""
    return hashlib.sha256(row_id.encode()).hexdigest()[:HANDLE_CHARACTERS]


def named(rows: Sequence[GapRow], name: str) -> list[GapRow]:
    """The gaps that a person can have meant by a handle, its first characters, or a row's whole id."""
    return [row for row in rows if row.id == name or (name and handle(row.id).startswith(name.lower()))]


def list_view(rows: Sequence[GapRow], now: int, *, closed_too: bool) -> RenderableType:
    """Gaps as a table, the one that was noticed first first."""
    if not rows:
        return Text("there was never a gap" if closed_too else "no gap is open")
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("gap", "reason", "of", "from (UTC)", "noticed", "state", "found"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(
            handle(row.id),
            str(row.reason),
            Text(about(row)),
            moment(row.since)[:16] if row.since else "not known",
            f"{age(now - noticed_at(row))} ago",
            str(row.state),
            Text(_found(row)),
        )
    count = sum(row.state is not GapState.CLOSED for row in rows)
    return Group(shown, Text(f"{count} not closed" if count else "all are closed"))


def about(row: GapRow) -> str:
    """What a gap is of: an object, a channel, or a partition of a topic."""
    if row.entity:
        return f"{row.entity}, {len(row.record_ids)} records" if row.record_ids else row.entity
    return f"{row.channel}[{row.partition}] for {row.group}" if row.group else row.channel


def noticed_at(row: GapRow) -> int:
    """When it was first known here, epoch milliseconds; rows of an earlier release say only until when it is."""
    return row.noticed_at or row.until


def named_fully(row: GapRow) -> str:
    """As the audit knows it."""
    return f"gap {handle(row.id)}, {row.reason} of {about(row)}"


def lines(row: GapRow, objects: MappedObjects, overlap: int, *, notes: bool = True) -> Iterator[str]:
    """Everything that is known of one gap, and by what means it is repaired; why it was closed by hand with `notes`."""
    yield f"gap {handle(row.id)}: {row.reason}, {row.state}"
    yield f"  of        {about(row)}"
    yield f"  from      {moment(row.since) if row.since else 'not known: as far back as there is anything'}"
    yield f"  noticed   {moment(noticed_at(row))}" + (f", {row.opened} times in all" if row.opened > 1 else "")
    if row.refused_replay_id is not None:
        yield f"  position  {row.refused_replay_id} was refused"
    if row.group:
        yield f"  offsets   {row.wanted} was to be next; the log held {row.first} to {row.end}"
    if row.record_ids:
        yield f"  records   {', '.join(row.record_ids[:5])}" + (" …" if len(row.record_ids) > 5 else "")
    if row.state is GapState.CLOSED:
        why = f": {row.note}" if notes or row.closed_by == BY_ITSELF else ""
        yield f"  closed    {moment(row.closed_at)} by {row.closed_by}{why}"
    else:
        yield f"  repair    {_means(row, objects, overlap)}"
    for sobject, progress in row.progress.items():
        yield f"  {sobject}: {counted(progress.found)}" + ("" if progress.done else ", not through yet")
    if row.state is not GapState.CLOSED and (row.published_to or row.covered_by):
        by = f"the comparison {row.covered_by} has looked for everything; " if row.covered_by else ""
        yield f"  waits     {by}{_closed_once(row)}"
    if row.asked_at > row.tried_at and row.state is not GapState.CLOSED:
        yield f"  to be tried now: {row.asked_by} asked for it {moment(row.asked_at)}"
    if row.error:
        yield f"  the last try ended {moment(row.tried_at)}: {row.error}"
    yield f"  row       {row.id}"


def lines_of_json(rows: Sequence[GapRow]) -> str:
    """One JSON object a line; times are epoch milliseconds."""
    return "".join(
        orjson.dumps(
            {
                "gap": handle(row.id),
                "row": row.id,
                "reason": row.reason,
                "of": about(row),
                "state": row.state,
                "since": row.since,
                "until": row.until,
                "noticed_at": noticed_at(row),
                "closed_at": row.closed_at,
                "closed_by": row.closed_by,
                "note": row.note,
                "error": row.error,
                "looked_at": row.found.looked,
                "published": row.found.published,
                "deleted": row.found.deleted,
                "unheard": row.found.unheard,
            }
        ).decode()
        + "\n"
        for row in rows
    )


def ended(row: GapRow, repaired: Repaired | Unavailable) -> str:
    """What became of a try to repair it, in one line."""
    match repaired:
        case Closed(found, note):
            return f"{handle(row.id)} {row.reason}: closed. {counted(found)}; {note}"
        case Published(found):
            return f"{handle(row.id)} {row.reason}: still open. {counted(found)}; {_closed_once(row)}"
        case Waits(why):
            return f"{handle(row.id)} {row.reason}: still open. {why}"
        case NeedsPerson(why):
            return f"{handle(row.id)} {row.reason}: still open. {why}"
        case Unavailable():
            return f"{handle(row.id)} {row.reason}: not repaired, and goes on from here the next time. {repaired}"


def _closed_once(row: GapRow) -> str:
    return TO_LOOK_AT if row.reason is GapReason.GAP_EVENT else TO_HANDLE


def counted(found: Found) -> str:
    """`1,200 records looked at, 1,200 to be read again, 3 of them deleted, 2 of them changed unheard`."""
    deleted = f", {found.deleted:,} of them deleted" if found.deleted else ""
    unheard = f", {found.unheard:,} of them changed unheard" if found.unheard else ""
    return f"{found.looked:,} records looked at, {found.published:,} to be read again{deleted}{unheard}"


def _found(row: GapRow) -> str:
    if row.error:
        return f"failed: {row.error}"
    if row.state is GapState.CLOSED and row.closed_by != BY_ITSELF:
        return f"{row.closed_by}: {row.note}"
    return counted(row.found) if row.progress else ""


def _means(row: GapRow, objects: MappedObjects, overlap: int) -> str:
    match means_for(row, objects, overlap=overlap):
        case Window(sobjects, since, every_record):
            if not sobjects:
                return "nothing: no kind of the mapping is kept there"
            which = "every record" if every_record or not since else f"every record changed since {moment(since)[:19]}"
            return f"{which} of {', '.join(sobjects)} is read again, deleted ones too"
        case Reading():
            return "waits until the records that the event named have been read"
        case Swept(why) | ByHand(why):
            return why
