"""A customer, its Contact, and what was told of them so far. `Story` has the steps."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from consumers.rules.platform import Assertion, assert_platform
from consumers.rules.rows import Row, apply_row
from consumers.rules.timing import Timing
from consumers.rules.writes import Step, Until, give_up_unanswered, next_step
from schemas.event_reading import modelled
from schemas.outcome import Result
from schemas.platform_event import PlatformEvent
from support.merge_examples.words import call_of, from_then_on
from support.merge_world import OF_POLICY, World

TEN: Final = 1_795_341_600_000
"""10:00 of 22 November 2026, UTC, when every example begins."""
FIELDS: Final = {
    "phone": "Phone",
    "title": "Title",
    "total": "Total__c",
    "tier": "Tier__c",
    **{field["platform"]: field["salesforce"] for field in OF_POLICY.values()},
}
NO_RECORD: Final = "no record"


@dataclass(frozen=True)
class Line:
    """One step and what both sides hold after it: a row of the table."""

    at: int
    what: str
    outcome: str
    document: Any
    salesforce: Any
    next_call: str


@dataclass(frozen=True)
class End:
    """How an example ends: what the document shows, what Salesforce holds, which call is next, and what was kept.

    `outcomes` are those of the events and rows, in order. `audit` holds the rule, the winner and the lost value of each
    audit row; nothing is lost where nobody wins.
    """

    document: Any
    salesforce: Any
    next_call: str
    outcomes: tuple[str, ...]
    audit: tuple[tuple[str, str, Any], ...]


class Tale:
    """The world with the waits of production, its lines, and the end that it must have."""

    def __init__(self, *, policy: str, about: str, on_delete: dict[str, str] | None = None) -> None:
        """`about` is the platform's name of the field that the table shows."""
        started = TEN - 600_000
        self.world = World(random.Random(1), policy=policy, on_delete=on_delete or {}, now=started, timing=Timing())
        self.about = about
        self.lines: list[Line] = []
        self.expected: End | None = None
        self._result: Result | None = None

    def at(self, seconds: int) -> Self:
        """Let time pass until so many seconds after ten."""
        self.world.now = max(self.world.now, TEN + seconds * 1_000)
        return self

    def tell(self, what: str, outcome: str = "") -> Self:
        """Add a line, with the outcome of what was taken in since the last one unless another is given."""
        world = self.world
        if not outcome and self._result is not None:
            outcome = str(self._result.outcome)
        self._result = None
        shown = (world.stored or {}).get(self.about)
        held = NO_RECORD if world.record is None else world.record.get(FIELDS[self.about])
        self.lines.append(Line(world.now, what, outcome, shown, held, self._next_call()))
        return self

    def tell_start(self, what: str) -> Self:
        """The first line: what came before it is told by it alone."""
        self._result = None
        return self.tell(what)

    def tell_more(self, what: str) -> None:
        """Add to the line before."""
        self.lines[-1] = replace(self.lines[-1], what=f"{self.lines[-1].what}; {what}")

    def next_step(self, now: int | None = None) -> Step:
        """What the rules want asked next, now or at a later time."""
        world = self.world
        now = world.now if now is None else now
        state = world.load()
        give_up_unanswered(state, world.kind, world.timing, now=now)
        return next_step(state, world.kind, world.timing, now=now)

    def ends(
        self,
        *,
        document: Any,
        salesforce: Any,
        next_call: str = "none",
        outcomes: str = "",
        audit: tuple[tuple[str, str, Any], ...] = (),
    ) -> Self:
        """What this example must end in; `outcomes` with commas between."""
        self.expected = End(document, salesforce, next_call, tuple(outcomes.split(", ")) if outcomes else (), audit)
        return self

    def end(self) -> End:
        """What it did end in."""
        last = self.lines[-1]
        return End(
            last.document,
            last.salesforce,
            last.next_call,
            tuple(line.outcome for line in self.lines if line.outcome),
            tuple((row["rule"], row["winner"], (row["lost"] or {}).get("value")) for row in self.world.audit.values()),
        )

    def take_post(self, event_id: str, fields: dict[str, Any], dated: int | None = None, **more: Any) -> None:
        """Take a platform event in; `more` is what an `Assertion` may have beside."""
        world = self.world
        timestamp = None if dated is None else datetime.fromtimestamp(TEN / 1_000 + dated, UTC)
        event = PlatformEvent.model_validate(
            {"type": "customer.updated", "timestamp": timestamp, "data": {"id": "c-1", "fields": fields}}
        )
        state = world.load()
        assertion = Assertion(event_id, modelled(event).occurred_at(received_at=world.now), fields, **more)
        self._result = assert_platform(state, assertion, world.kind, world.occasion(event_id))
        world.save(state)

    def hear(self) -> None:
        """Take the next change event in."""
        self._result = self.world.deliver_change()
        assert self._result is not None, "there is no event to hear"

    def row(self) -> Row:
        """What a whole read that begins now will answer."""
        world = self.world
        values = None if world.record is None else {**dict.fromkeys(world.kind.by_name), **world.record}
        return Row(world.now, world.now, values, world.modified)

    def take_row(self, row: Row) -> None:
        """Take the answer of a whole read in."""
        world = self.world
        world.now = max(world.now, row.began_at + 1)
        state = world.load()
        self._result = apply_row(state, row, world.kind, world.occasion(f"row@{row.modified}:{state.next_revision}"))
        world.save(state)

    def _next_call(self) -> str:
        step = self.next_step()
        if not isinstance(step, Until):
            return call_of(step)
        at = step.at
        while isinstance(later := self.next_step(at), Until):
            assert later.at > at, "the rules wait for a time that has come"
            at = later.at
        return from_then_on(at, call_of(later))
