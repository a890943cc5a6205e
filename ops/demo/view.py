"""The live view: one glance, laid out so that it fits the terminal and stands still; or as one line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.demo.onlooker import CONFLICTS_SHOWN, DOCUMENTS_SHOWN, Glance
from ops.demo.traffic import person_kind
from schemas.field_mapping import Direction
from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldsMapping
from schemas.topics import PLATFORM_EVENTS, SALESFORCE_CHANGES, SALESFORCE_WRITES
from simulator.observer.backlog import TopicBacklog
from simulator.observer.history import Row, value_at

_NONE = TopicBacklog(0, 0)
_COLUMNS = ("phone", "title", "address.city", "city", "department")
_TITLE = "bold cyan"
_FIXED_LINES = 15
"""All but the rows of conflicts and of documents: titles, heads, counts, and the lines between."""
_KINDS_NEED = 9
"""Lines that must be left beside the rows of kinds, so that conflicts and documents are seen too."""
_WIDE = 96
"""From this many columns on there is room to say what each count counts."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much fits into the terminal: its width, and how many rows of conflicts and pairs of rows of documents."""

    width: int
    conflicts: int
    documents: int
    kinds: int = 0
    """Rows of kinds."""

    @classmethod
    def of(cls, width: int, height: int, kinds: int = 1) -> "Room":
        """One line is left free: a view as high as the terminal would scroll at every look."""
        left = max(0, height - 1 - _FIXED_LINES)
        rows = kinds if kinds > 1 and left >= kinds + _KINDS_NEED else 0
        left -= rows + 2 if rows else 0
        documents = min(DOCUMENTS_SHOWN, max(1, left // 5))
        return cls(width, min(CONFLICTS_SHOWN, max(1, left - 2 * documents)), documents, rows)


def line(glance: Glance) -> str:
    """Everything in one line, for where there is no terminal."""
    lag = " ".join(f"{name}={topic.unfinished}" for name, topic in sorted(glance.topics.items()))
    return (
        f"webhooks {glance.accepted}/{glance.posts}, documents {glance.documents} (revisions {glance.revisions}), "
        f"conflicts {glance.settled}, our writes {glance.our_commits}, edits in Salesforce {glance.seller_edits}, "
        f"lag {lag}"
    )


def tables(glance: Glance, mapping: FieldsMapping, doing: str, room: Room) -> RenderableType:
    """The whole view. `doing` says what is going on."""
    kind = mapping.kinds[person_kind(mapping)]
    return Group(
        Text(doing, style="bold", no_wrap=True, overflow="ellipsis"),
        "",
        _flow(glance, room),
        _stores(glance),
        "",
        *_kinds(glance, mapping, room),
        *_conflicts(glance, room),
        "",
        *_pairs(glance, kind, room),
    )


def _flow(glance: Glance, room: Room) -> Table:
    """Counts in and out, by stage in the order of the flow."""
    wide = room.width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=_TITLE)
    table.add_column("Counts in and out", width=28)
    for name in ("in", "out", "lag"):
        table.add_column(name, justify="right", width=8)
    if wide:
        table.add_column("", style="dim", no_wrap=True, overflow="ellipsis")
    table.add_row(*_counts("webhooks", glance.posts, glance.accepted), *(["posted, and answered 202"] if wide else ()))
    for topic, what in (
        (PLATFORM_EVENTS, "facts of the platform, and reconciled"),
        (SALESFORCE_CHANGES, "change events of the org, and reconciled"),
        (SALESFORCE_WRITES, "doorbells for the writer, and answered"),
    ):
        state = glance.topics.get(topic, _NONE)
        counts = _counts(topic, state.records, state.records - state.unfinished)
        table.add_row(*counts, *([what] if wide else ()))
    return table


def _counts(stage: str, came: int, went: int) -> tuple[str, str, str, str]:
    return stage, f"{came:,}", f"{went:,}", f"{came - went:,}"


def _stores(glance: Glance) -> Text:
    people = glance.commits - glance.our_commits
    return Text(
        f"MongoDB     {glance.documents:,} documents, {glance.revisions:,} revisions, "
        f"{glance.pending:,} on their way to Salesforce\n"
        f"Salesforce  {glance.records_made:,} records, {glance.our_commits:,} commits of ours, {people:,} by people",
        no_wrap=True,
        overflow="ellipsis",
    )


def _kinds(glance: Glance, mapping: FieldsMapping, room: Room) -> Iterator[RenderableType]:
    """Kind by kind, where there is room and more than one."""
    if not room.kinds:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=_TITLE)
    table.add_column("Kinds", width=28, no_wrap=True, overflow="ellipsis")
    for name in ("documents", "records", "pending"):
        table.add_column(name, justify="right", width=9)
    for name, kind in list(mapping.kinds.items())[: room.kinds]:
        pulse = glance.kinds.get(name)
        counts = (0, 0) if pulse is None else (pulse.documents, pulse.pending)
        made = glance.made.get(name, 0)
        table.add_row(f"{name} - {kind.sobject}", f"{counts[0]:,}", f"{made:,}", f"{counts[1]:,}")
    yield table
    yield ""


def _conflicts(glance: Glance, room: Room) -> Iterator[RenderableType]:
    yield Text(f"Conflicts as they are settled: {glance.settled:,} so far, ✓ won", style=_TITLE)
    table = _stable("of", "field", "platform", "Salesforce", "by policy")
    for row in _filled(glance.conflicts, room.conflicts):
        if row is None:
            table.add_row("")
            continue
        sides = (_side(row, side) for side in ("platform", "salesforce"))
        note = f" {row['note']}" if row.get("note") else ""
        policy = str(row["rule"]).rpartition(".")[2]
        table.add_row(_short(row["document"]), row["path"], *sides, f"{policy}{note}")
    yield table


def _side(row: Row, side: str) -> Text:
    value = _shown(row[side]["value"])
    return Text(f"✓ {value}", style="green") if row["winner"] == side else Text(f"  {value}", style="dim")


def _pairs(glance: Glance, kind: KindMapping, room: Room) -> Iterator[RenderableType]:
    """The last few documents on both sides."""
    names = {field.platform: field.salesforce for field in kind.fields if field.direction is Direction.BOTH}
    paths = [path for path in _COLUMNS if path in names] or list(names)[:4]
    yield Text("The last few documents, on both sides", style=_TITLE)
    table = _stable("of", "side", *paths, "status")
    for row in _filled(glance.newest, room.documents):
        if row is None:
            table.add_row("")
            table.add_row("")
            continue
        document = str(row["_id"])
        record = glance.records.get(document, {})
        status = (row.get("salesforce") or {}).get("syncStatus", "")
        table.add_row(_short(document), "MongoDB", *(_shown(value_at(row, path)) for path in paths), status)
        table.add_row("", "Salesforce", *(_shown(record.get(names[path])) for path in paths), "")
    yield table


def _stable(*names: str) -> Table:
    """Columns whose widths follow from the terminal's alone: nothing jumps when other values come."""
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="bold")
    for name in names:
        narrow = name in ("of", "side", "status")
        table.add_column(
            name, width=10 if narrow else None, ratio=None if narrow else 1, no_wrap=True, overflow="ellipsis"
        )
    return table


def _filled(rows: Sequence[Row], count: int) -> list[Row | None]:
    """So many rows, the last of them empty where there are fewer: what stands below does not move."""
    shown: list[Row | None] = list(rows[:count])
    return shown + [None] * (count - len(shown))


def _short(document: str) -> str:
    """Within a run all ids of a kind begin the same: `cust-f8adc6-1-12` is told by its kind and its number."""
    parts = document.split("-")
    return document if len(document) <= 9 else f"{parts[0][:4]}…{parts[-1][-5:]}"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
