"""What the platform's people do, decided without I/O: from a seed, and from what they have seen, to the next event.

A whole record is built as such platforms build them: what was last read of the document, or the platform's own copy
with its own edits in it, or a reading of a little while ago. It changes one field for real, or none. A platform knows
its own unsent work: an edit whose post has not been accepted yet is in every later whole record.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.platform.journal import Seen, Sent
from simulator.platform.people import Exhausted, Inventor
from simulator.platform.sorts import CUSTOMER, Choose, Sort

_READINGS_KEPT = 4
_OLDEST_REVISION_BACK = 3


@dataclass(frozen=True, slots=True)
class Habits:
    """How often, of all edits, people do what. The rest of `whole` and `partial` are single named changes."""

    whole: float = 0.35
    partial: float = 0.2
    nothing_new: float = 0.2
    """Of whole and partial records: those that change nothing."""
    stale: float = 0.25
    """Of whole and partial records: those made from an older reading."""
    tells_seen: float = 0.25
    respelled: float = 0.1
    """Of repeated values: those written in another way."""
    duplicate: float = 0.06
    held_back: float = 0.06
    hold_seconds: float = 2.0
    hot: float = 0.6
    """Edits that go to the hot tenth of the things."""
    late_births: float = 0.0
    """New things whose first event is held back. Nobody edits such a thing before that event is taken."""
    decides: float = 0.04
    """Of the edits of things that may decide: how many are decisions."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """What the one whom a thing is about decides, told in events of their own: at first, by the thing's number from 0;
    and next, by the number and what was said so far, empty where nothing is decided any more."""

    at_first: Callable[[int], Mapping[str, Any]]
    next_of: Callable[[int, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Posting:
    """An event and how it is to be posted: so many times more, and so much later than it occurred."""

    event: Sent
    repeats: int = 0
    delay_seconds: float = 0.0


@dataclass(slots=True)
class _Thing:
    """What the platform knows of one document."""

    serials: dict[str, int] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    """The platform's own copy: what it last said of each field, as an edit or as a repetition."""
    unaccepted: dict[str, dict[str, Any]] = field(default_factory=dict)
    readings: deque[Seen] = field(default_factory=lambda: deque(maxlen=_READINGS_KEPT))
    last_occurred_at: int = 0


class Author:
    """Makes the platform's events of one sort of thing. The same seed, readings and times make the same events.

    `pools` gives values for paths whose values are a few: those of the sort's own, and the ids of other things. `known`
    are values that the first things are born with. `decisions` are of those whom the things are about.
    """

    def __init__(
        self,
        seed: int,
        habits: Habits | None = None,
        *,
        sort: Sort = CUSTOMER,
        prefix: str = "cust",
        pools: Mapping[str, Choose] | None = None,
        known: Sequence[Mapping[str, Any]] = (),
        decisions: Decisions | None = None,
    ) -> None:
        self._chance = random.Random(seed if sort is CUSTOMER else f"{sort.kind} {seed}")
        self._habits = habits or Habits()
        self._sort = sort
        self._prefix = f"{prefix}-{seed}"
        self._choices = {**sort.choices, **(pools or {})}
        self._known = known
        self._decisions = decisions
        self._edited = tuple(path for path in sort.edited if path not in self._choices)
        self._events = 0
        self._things: dict[str, _Thing] = {}
        self._ids: list[str] = []
        self._unborn: set[str] = set()

    @property
    def sort(self) -> Sort:
        """Of what."""
        return self._sort

    @property
    def kind(self) -> str:
        """What its event types begin with."""
        return self._sort.kind

    @property
    def prefix(self) -> str:
        """What ids begin with; a number follows, from 1."""
        return self._prefix

    @property
    def document_ids(self) -> list[str]:
        """Every thing made so far, oldest first."""
        return list(self._ids)

    def create(self, now: int) -> Posting:
        """A new thing, posted as a whole record."""
        number = len(self._ids)
        document_id = f"{self._prefix}-{number + 1}"
        thing = self._things[document_id] = _Thing()
        self._ids.append(document_id)
        sort, chance = self._sort, self._chance
        values = {path: self._invent(document_id, path, 0) for path in sort.edited if path not in self._choices}
        values |= {path: choose(chance) for path, choose in {**self._choices, **sort.given}.items()}
        if number < len(self._known):
            values |= self._known[number]
        if self._decisions is not None:
            values |= self._decisions.at_first(number)
        thing.serials = dict.fromkeys(sort.edited, 0)
        late = number > 0 and chance.random() < self._habits.late_births
        if late:
            self._unborn.add(document_id)
        return self._posting(document_id, now, sort.created, values, edits=tuple(values), late=late)

    def edit(self, now: int) -> Posting:
        """Someone at the platform saves something.

        Raises:
            IndexError: there is nothing yet.
        """
        habits, chance = self._habits, self._chance
        decision = self._decision(now)
        if decision is not None:
            return decision
        document_id = self._pick()
        thing = self._things[document_id]
        shape = chance.random()
        whole = shape < habits.whole
        if not whole and shape >= habits.whole + habits.partial:
            edit = self._new_value(document_id, thing, self._sort.edited)
            latest = thing.readings[-1].revision if thing.readings else None
            seen = latest if chance.random() < habits.tells_seen else None
            return self._posting(document_id, now, "updated", edit, edits=tuple(edit), changed=tuple(edit), seen=seen)
        view, revision = self._view(thing)
        if not whole:
            paths = sorted(view)
            view = {path: view[path] for path in chance.sample(paths, min(len(paths), chance.randint(2, 5)))}
        repeated = {path: self._perhaps_respelled(path, value) for path, value in view.items()}
        edit = {} if chance.random() < habits.nothing_new else self._new_value(document_id, thing, self._edited)
        seen = revision if chance.random() < habits.tells_seen else None
        return self._posting(document_id, now, "updated", repeated | edit, edits=tuple(edit), seen=seen)

    def saw(self, seen: Seen) -> bool:
        """The reader met this document; whether it was a revision not met before."""
        thing = self._things.get(seen.document_id)
        if thing is None or (thing.readings and seen.revision <= thing.readings[-1].revision):
            return False
        thing.readings.append(seen)
        return True

    def accepted(self, event: Sent) -> None:
        """The event was answered 2xx. One of another author's thing is none of this one's business."""
        thing = self._things.get(event.document_id)
        if thing is not None:
            thing.unaccepted.pop(event.event_id, None)
            self._unborn.discard(event.document_id)

    def _decision(self, now: int) -> Posting | None:
        if self._decisions is None or self._chance.random() >= self._habits.decides:
            return None
        open_ones = [
            (document_id, decided)
            for number, document_id in enumerate(self._ids)
            if document_id not in self._unborn
            and (decided := self._decisions.next_of(number, self._things[document_id].said))
        ]
        if not open_ones:
            return None
        document_id, decided = self._chance.choice(open_ones)
        paths = tuple(decided)
        return self._posting(document_id, now, "updated", decided, edits=paths, changed=paths)

    def _pick(self) -> str:
        """A thing: of one that is not born yet the next that is, or the first of all."""
        hot = max(1, len(self._ids) // 10)
        if self._chance.random() < self._habits.hot:
            place = self._chance.randrange(hot)
        else:
            place = self._chance.randrange(len(self._ids))
        if self._ids[place] in self._unborn:
            return next((one for one in self._ids[place:] if one not in self._unborn), self._ids[0])
        return self._ids[place]

    def _new_value(self, document_id: str, thing: _Thing, paths: Sequence[str]) -> dict[str, Any]:
        (path,) = self._chance.choices(paths, [1 / (1 + rank) for rank in range(len(paths))])
        try:
            if path in self._choices:
                return {path: self._another(thing, path)}
            value = self._invent(document_id, path, thing.serials[path] + 1)
        except Exhausted:
            return self._new_value(document_id, thing, [each for each in paths if each != path])
        thing.serials[path] += 1
        return {path: value}

    def _invent(self, document_id: str, path: str, serial: int) -> Any:
        return self._sort.invent(path, serial, Inventor.PLATFORM, self._chance, document_id)

    def _another(self, thing: _Thing, path: str) -> Any:
        """One of a few values, another one than the last; raises `Exhausted` where none is found."""
        tries = (self._choices[path](self._chance) for _ in range(8))
        for value in tries:
            if value != thing.said.get(path):
                return value
        raise Exhausted(path)

    def _view(self, thing: _Thing) -> tuple[dict[str, Any], int | None]:
        """What the author of a whole record looks at, and its revision where it is one reading, untouched."""
        if not thing.readings:
            return dict(thing.said), None
        latest = thing.readings[-1]
        choice = self._chance.random()
        if choice < self._habits.stale:
            recent = [each for each in thing.readings if latest.revision - each.revision <= _OLDEST_REVISION_BACK]
            reading = self._chance.choice(recent)
        elif choice < (1 + self._habits.stale) / 2:
            reading = latest
        else:
            return dict(latest.fields) | thing.said, None
        unsent = {path: value for fields in thing.unaccepted.values() for path, value in fields.items()}
        return dict(reading.fields) | unsent, None if unsent else reading.revision

    def _perhaps_respelled(self, path: str, value: Any) -> Any:
        return (
            self._sort.respell(path, value, self._chance) if self._chance.random() < self._habits.respelled else value
        )

    def _posting(
        self,
        document_id: str,
        now: int,
        verb: str,
        fields: Mapping[str, Any],
        *,
        edits: tuple[str, ...],
        changed: tuple[str, ...] | None = None,
        seen: int | None = None,
        late: bool = False,
    ) -> Posting:
        habits, chance, thing = self._habits, self._chance, self._things[document_id]
        self._events += 1
        # Two edits of one thing never bear the same time, so that its own author's order is never in doubt.
        thing.last_occurred_at = max(now, thing.last_occurred_at + 1)
        event_id = f"evt_{self._prefix}_{self._events}"
        thing.said.update(fields)
        for older in thing.unaccepted.values():
            for path in edits:
                older.pop(path, None)  # nobody's own newer edit is hidden by an older one that is still on its way
        thing.unaccepted[event_id] = {path: fields[path] for path in edits}
        event = Sent(
            event_id=event_id,
            type=f"{self._sort.kind}.{verb}",
            document_id=document_id,
            occurred_at=thing.last_occurred_at,
            fields=fields,
            edits=edits,
            changed=changed,
            seen=seen,
        )
        repeats = 1 if chance.random() < habits.duplicate else 0
        late = late or (verb == "updated" and chance.random() < habits.held_back)
        return Posting(event, repeats, chance.uniform(0.2, 1.0) * habits.hold_seconds if late else 0.0)
