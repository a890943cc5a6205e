"""Papers and their lives, decided without I/O: orders, registrations, projects.

Each event is a copy of what the platform's own database holds of the paper, and does not name what changed. Some are
posted twice, and some so late that a newer copy has come before them.
"""

import random
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from simulator.platform.author import Habits, Posting
from simulator.platform.journal import Seen, Sent

DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to a paper: what its event type ends with, and the values that change."""

    verb: str
    changes: Mapping[str, Any]


class Life(Protocol):
    """How papers of one kind live."""

    kind: str

    def begin(self, chance: random.Random, number: int, now: int) -> Step:
        """The paper with this number, from 0, is made out: its first copy."""

    def go_on(self, chance: random.Random, paper: Mapping[str, Any], now: int) -> Step:
        """What happens next to a paper."""


class Clerk:
    """Makes the platform's events of the papers of one kind. The same seed and times make the same events."""

    def __init__(
        self, seed: int, life: Life, habits: Habits | None = None, *, prefix: str, kept: Container[str] = ()
    ) -> None:
        """`kept` are papers that are never deleted: what others name that cannot be without them. Were one deleted
        before it had a record, those would wait for it for good."""
        self._chance = random.Random(f"{life.kind} {seed}")
        self._life = life
        self._habits = habits or Habits()
        self._prefix = f"{prefix}-{seed}"
        self._kept = kept
        self._papers: dict[str, dict[str, Any]] = {}
        self._living: list[str] = []
        self._told: dict[str, int] = {}
        self._events = 0

    @property
    def kind(self) -> str:
        """What its event types begin with."""
        return self._life.kind

    @property
    def prefix(self) -> str:
        """What ids begin with; a number follows, from 1."""
        return self._prefix

    @property
    def document_ids(self) -> list[str]:
        """Every paper made out so far, oldest first."""
        return list(self._papers)

    def create(self, now: int) -> Posting:
        """A new paper."""
        number = len(self._papers)
        paper = f"{self._prefix}-{number + 1}"
        step = self._life.begin(self._chance, number, now)
        self._papers[paper] = {}
        self._living.append(paper)
        return self._posting(paper, now, step)

    def edit(self, now: int) -> Posting:
        """Something happens to a paper; the last one there is stays.

        Raises:
            IndexError: there is none yet.
        """
        paper = self._chance.choice(self._living)
        step = self._life.go_on(self._chance, self._papers[paper], now)
        while step.verb == DELETED and (len(self._living) == 1 or paper in self._kept):
            step = self._life.go_on(self._chance, self._papers[paper], now)
        return self._posting(paper, now, step)

    def saw(self, _seen: Seen) -> bool:
        """Nobody looks at a paper's document: the platform's own copy is the original."""
        return False

    def accepted(self, _event: Sent) -> None:
        """Nothing follows from it."""

    def _posting(self, paper: str, now: int, step: Step) -> Posting:
        chance, habits = self._chance, self._habits
        self._events += 1
        # Two copies of one paper never bear the same time: which is the newer is never in doubt.
        self._told[paper] = max(now, self._told.get(paper, 0) + 1)
        held = self._papers[paper]
        held.update(step.changes)
        gone = step.verb == DELETED
        if gone:
            self._living.remove(paper)
        event = Sent(
            event_id=f"evt_{self._prefix}_{self._events}",
            type=f"{self._life.kind}.{step.verb}",
            document_id=paper,
            occurred_at=self._told[paper],
            fields={} if gone else dict(held),
            edits=() if gone else tuple(step.changes),
        )
        repeats = 1 if chance.random() < habits.duplicate else 0
        late = chance.random() < habits.held_back
        return Posting(event, repeats, chance.uniform(0.2, 1.0) * habits.hold_seconds if late else 0.0)
