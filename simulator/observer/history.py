"""What the three witnesses say, as plain values: the platform's journal, the org's commit log, the audit rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

Row = Mapping[str, Any]
NOBODY: Final = "nobody"
"""In a commit's `by`: a value that came about, and that nobody has set."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A platform event as its author made it. `place` is its place in the journal, `occurred_at` epoch milliseconds.

    `fields` holds values by dotted platform path; `edits` are the paths that its author really changed, the rest
    repeats what the author saw; `changed` and `seen` are what the event itself says.
    """

    place: int
    event_id: str
    type: str
    document: str
    occurred_at: int
    fields: Mapping[str, Any]
    edits: frozenset[str]
    changed: frozenset[str] | None
    seen: int | None
    acknowledged_at: int | None
    """When one of its posts was first answered 2xx, epoch milliseconds."""

    @property
    def acknowledged(self) -> bool:
        """Whether one of its posts was."""
        return self.acknowledged_at is not None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the platform saw of its document, and when (epoch milliseconds)."""

    document: str
    revision: int
    at: int
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Commit:
    """One record's part of one commit of the org.

    `place` is its place in the log, `at` epoch milliseconds, `transaction` what it shares with other records' parts.
    `after` holds the fields whose value changed, `by` who set
    each (`api`, `user`, `trigger`), and `written` what a request asked for, whether or not it changed anything.
    """

    place: int
    number: int
    at: int
    origin: str
    client: str
    user: str
    entity: str
    record_id: str
    type: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    by: Mapping[str, str]
    written: Mapping[str, Any]
    transaction: str = ""

    @classmethod
    def of(cls, place: int, row: Row) -> Self:
        """A row of `GET /admin/commits`."""
        return cls(
            place=place,
            number=row["number"],
            at=row["timestamp"],
            origin=row.get("origin") or "",
            client=row.get("client") or "",
            user=row.get("user") or "",
            entity=row["entity"],
            record_id=row["record_id"],
            type=str(row["type"]).upper(),
            before=row.get("before") or {},
            after=row.get("after") or {},
            by=row.get("by") or {},
            written=row.get("written") or {},
            transaction=row.get("transaction_key") or "",
        )


@dataclass(frozen=True, slots=True)
class Named:
    """The side of an audit row that lost: whose value, and when it was made (epoch milliseconds)."""

    document: str
    field: str
    side: str
    value: Any
    at: int
    event: str


def read_journal(rows: Iterable[Row]) -> tuple[list[Sent], list[Seen]]:
    """The events and the looks, each in order of time, from rows `sent`, `posted` (one for each try) and `seen`."""
    sent: list[Row] = []
    seen: list[Seen] = []
    acknowledged: dict[str, int] = {}
    for row in rows:
        match row["row"]:
            case "sent":
                sent.append(row)
            case "posted":
                if 200 <= row["status"] < 300:
                    acknowledged.setdefault(row["event_id"], row["at"])
            case "seen":
                seen.append(Seen(row["document_id"], row["revision"], row["at"], row["fields"]))
            case other:
                raise ValueError(f"the journal has a row of an unknown sort: {other!r}")
    events = [_sent(place, row, acknowledged.get(row["event_id"])) for place, row in enumerate(sent)]
    events.sort(key=lambda event: (event.occurred_at, event.place))
    seen.sort(key=lambda look: look.at)
    return events, seen


def _sent(place: int, row: Row, acknowledged_at: int | None) -> Sent:
    changed = row["changed"]
    return Sent(
        place=place,
        event_id=row["event_id"],
        type=row["type"],
        document=row["document_id"],
        occurred_at=row["occurred_at"],
        fields=row["fields"],
        edits=frozenset(row["edits"]),
        changed=None if changed is None else frozenset(changed),
        seen=row["seen"],
        acknowledged_at=acknowledged_at,
    )


def read_commits(rows: Iterable[Row]) -> list[Commit]:
    """The commit log, in commit order."""
    return [Commit.of(place, row) for place, row in enumerate(sorted(rows, key=lambda row: int(row["number"])))]


def read_losers(rows: Iterable[Row], kind: str) -> list[Named]:
    """The losing value of every audit row of this kind."""
    return [
        Named(
            document=row["document"],
            field=row["field"],
            side=row["lost"]["side"],
            value=row["lost"]["value"],
            at=row["lost"]["at"],
            event=row.get("event") or "",
        )
        for row in rows
        if row.get("type") == "audit" and row.get("kind") == kind and row.get("lost")
    ]


@dataclass(frozen=True, slots=True)
class Settled:
    """A conflict as its audit row tells it: both values, the policy, who won, and what was made of both if they did."""

    document: str
    field: str
    policy: str
    platform: Any
    salesforce: Any
    winner: str
    result: Any
    of_one_side: bool
    """Both values were Salesforce's: the document had shown the one."""
    row: str


def read_settled(rows: Iterable[Row], kind: str) -> list[Settled]:
    """Every audit row of this kind that tells of a conflict (merge rules 13 and 18)."""
    found = []
    for row in rows:
        rule, _, policy = str(row["rule"]).partition(".")
        if row.get("kind") != kind or rule not in ("13", "18"):
            continue
        found.append(
            Settled(
                document=row["document"],
                field=row["field"],
                policy=policy,
                platform=row["platform"]["value"],
                salesforce=row["salesforce"]["value"],
                winner=row["winner"],
                result=row.get("result"),
                of_one_side=bool(row.get("lost")) and row["lost"]["side"] == row["winner"],
                row=str(row.get("_id", "")),
            )
        )
    return found


def value_at(fields: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, written flat (`{"address.city": …}`) or nested; None where there is none."""
    if path in fields:
        return fields[path]
    value: Any = fields
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def names(fields: Mapping[str, Any], path: str) -> bool:
    """Whether the path is there at all, even with null."""
    if path in fields:
        return True
    value: Any = fields
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True
