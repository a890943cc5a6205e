"""Which commits are of one thing, though its record was merged into another or was a lead that became a contact."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Final

from schemas.place import CONVERTED_TO
from simulator.observer.history import NOBODY, Commit
from simulator.observer.places import ENDS

_DELETIONS: Final = ("DELETE", "HARD_DELETE")


@dataclass(frozen=True, slots=True)
class _Hop:
    """One record's end in another: the commit that tells of it."""

    commit: Commit
    to: str


class Lineage:
    """A kind's log, record by record, with what became of each."""

    def __init__(self, log: Sequence[Commit]) -> None:
        self._of: dict[str, list[Commit]] = defaultdict(list)
        self._hops: dict[str, _Hop] = {}
        for commit in log:
            self._of[commit.record_id].append(commit)
            to = next((str(commit.after[name]) for name in ENDS if commit.after.get(name)), "")
            if to:
                # A merge of the contact later changes what the lead says it became; the way still leads over that one.
                self._hops.setdefault(commit.record_id, _Hop(commit, to))
            elif commit.type == "UNDELETE":
                self._hops.pop(commit.record_id, None)

    def of(self, record_id: str) -> Sequence[Commit]:
        """One record's own commits."""
        return self._of.get(record_id, ())

    def successor(self, record_id: str) -> str:
        """The record that has taken its place, at the end of the chain; itself where none has."""
        seen = {record_id}
        while record_id in self._hops and self._hops[record_id].to not in seen:
            record_id = self._hops[record_id].to
            seen.add(record_id)
        return record_id

    def was_deleted(self, record_id: str) -> bool:
        """It is gone, and nothing has taken its place."""
        commits = self.of(record_id)
        gone = bool(commits) and commits[-1].type in _DELETIONS
        return gone and record_id not in self._hops

    def deletion(self, record_id: str) -> Commit | None:
        """The commit by which it went into the recycle bin and has not come back; nothing where it went past the bin,
        of which no change event tells."""
        gone = takewhile(lambda commit: commit.type in _DELETIONS, reversed(self.of(record_id)))
        return next((commit for commit in gone if commit.type == "DELETE"), None)

    def history(self, record_id: str, bearers: Iterable[str], token: str) -> list[Commit]:
        """A thing's commits in order: those of its record, and before them of records of its that ended in it.

        `bearers` are the records that ever bore its external id. Where a record ended in another, one commit stands for
        what its user did: every value that the other one held from then on, put over what the thing's had held.
        """
        chain = max((self._way(one, record_id) for one in sorted({*bearers, record_id})), key=len)
        found: list[Commit] = []
        since = -1
        for place, one in enumerate(chain):
            own = [commit for commit in self.of(one) if commit.place > since]
            if place + 1 < len(chain):
                hop = self._hops[one]
                crossing, since = self._crossing(one, hop, token)
                own = [commit for commit in own if commit.place < hop.commit.place]
                found += [*own, crossing]
            else:
                found += own
        return found

    def _way(self, one: str, to: str) -> list[str]:
        """From one record to the one that it ended in at last, both included; none where it ended in another."""
        way = [one]
        while way[-1] != to:
            hop = self._hops.get(way[-1])
            if hop is None or hop.to in way:
                return []
            way.append(hop.to)
        return way

    def _crossing(self, one: str, hop: _Hop, token: str) -> tuple[Commit, int]:
        """The commit of the merge or conversion as one of the thing's, and the place of the last row it stands for."""
        held = _state(commit for commit in self.of(one) if commit.place < hop.commit.place)
        own = [
            commit
            for commit in self.of(hop.to)
            if commit.place < hop.commit.place or commit.transaction == hop.commit.transaction
        ]
        taken = _state(own)
        after = {name: taken.get(name) for name in {*held, *taken} if name != token}
        since = max([hop.commit.place, *(commit.place for commit in own)])
        by = {name: NOBODY if _left_behind(hop, name, value) else "user" for name, value in after.items()}
        made = replace(hop.commit, type="UPDATE", before=held, after=after, by=by, written={}, record_id=hop.to)
        return made, since


def _left_behind(hop: _Hop, name: str, value: Any) -> bool:
    """A conversion carries a custom field along where an admin has said so, and else nobody has emptied it."""
    return bool(hop.commit.after.get(CONVERTED_TO)) and name.endswith("__c") and (value is None or value is False)


def _state(commits: Iterable[Commit]) -> dict[str, Any]:
    held: dict[str, Any] = {}
    for commit in commits:
        held |= commit.after
    return held
