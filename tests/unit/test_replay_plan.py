"""What a replay would do, and how that is told."""

import pytest

from consumers.reconciler.rehearsal import Rehearsed
from ops.moments import NoMoment, moment_of
from ops.replay_plan import PUBLISHED, Effect, Offset, ReplayPlan, Window, edge_of, effect_of, summary, window_of
from schemas import marks
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

NOW = 1_795_348_800_000


def record(**headers: str) -> Record:
    return Record("platform.events", 0, 1, b"customer:c", b"{}", headers, NOW)


def told(outcome: Outcome, reason: str = "", named: str = "c") -> Rehearsed:
    return Rehearsed(Result(outcome, reason), ("customer",), named)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("12h", NOW - 12 * 3_600_000),
        ("90m", NOW - 90 * 60_000),
        ("2d", NOW - 2 * 86_400_000),
        ("2026-11-22", 1_795_305_600_000),
        ("2026-11-22T10:00:00Z", 1_795_341_600_000),
        ("2026-11-22T12:00:00+02:00", 1_795_341_600_000),
        ("2026-11-22 10:00", 1_795_341_600_000),
    ],
)
def test_a_moment_as_a_person_types_it(typed: str, meant: int) -> None:
    """How long ago, a date, a time; UTC without a zone."""
    assert moment_of(typed, now=NOW) == meant
    assert edge_of(typed, now=NOW) == meant


@pytest.mark.parametrize("typed", ["", "yesterday", "18:30", "3:1207", "12 hours", "@3", "2026-13-01"])
def test_what_is_no_moment_is_said_with_what_is_one(typed: str) -> None:
    """A time of day alone is none: it might be taken for an offset."""
    with pytest.raises(NoMoment, match="12h for twelve hours ago"):
        edge_of(typed, now=NOW)


def test_an_offset_is_one_of_a_partition() -> None:
    """As the ids of parked records have it."""
    assert edge_of("@3:1207", now=NOW) == Offset(3, 1207)


def test_a_window_ends_where_nothing_is_handled_and_begins_where_the_log_does() -> None:
    """What is not handled comes by itself, and what is gone is said."""
    window = window_of(
        bounds={0: (10, 50), 1: (0, 20), 2: (0, 5)},
        start={0: 4, 1: 5, 2: 0},
        stop={0: 40, 1: 99},
        handled={0: 30, 1: 20},
    )
    assert window.parts == {0: (10, 30), 1: (5, 20)}
    assert window.unhandled == 10 + 5
    assert window.removed == ["partition 0: the log begins at offset 10; what was before is gone"]
    assert window.size == 35


@pytest.mark.parametrize(
    ("end", "effect"),
    [
        (told(Outcome.APPLIED), Effect.APPLIED),
        (told(Outcome.APPLIED, "on_unlinked: the writer looks at the record"), Effect.LOOKED_AT),
        (told(Outcome.ECHO, "rule 8: write 3"), Effect.ECHO),
        (told(Outcome.STALE), Effect.STALE),
        (told(Outcome.DUPLICATE), Effect.DUPLICATE),
        (told(Outcome.IGNORED), Effect.IGNORED),
        (told(Outcome.PARKED), Effect.PARKED),
    ],
)
def test_each_end_has_its_line(end: Rehearsed, effect: Effect) -> None:
    """And what comes from a replay is never replayed, whatever it would do."""
    assert effect_of(record(), end, None, 3) is effect
    assert effect_of(record(**{marks.REPLAY: "r"}), end, None, 3) is Effect.MARKED
    assert (effect in PUBLISHED) == (end.result.outcome in (Outcome.APPLIED, Outcome.ECHO))


@pytest.mark.parametrize(
    ("logged", "effect"),
    [
        ({"outcome": "applied", "mapping": 2}, Effect.AGAIN),
        ({"outcome": "ignored", "mapping": 2}, Effect.AGAIN),
        ({"outcome": "applied", "mapping": 3}, Effect.APPLIED),
        ({"outcome": "applied"}, Effect.APPLIED),
        ({"outcome": "parked", "mapping": 2}, Effect.APPLIED),
        (None, Effect.APPLIED),
    ],
)
def test_decided_again_is_what_ended_well_by_an_older_mapping(logged: dict[str, object], effect: Effect) -> None:
    """Rows of earlier releases do not say by which, and what was parked never ended."""
    assert effect_of(record(), told(Outcome.APPLIED), logged, 3) is effect


def test_the_plan_counts_names_and_says_what_follows() -> None:
    """In the order of what matters; of many it names a few."""
    plan = ReplayPlan(names=2)
    for number in range(3):
        plan.add(Effect.APPLIED, told(Outcome.APPLIED, named=f"c{number}"))
    plan.add(Effect.PARKED, told(Outcome.PARKED, "invalid_value: total_tickets: must be a number"))
    plan.add(Effect.LEFT_OUT, told(Outcome.APPLIED))
    plan.add(Effect.MARKED, None)
    window = Window({0: (0, 4), 1: (0, 2)}, unhandled=7)
    assert list(summary(plan, window, "platform.events")) == [
        "platform.events: 6 records read, of 2 partitions",
        "          3  would be applied (customer)",
        "             c0, c1, …",
        "          1  would be parked (customer: invalid_value)",
        "             c",
        "          1  come from a replay themselves",
        "          1  are of other kinds or keys",
        "             c",
        "7 more in this window are not handled yet: they come by themselves",
        "3 would be published again; 3 are left where they are",
    ]


def test_marks_keep_what_is_the_records_own() -> None:
    """Key to the row and the try; the time of arrival is kept, and an older mark goes."""
    own = [("ce_id", b"e1"), ("ce_receivedat", b"5")]
    redriven = marks.for_redrive([*own, (marks.REPLAY, b"r")], marks.Redriven("platform.events:3:7", 2), 9)
    assert redriven == [*own, (marks.REDRIVE, b"2 platform.events:3:7")]
    assert marks.redriven({name: value.decode() for name, value in redriven}) == marks.Redriven(
        "platform.events:3:7", 2
    )
    assert marks.for_replay(redriven, "r2", 9) == [*own, (marks.REPLAY, b"r2")]
    assert marks.for_replay([("ce_id", b"e1")], "r2", 9)[1] == ("ce_receivedat", b"9")
    for strange in ("", "2", "two platform.events:3:7", "2 "):
        assert marks.redriven({marks.REDRIVE: strange}) is None
