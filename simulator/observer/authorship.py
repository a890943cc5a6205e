"""Who made which edit: the platform's from its journal, Salesforce's from the commit log replayed record by record."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Self

from schemas.field_mapping import Direction, FieldMapping, Policy
from schemas.transforms import compile_field
from simulator.observer.history import NOBODY, Commit, Seen, Sent, names, value_at

Key = Hashable
_HOLDING: Final = frozenset({Policy.REVIEW, Policy.FILL_ONLY})


@dataclass(frozen=True, slots=True)
class MappedField:
    """One mapped field as the judge needs it. `key` is the form in which values of both sides are compared."""

    path: str
    name: str
    pushes: bool
    pulls: bool
    key: Callable[[Any], Key]
    snapshot: bool = False
    """An unnamed value is what the platform's database held, and never an old page's."""
    policies: frozenset[Policy] = frozenset()
    """What settles its conflicts."""
    may_hold: bool = False
    """A value may rightly be kept back from the record."""
    derived: bool = False
    """Nobody asserts it."""

    @classmethod
    def of(cls, mapping: FieldMapping, *, snapshots: bool = False, parents: Mapping[str, str] | None = None) -> Self:
        """A field of the mapping. `parents` are, for a lookup, the documents of the records that it may name."""
        policies = frozenset({mapping.policy, mapping.first or mapping.policy})
        return cls(
            path=mapping.platform,
            name=mapping.salesforce,
            pushes=mapping.direction in (Direction.PUSH, Direction.BOTH),
            pulls=mapping.direction in (Direction.PULL, Direction.BOTH),
            key=compile_field(mapping).key if parents is None else _parent_key(parents),
            snapshot=snapshots and mapping.direction is Direction.PUSH,
            policies=policies,
            may_hold=mapping.create_only or mapping.consent is not None or not policies.isdisjoint(_HOLDING),
            derived=mapping.derive is not None,
        )


def _parent_key(parents: Mapping[str, str]) -> Callable[[Any], Key]:
    """The platform names a parent by its id and the org by its record's: both are compared by the platform's id.

    A parent that the platform does not know is named by its record's id on both sides.
    """

    def key(value: Any) -> Key:
        name = str(value or "").strip()
        return parents.get(name, name) or None

    return key


class Standing(Enum):
    """How sure it is that an assertion of the platform's was an edit."""

    SURE = auto()
    UNSURE = auto()
    """A stale view as likely, or never acknowledged: it may explain what is there, and is not judged."""
    RESTATED = auto()
    """Named as changed, and not changed: no edit, though a reason to write it."""


@dataclass(frozen=True, slots=True)
class PlatformEdit:
    """A value that the platform's author set."""

    event: Sent
    key: Key
    value: Any
    standing: Standing

    @property
    def judged(self) -> bool:
        """Whether it must be accounted for."""
        return self.standing is Standing.SURE

    @property
    def at(self) -> int:
        """When it was made, epoch milliseconds."""
        return self.event.occurred_at


@dataclass(frozen=True, slots=True)
class SalesforceEdit:
    """A value that a user, a trigger or another integration set in the record.

    `over` are the values its author could see in the record: what stood there before, and for a trigger also what the
    request wrote.
    """

    commit: Commit
    key: Key
    value: Any
    author: str
    over: frozenset[Key]

    @property
    def judged(self) -> bool:
        """Whether it must be accounted for: the commit log leaves no doubt."""
        return True

    @property
    def at(self) -> int:
        """When it was committed, epoch milliseconds."""
        return self.commit.at


@dataclass(frozen=True, slots=True)
class OurWrite:
    """A field as a commit of ours wrote it, what stood there before, and the Salesforce edit that had put it there."""

    commit: Commit
    key: Key
    before: Key
    setter: SalesforceEdit | None


@dataclass(slots=True)
class FieldHistory:
    """All that happened to one field of one record, in commit order."""

    edits: list[SalesforceEdit] = field(default_factory=list)
    writes: list[OurWrite] = field(default_factory=list)
    held: list[tuple[int, Key]] = field(default_factory=list)
    """What the record held, and since when (epoch milliseconds)."""


@dataclass(frozen=True, slots=True)
class Ours:
    """How our own commits are told: they change the token, or bear the mark or the user of commits that did.

    A write whose token or mark was forgotten is thereby still known as ours.
    """

    token: str
    clients: frozenset[str]
    users: frozenset[str]

    @classmethod
    def learn(cls, token: str, commits: Iterable[Commit]) -> "Ours":
        """From the commits that changed the token."""
        named = [commit for commit in commits if is_token(commit.after.get(token))]
        return cls(
            token,
            frozenset(commit.client for commit in named if commit.client),
            frozenset(commit.user for commit in named if commit.user),
        )

    def made(self, commit: Commit) -> bool:
        """True where the commit came from us."""
        if is_token(commit.after.get(self.token)):
            return True
        by_api = "api" in commit.by.values() or bool(commit.written)
        human = "user" in commit.by.values()
        return by_api and not human and (commit.client in self.clients or commit.user in self.users)


def is_token(value: Any) -> bool:
    """`<document id>:<number>`."""
    return isinstance(value, str) and value.rpartition(":")[2].isdecimal() and ":" in value


def replay(commits: Sequence[Commit], fields: Sequence[MappedField], ours: Ours) -> dict[str, FieldHistory]:
    """The history of every mapped field of one record, by Salesforce name, from its commits in order."""
    histories = {mapped.name: FieldHistory() for mapped in fields}
    setters: dict[str, SalesforceEdit | None] = {}
    raw: dict[str, Any] = {}
    for commit in commits:
        our_own = ours.made(commit)
        for mapped in fields:
            history = histories[mapped.name]
            before = history.held[-1][1] if history.held else None
            after = mapped.key(commit.after[mapped.name]) if mapped.name in commit.after else before
            if after != before or not history.held:
                history.held.append((commit.at, after))
            written = our_own and mapped.name in commit.written
            if written:
                asked = mapped.key(commit.written[mapped.name])
                history.writes.append(OurWrite(commit, asked, before, setters.get(mapped.name)))
            raw[mapped.name] = commit.after.get(mapped.name, raw.get(mapped.name))
            edit = _edit(commit, mapped, raw[mapped.name], before, our_own=our_own)
            if edit is not None:
                history.edits.append(edit)
                setters[mapped.name] = edit
            elif after != before:
                setters[mapped.name] = None
    return histories


def _edit(commit: Commit, mapped: MappedField, value: Any, before: Key, *, our_own: bool) -> SalesforceEdit | None:
    """The edit that somebody in Salesforce made of this field in this commit, if one did; `value` is what it left."""
    after = mapped.key(value)
    over = {before}
    author = commit.by.get(mapped.name, "trigger")
    if author == NOBODY and mapped.pushes:
        return None  # it is written there again; of a field that only comes back it is what there is now
    if our_own and mapped.name in commit.written:
        asked = mapped.key(commit.written[mapped.name])
        over.add(asked)
        if asked == after:
            return None
        author = "trigger"  # it rewrote what we asked for, or put the old value back
    elif after == before or (our_own and author == "api"):
        return None
    return SalesforceEdit(commit, after, value, author, frozenset(over))


def platform_edits(
    events: Sequence[Sent], looks: Sequence[Seen], held: Sequence[tuple[int, Key]], mapped: MappedField
) -> list[PlatformEdit]:
    """The edits of one field of one document; `events` and `looks` in order of time, `held` what its record held.

    An edit that its event does not name, to what had been a value of the field before, cannot be told from a stale view
    by anyone but its author (merge rule 4): it is not judged, unless its event is a snapshot.
    """
    edits: list[PlatformEdit] = []
    values = [(look.at, mapped.key(value_at(look.fields, mapped.path))) for look in looks] + list(held)
    earliest: dict[Key, int] = {None: 0}
    for at, key in values:
        earliest[key] = min(at, earliest.get(key, at))
    for event in events:
        if not names(event.fields, mapped.path):
            continue
        value = value_at(event.fields, mapped.path)
        key = mapped.key(value)
        named = event.changed is not None and mapped.path in event.changed
        if mapped.path in event.edits:
            stale = not (named or mapped.snapshot) and earliest.get(key, event.occurred_at + 1) <= event.occurred_at
            standing = Standing.SURE if event.acknowledged and not stale else Standing.UNSURE
            edits.append(PlatformEdit(event, key, value, standing))
        elif named:
            edits.append(PlatformEdit(event, key, value, Standing.RESTATED))
        earliest[key] = min(event.occurred_at, earliest.get(key, event.occurred_at))
    return edits


def could_look(look: Seen, event: Sent) -> bool:
    """Whether the author of the event may have had this look at the document before it."""
    return look.at <= event.occurred_at and (event.seen is None or look.revision <= event.seen)


def linked_records(commits: Iterable[Commit], external_id: str) -> Mapping[str, str]:
    """Document ids by record id, from the external ids that the records were ever given."""
    links: dict[str, str] = {}
    for commit in commits:
        document = commit.after.get(external_id)
        if document:
            links[commit.record_id] = str(document)
    return links
