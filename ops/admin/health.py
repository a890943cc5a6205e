"""Whether all is well, in one sentence, and what is not. No I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from adapters.mongo.overview import MOST, KindCounts, Owner, StreamPosition
from ops.admin.lately import Lately, Targets, Took, of_targets
from ops.admin.process_signs import last_frame, of_org, of_processes
from ops.admin.sign import HOUR, MINUTE, STATE, Level, Sign, counted
from ops.admin.untended import Untended, of_untended
from ops.reviews_view import age
from schemas.allocation import Allocation
from schemas.process import ProcessSeen

LATE_DUE: Final = 15 * MINUTE
"""How long a document may be due: it gathers, waits for its turn, is tried again."""
OLD_POSITION: Final = 48 * HOUR + 10 * MINUTE
"""Salesforce keeps change events for 72 hours. Where nobody edits, a position is renewed once it is two days old."""
USED: Final = 0.8
NEARLY_ALL_USED: Final = 0.9
MANY_WAIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Flow:
    """One stage: its topic, the records in it in all, and how many are still to do; None where Kafka is away."""

    stage: str
    topic: str
    total: int | None
    lag: int | None
    rate: float | None = None
    """Records a minute of the last few minutes; None where nobody looked."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the first page shows. Times are epoch milliseconds."""

    level: Level
    sentence: str
    signs: Sequence[Sign]
    flow: Sequence[Flow]
    kinds: Sequence[KindCounts]
    parked: int
    open_gaps: int
    reviews: int
    due: int
    refused: int
    api_used: int | None
    api_limit: int | None
    api_forecast: int | None
    deliveries_used: int | None
    deliveries_limit: int | None
    deliveries_forecast: int | None
    held: int
    deferred: int
    """Records and writes of the last hour that were put off."""
    took: Sequence[Took]
    success: float | None
    """Of the last hour, as `errors` and `lookup_ms`: the share of the writes that ended that Salesforce took."""
    errors: float | None
    lookup_ms: int | None
    targets: Targets
    stream_owner: str
    stream_heard: int | None
    """Milliseconds since the last frame; None where nobody tells."""
    positions: Sequence[StreamPosition]
    last_sync: int
    seen_at: int
    at_least: frozenset[str] = frozenset()
    """Which of the numbers were not counted to their end: there are so many or more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read, to be judged."""

    kinds: Sequence[KindCounts]
    parked: int
    open_gaps: int
    owners: Sequence[Owner]
    positions: Sequence[StreamPosition]
    allocation: tuple[int, int, int] | None
    last_sync: int
    flow: Sequence[Flow]
    away: dict[str, str]
    """By part: what this process cannot reach, and the sort of the error."""
    now: int
    processes: Sequence[ProcessSeen]
    refused: Sequence[str] = ()
    """The codes with which Salesforce has ended connections."""
    lately: Lately = field(default_factory=Lately)
    untended: Untended = field(default_factory=Untended)
    deliveries: Allocation | None = None
    """Of events, in a day, where that is known."""


def judge(facts: Facts) -> Overview:
    """The facts, and what they come to."""
    signs = sorted(_signs(facts), key=lambda sign: [Level.ILL, Level.LOOK, Level.WELL].index(sign.level))
    level = signs[0].level if signs else Level.WELL
    used, limit, seen_at = facts.allocation or (None, None, 0)
    events = facts.deliveries
    stream = [owner for owner in facts.owners if _is_stream(owner)]
    return Overview(
        level=level,
        sentence=_sentence(level, signs),
        signs=signs,
        flow=facts.flow,
        kinds=facts.kinds,
        parked=facts.parked,
        open_gaps=facts.open_gaps,
        reviews=sum(kind.reviews for kind in facts.kinds),
        due=sum(kind.due for kind in facts.kinds),
        refused=sum(kind.refused for kind in facts.kinds),
        api_used=used,
        api_limit=limit,
        api_forecast=None if used is None else forecast(used, seen_at),
        deliveries_used=None if events is None else events.used,
        deliveries_limit=None if events is None else events.limit,
        deliveries_forecast=None if events is None else forecast(events.used, events.seen_at),
        held=sum(kind.held for kind in facts.kinds),
        deferred=facts.lately.deferred,
        took=facts.lately.took,
        success=facts.lately.success,
        errors=facts.lately.errors,
        lookup_ms=facts.lately.lookup_ms,
        targets=Targets(),
        stream_heard=last_frame(facts.processes),
        stream_owner=next((owner.owner for owner in stream if owner.held), ""),
        positions=facts.positions,
        last_sync=facts.last_sync,
        seen_at=facts.now,
        at_least=_at_least(facts),
    )


def _at_least(facts: Facts) -> frozenset[str]:
    counted = {"parked": [facts.parked], "open_gaps": [facts.open_gaps]} | {
        name: [getattr(kind, name) for kind in facts.kinds] for name in ("due", "refused", "reviews", "held")
    }
    return frozenset(name for name, numbers in counted.items() if any(number >= MOST for number in numbers))


def forecast(used: int, seen_at: int) -> int:
    """Calls used by the next midnight (UTC) if the rest of the day goes as it went so far."""
    passed = seen_at % (24 * HOUR)
    return used if passed < HOUR else round(used * 24 * HOUR / passed)


def _is_stream(owner: Owner) -> bool:
    return owner.name.startswith("changes:")


def _signs(facts: Facts) -> Iterator[Sign]:
    yield from of_processes(facts.processes, facts.away)
    yield from of_org(facts.processes, facts.refused)
    yield from _of_stream(facts)
    yield from _of_waiting(facts)
    for kind in facts.kinds:
        yield from _of_kind(kind, facts.now)
    yield from of_untended(facts.untended, facts.now)
    yield from of_targets(facts.lately, facts.parked)
    yield from _of_allocation(facts)


def _of_stream(facts: Facts) -> Iterator[Sign]:
    if not any(owner.held for owner in facts.owners if _is_stream(owner)):
        told = "nobody listens to Salesforce's changes: no subscriber owns the stream"
        yield Sign("no_subscriber", Level.ILL, told, STATE)
    for position in facts.positions:
        if facts.now - position.moved_at > OLD_POSITION:
            told = f"the position of {position.channel} has not moved for {age(facts.now - position.moved_at)}"
            yield Sign(f"old_position:{position.channel}", Level.ILL, told, "/admin/gaps")


def _of_waiting(facts: Facts) -> Iterator[Sign]:
    if facts.open_gaps:
        yield Sign("gaps", Level.LOOK, f"{counted(facts.open_gaps, 'gap')} not closed yet", "/admin/gaps")
    if facts.parked:
        told = f"{counted(facts.parked, 'parked record')} waiting for a person"
        yield Sign("parked", Level.LOOK, told, "/admin/parked")
    for flow in facts.flow:
        if flow.lag is not None and flow.lag > MANY_WAIT:
            yield Sign(f"lag:{flow.topic}", Level.LOOK, f"{flow.lag:,} records wait for {flow.stage}", STATE)


def _of_kind(kind: KindCounts, now: int) -> Iterator[Sign]:
    if kind.refused:
        told = f"Salesforce refused the writes of {counted(kind.refused, kind.kind)}"
        yield Sign(f"refused:{kind.kind}", Level.LOOK, told, f"/admin/parked?kind={quote(kind.kind)}")
    if kind.reviews:
        told = f"conflicts in {counted(kind.reviews, kind.kind)} waiting for a choice"
        yield Sign(f"reviews:{kind.kind}", Level.LOOK, told, "/admin/conflicts")
    if kind.oldest_due and now - kind.oldest_due > LATE_DUE:
        told = f"a {kind.kind} has been due for {age(now - kind.oldest_due)}"
        yield Sign(f"late:{kind.kind}", Level.LOOK, told, STATE)


def _of_allocation(facts: Facts) -> Iterator[Sign]:
    used, limit, _ = facts.allocation or (0, 0, 0)
    if limit and used / limit >= USED:
        level = Level.ILL if used / limit >= NEARLY_ALL_USED else Level.LOOK
        yield Sign("api_calls", level, f"{used / limit:.0%} of the day's API calls are used", STATE)
    used, limit = (0, 0) if facts.deliveries is None else (facts.deliveries.used, facts.deliveries.limit)
    if limit and used / limit >= USED:
        level = Level.ILL if used / limit >= NEARLY_ALL_USED else Level.LOOK
        yield Sign("event_deliveries", level, f"{used / limit:.0%} of the day's event deliveries are used", STATE)


def _sentence(level: Level, signs: Sequence[Sign]) -> str:
    more = f", and {len(signs) - 1} more to look at" if len(signs) > 1 else ""
    match level:
        case Level.WELL:
            return "All is well: both sides are heard, and nothing waits for a person."
        case Level.LOOK:
            return f"Running; {signs[0].told}{more}."
        case Level.ILL:
            return f"Not well: {signs[0].told}{more}."
