"""What a replay would do: which part of a topic, what becomes of each record, and how that is told. No I/O."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, assert_never

from consumers.reconciler.rehearsal import Rehearsed
from ops.mapping_plan import Tally
from ops.moments import NoMoment, moment_of
from schemas import marks
from schemas.log_record import Record
from schemas.outcome import Outcome

_OFFSET: Final = re.compile(r"@(\d{1,6}):(\d{1,18})")
_HANDLED: Final = frozenset({str(outcome) for outcome in Outcome} - {Outcome.PARKED, Outcome.DEFERRED})
_LOOKED_AT: Final = "on_unlinked: "


class Effect(Enum):
    """What a replay does with a record, in the words of the plan."""

    APPLIED = "would be applied"
    AGAIN = "would be applied by a newer mapping than then"
    LOOKED_AT = "would be looked at by the writer: no document has them"
    ECHO = "would confirm a write of ours"
    STALE = "are stale: something later was heard"
    DUPLICATE = "were heard before"
    IGNORED = "would be ignored"
    PARKED = "would be parked"
    MARKED = "come from a replay themselves"
    LEFT_OUT = "are of other kinds or keys"


PUBLISHED: Final = frozenset({Effect.APPLIED, Effect.AGAIN, Effect.LOOKED_AT, Effect.ECHO})
"""The others change nothing, or would only be parked once more."""


@dataclass(frozen=True, slots=True)
class Offset:
    """A place in one partition."""

    partition: int
    offset: int


Edge = int | Offset
"""Epoch milliseconds, or a place."""


def edge_of(typed: str, *, now: int) -> Edge:
    """A time as `moment_of` takes it, or `@<partition>:<offset>`.

    Raises:
        NoMoment: it is neither.
    """
    if at := _OFFSET.fullmatch(typed.strip()):
        return Offset(int(at[1]), int(at[2]))
    try:
        return moment_of(typed, now=now)
    except NoMoment as error:
        raise NoMoment(f"{error}; or @3:1207 for offset 1207 of partition 3") from None


@dataclass(slots=True)
class Window:
    """By partition: from which offset to before which. `unhandled` come by themselves, `removed` are gone."""

    parts: dict[int, tuple[int, int]]
    unhandled: int = 0
    removed: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many records at most."""
        return sum(end - first for first, end in self.parts.values())


def window_of(
    bounds: Mapping[int, tuple[int, int]],
    start: Mapping[int, int],
    stop: Mapping[int, int],
    handled: Mapping[int, int],
) -> Window:
    """What lies between, as far as the log holds it and the reconciler has handled it. All by partition.

    A partition without a start is left out; without a stop it is taken to its end.
    """
    window = Window({})
    for partition, wanted in sorted(start.items()):
        begins, ends = bounds[partition]
        first = max(wanted, begins)
        end = min(stop.get(partition, ends), ends)
        known = min(end, max(first, handled.get(partition, first)))
        window.unhandled += max(0, end - known)
        if first < known:
            window.parts[partition] = (first, known)
        if begins and wanted <= begins:
            window.removed.append(f"partition {partition}: the log begins at offset {begins}; what was before is gone")
    return window


def effect_of(record: Record, told: Rehearsed, logged: Mapping[str, Any] | None, version: int) -> Effect:
    """What a replay does with a record that was rehearsed.

    `logged` is what the log says of its first coming, `version` that of the mapping in force.
    """
    if marks.REPLAY in record.headers:
        return Effect.MARKED
    match told.result.outcome:
        case Outcome.APPLIED if told.result.reason.startswith(_LOOKED_AT):
            return Effect.LOOKED_AT
        case Outcome.APPLIED:
            return Effect.AGAIN if _by_an_older(logged, version) else Effect.APPLIED
        case Outcome.ECHO:
            return Effect.ECHO
        case Outcome.STALE:
            return Effect.STALE
        case Outcome.DUPLICATE:
            return Effect.DUPLICATE
        case Outcome.IGNORED:
            return Effect.IGNORED
        case Outcome.PARKED | Outcome.DEFERRED:
            return Effect.PARKED
        case _:
            assert_never(told.result.outcome)


def _by_an_older(logged: Mapping[str, Any] | None, version: int) -> bool:
    """It ended well, and by an older mapping. Rows of earlier releases do not say by which."""
    return logged is not None and logged.get("outcome") in _HANDLED and logged.get("mapping", version) < version


@dataclass(slots=True)
class ReplayPlan:
    """Takes in what becomes of each record, in memory that does not grow with them: at most `names` ids a line."""

    names: int = 0
    read: int = 0
    lines_of: dict[tuple[Effect, str, str], Tally] = field(default_factory=dict)

    def add(self, effect: Effect, told: Rehearsed | None) -> None:
        """One record was looked at."""
        self.read += 1
        kind, why = "", ""
        if told is not None and effect is not Effect.LEFT_OUT:
            kind = ", ".join(told.kinds)
            if effect in (Effect.IGNORED, Effect.PARKED):
                why = told.result.reason.partition(": ")[0] if effect is Effect.PARKED else told.result.reason
        tally = self.lines_of.setdefault((effect, kind, why), Tally())
        tally.count += 1
        if told is not None and told.named and len(tally.ids) < self.names:
            tally.ids.append(told.named)

    def count(self, *effects: Effect) -> int:
        """How many records of these sorts."""
        return sum(tally.count for (effect, _kind, _why), tally in self.lines_of.items() if effect in effects)

    @property
    def to_publish(self) -> int:
        """How many would be published again."""
        return self.count(*PUBLISHED)

    def lines(self) -> Iterator[str]:
        """The plan as a person reads it: no personal data but the ids."""
        order = {effect: place for place, effect in enumerate(Effect)}
        for (effect, kind, why), tally in sorted(
            self.lines_of.items(), key=lambda line: (order[line[0][0]], line[0][1], line[0][2])
        ):
            about = ": ".join(part for part in (kind, why) if part)
            yield f"{tally.count:>11,}  {effect.value}{f' ({about})' if about else ''}"
            if tally.ids:
                more = ", …" if tally.count > len(tally.ids) else ""
                yield f"{'':13}{', '.join(tally.ids)}{more}"


def summary(plan: ReplayPlan, window: Window, topic: str) -> Iterator[str]:
    """The whole plan."""
    of = "" if len(window.parts) == 1 else "s"
    yield f"{topic}: {plan.read:,} records read, of {len(window.parts)} partition{of}"
    yield from plan.lines()
    yield from window.removed
    if window.unhandled:
        yield f"{window.unhandled:,} more in this window are not handled yet: they come by themselves"
    if plan.to_publish:
        rest = plan.read - plan.to_publish
        left = f"; {rest:,} {'is left where it is' if rest == 1 else 'are left where they are'}" if rest else ""
        yield f"{plan.to_publish:,} would be published again{left}"
    else:
        yield "nothing would change, so nothing is published"


def is_asked_for(told: Rehearsed, kinds: Sequence[str]) -> bool:
    """Whether it is of one of these kinds; of any where none is named."""
    return not kinds or bool(set(kinds).intersection(told.kinds))
