"""What the platform's people do, decided without I/O: from a seed, and from what they have seen, to the next event.

A whole record is built as such platforms build them: what was last read of the document, or the platform's own copy
with its own edits in it, or a reading of a little while ago. It changes one field for real, or none. A platform knows
its own unsent work: an edit whose post has not been accepted yet is in every later whole record.
"""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.platform.journal import Seen, Sent
from simulator.platform.people import PLATFORM_PATHS, Exhausted, Inventor, invent, invent_person, respell

_READINGS_KEPT = 4
_OLDEST_REVISION_BACK = 3
_WEIGHTS = tuple(1 / (1 + rank) for rank in range(len(PLATFORM_PATHS)))


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
    """Edits that go to the hot tenth of the customers."""


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
    """Makes the platform's events. The same seed, readings and times make the same events."""

    def __init__(
        self, seed: int, habits: Habits | None = None, *, kind: str = "customer", prefix: str = "cust"
    ) -> None:
        self._chance = random.Random(seed)
        self._habits = habits or Habits()
        self._kind = kind
        self._prefix = f"{prefix}-{seed}"
        self._events = 0
        self._things: dict[str, _Thing] = {}
        self._ids: list[str] = []

    @property
    def document_ids(self) -> list[str]:
        """Every thing made so far, oldest first."""
        return list(self._ids)

    def create(self, now: int) -> Posting:
        """A new customer, posted as a whole record."""
        document_id = f"{self._prefix}-{len(self._ids) + 1}"
        thing = self._things[document_id] = _Thing()
        self._ids.append(document_id)
        person = invent_person(self._chance)
        thing.serials = dict.fromkeys(PLATFORM_PATHS, 0)
        return self._posting(document_id, now, "created", person, edits=tuple(person))

    def edit(self, now: int) -> Posting:
        """Someone at the platform saves something.

        Raises:
            IndexError: there are no customers yet.
        """
        habits, chance = self._habits, self._chance
        document_id = self._pick()
        thing = self._things[document_id]
        shape = chance.random()
        whole = shape < habits.whole
        if not whole and shape >= habits.whole + habits.partial:
            edit = self._new_value(thing)
            latest = thing.readings[-1].revision if thing.readings else None
            seen = latest if chance.random() < habits.tells_seen else None
            return self._posting(document_id, now, "updated", edit, edits=tuple(edit), changed=tuple(edit), seen=seen)
        view, revision = self._view(thing)
        if not whole:
            paths = sorted(view)
            view = {path: view[path] for path in chance.sample(paths, min(len(paths), chance.randint(2, 5)))}
        repeated = {path: self._perhaps_respelled(path, value) for path, value in view.items()}
        edit = {} if chance.random() < habits.nothing_new else self._new_value(thing)
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
        """The event was answered 2xx."""
        self._things[event.document_id].unaccepted.pop(event.event_id, None)

    def _pick(self) -> str:
        hot = max(1, len(self._ids) // 10)
        if self._chance.random() < self._habits.hot:
            return self._ids[self._chance.randrange(hot)]
        return self._chance.choice(self._ids)

    def _new_value(self, thing: _Thing) -> dict[str, Any]:
        (path,) = self._chance.choices(PLATFORM_PATHS, _WEIGHTS)
        serial = thing.serials[path] + 1
        try:
            value = invent(path, serial, Inventor.PLATFORM, self._chance)
        except Exhausted:
            path = "title"
            serial = thing.serials[path] + 1
            value = invent(path, serial, Inventor.PLATFORM, self._chance)
        thing.serials[path] = serial
        return {path: value}

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
        return respell(path, value, self._chance) if self._chance.random() < self._habits.respelled else value

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
            type=f"{self._kind}.{verb}",
            document_id=document_id,
            occurred_at=thing.last_occurred_at,
            fields=fields,
            edits=edits,
            changed=changed,
            seen=seen,
        )
        repeats = 1 if chance.random() < habits.duplicate else 0
        late = verb == "updated" and chance.random() < habits.held_back
        return Posting(event, repeats, chance.uniform(0.2, 1.0) * habits.hold_seconds if late else 0.0)
