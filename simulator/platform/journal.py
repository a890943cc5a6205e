"""The platform's own log: what it sent, what became of each post, and what it saw of its documents. Append-only.

One JSON object a line. `{"row": "sent", …}` is written before the first post, `{"row": "posted", …}` after each try,
`{"row": "seen", …}` at each new revision that the platform's reader met. An observer reads it with `read_journal`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Posted:
    """One try to post an event: when it ended, epoch milliseconds, and the HTTP status, 0 where none came."""

    at: int
    status: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One event of the platform. `fields` are by platform path; `edits` are the paths that its author really changed,
    the rest repeats what the author saw; `changed` and `seen` are what the event itself says."""

    event_id: str
    type: str
    document_id: str
    occurred_at: int
    fields: Mapping[str, Any]
    edits: tuple[str, ...]
    changed: tuple[str, ...] | None = None
    seen: int | None = None
    posted: list[Posted] = field(default_factory=list)

    @property
    def accepted_at(self) -> int | None:
        """When it was first answered 2xx."""
        return next((each.at for each in self.posted if 200 <= each.status < 300), None)


@dataclass(frozen=True, slots=True)
class Seen:
    """A revision of a document as the platform saw it, and when, epoch milliseconds."""

    document_id: str
    revision: int
    at: int
    fields: Mapping[str, Any]


class Journal:
    """Writes the log. Each row is handed to the operating system at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def sent(self, event: Sent) -> None:
        """The platform means to post this event."""
        self._write(
            {
                "row": "sent",
                "event_id": event.event_id,
                "type": event.type,
                "document_id": event.document_id,
                "occurred_at": event.occurred_at,
                "fields": dict(event.fields),
                "edits": event.edits,
                "changed": event.changed,
                "seen": event.seen,
            }
        )

    def posted(self, event_id: str, posted: Posted) -> None:
        """One try was made."""
        self._write({"row": "posted", "event_id": event_id, "at": posted.at, "status": posted.status})

    def seen(self, seen: Seen) -> None:
        """The platform's reader met this revision."""
        self._write(
            {
                "row": "seen",
                "document_id": seen.document_id,
                "revision": seen.revision,
                "at": seen.at,
                "fields": dict(seen.fields),
            }
        )

    def close(self) -> None:
        """No more rows."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))


def read_journal(path: Path) -> tuple[list[Sent], list[Seen]]:
    """Every event with its posts, and every revision seen, each in the order written."""
    sent: dict[str, Sent] = {}
    seen: list[Seen] = []
    for row in _rows(path):
        match row.pop("row"):
            case "sent":
                changed = row.pop("changed")
                row["edits"] = tuple(row["edits"])
                sent[row["event_id"]] = Sent(**row, changed=None if changed is None else tuple(changed))
            case "posted":
                sent[row["event_id"]].posted.append(Posted(row["at"], row["status"]))
            case "seen":
                seen.append(Seen(**row))
            case other:
                raise ValueError(f"unknown row {other!r}")
    return list(sent.values()), seen


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)
