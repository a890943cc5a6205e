"""The live view: one glance as tables for a terminal, or as one line."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.demo.onlooker import Glance
from schemas.mapping import Direction, KindMapping
from schemas.topics import PLATFORM_EVENTS, SALESFORCE_CHANGES, SALESFORCE_WRITES
from simulator.observer.backlog import TopicBacklog
from simulator.observer.history import Row, value_at

_NONE = TopicBacklog(0, 0)
_COLUMNS = ("phone", "title", "address.city", "department")


def line(glance: Glance) -> str:
    """Everything in one line, for where there is no terminal."""
    lag = " ".join(f"{name}={topic.unfinished}" for name, topic in sorted(glance.topics.items()))
    return (
        f"webhooks {glance.accepted}/{glance.posts}, documents {glance.documents} (revisions {glance.revisions}), "
        f"conflicts {glance.settled}, our writes {glance.our_commits}, edits in Salesforce {glance.seller_edits}, "
        f"lag {lag}"
    )


def tables(glance: Glance, kind: KindMapping, doing: str) -> RenderableType:
    """The whole view. `doing` says what is going on."""
    return Group(Text(doing, style="bold"), _flow(glance), _conflicts(glance.conflicts), _pairs(glance, kind))


def _flow(glance: Glance) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Counts in and out", title_justify="left")
    for name in ("stage", "in", "out", "lag"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    events, changes, writes = (
        glance.topics.get(name, _NONE) for name in (PLATFORM_EVENTS, SALESFORCE_CHANGES, SALESFORCE_WRITES)
    )
    people = glance.commits - glance.our_commits
    for stage, came, went, lag in (
        ("webhook: posts, accepted", glance.posts, glance.accepted, None),
        (
            f"{PLATFORM_EVENTS}: records, reconciled",
            events.records,
            events.records - events.unfinished,
            events.unfinished,
        ),
        ("documents: there, revisions", glance.documents, glance.revisions, glance.pending),
        (
            f"{SALESFORCE_WRITES}: doorbells, answered",
            writes.records,
            writes.records - writes.unfinished,
            writes.unfinished,
        ),
        ("Salesforce: commits, ours", glance.commits, glance.our_commits, None),
        ("Salesforce: commits by people", people, people, None),
        (
            f"{SALESFORCE_CHANGES}: records, reconciled",
            changes.records,
            changes.records - changes.unfinished,
            changes.unfinished,
        ),
    ):
        table.add_row(stage, f"{came:,}", f"{went:,}", "" if lag is None else f"{lag:,}")
    return table


def _conflicts(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Conflicts as they are settled", title_justify="left")
    for name in ("customer", "field", "platform", "Salesforce", "winner", "rule"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=26)
    for row in rows:
        sides = [
            Text(_shown(row[side]["value"]), style="green" if row["winner"] == side else "dim strike")
            for side in ("platform", "salesforce")
        ]
        note = f" {row['note']}" if row.get("note") else ""
        table.add_row(row["document"], row["path"], *sides, row["winner"], f"{row['rule']}{note}")
    return table


def _pairs(glance: Glance, kind: KindMapping) -> Table:
    """The last few documents on both sides."""
    names = {field.platform: field.salesforce for field in kind.fields if field.direction is Direction.BOTH}
    paths = [path for path in _COLUMNS if path in names] or list(names)[:4]
    table = Table(box=box.SIMPLE_HEAD, title="The last few documents, on both sides", title_justify="left")
    for name in ("customer", "side", *paths, "status"):
        table.add_column(name, no_wrap=True, overflow="ellipsis", max_width=24)
    for row in glance.newest:
        document = str(row["_id"])
        record = glance.records.get(document, {})
        status = (row.get("salesforce") or {}).get("syncStatus", "")
        table.add_row(document, "MongoDB", *(_shown(value_at(row, path)) for path in paths), status)
        table.add_row("", "Salesforce", *(_shown(record.get(names[path])) for path in paths), "")
    return table


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
