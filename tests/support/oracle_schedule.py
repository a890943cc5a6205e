"""Schedules: lists of short texts, each one thing that happens; how they are run, judged, made at random and shrunk."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from consumers.rules.state import Side
from support.oracle import Violation
from support.oracle_org import TRIGGERS
from support.oracle_world import OWNERS, PATHS, PUSHED, TIMING, TWO_WAY, Setting, World

Action = Callable[[World], object]
LONG_QUIET: Final = 2 * TIMING.visible_after + 3_000
"""After this, milliseconds, whoever edits has seen what was there before."""


def _edits() -> dict[str, Action]:
    ways: dict[str, dict[str, object]] = {
        "named": {},
        "named, seen": {"tells_seen": True},
        "named, seen 1 behind": {"tells_seen": True, "behind": 1},
        "whole": {"whole": True},
        "whole, own shown": {"whole": True, "own": True},
        "whole, 1 behind": {"whole": True, "behind": 1},
        "whole, 3 behind": {"whole": True, "behind": 3},
        "whole, seen": {"whole": True, "tells_seen": True},
        "whole, seen 2 behind": {"whole": True, "tells_seen": True, "behind": 2},
    }
    made: dict[str, Action] = {}
    for path in PATHS:
        for way, options in ways.items():
            if path in TWO_WAY or way == "named" or (way == "whole" and path == PUSHED):
                made[f"edit {path} {way}"] = _edit(path, options)
    return made


def _edit(path: str, options: dict[str, object]) -> Action:
    return lambda world: world.platform_edit(path, **options)  # type: ignore[arg-type]


def _sales(*names: str) -> Action:
    return lambda world: world.org.edit(world.new_in_salesforce(*names), world.now)


def _sales_clears(world: World) -> None:
    # On first contact an empty value says nothing: Salesforce does not tell a field cleared from one never set.
    link = world.load().link
    if link is not None and link.read:
        world.org.edit({"Phone": None}, world.now)


def _sales_delete(world: World) -> None:
    if world.load().link is not None:
        world.org.delete(world.now)


def _write(fate: str) -> Action:
    return lambda world: world.write(fate)


def _wait(milliseconds: int) -> Action:
    return lambda world: world.advance(milliseconds)


ACTIONS: Final[dict[str, Action]] = {
    **_edits(),
    **{f"wait {each}": _wait(each) for each in (1, 40, 400, 1500, 2500, 6000, 25_000, 200_000)},
    **{f"sales {name}": _sales(name) for name in PATHS.values()},
    "sales Phone and Title": _sales("Phone", "Title"),
    "sales clears Phone": _sales_clears,
    "clear phone named": lambda world: world.platform_edit("phone", value=None),
    "view": lambda world: world.platform_view(),
    "view, own shown": lambda world: world.platform_view(own=True),
    "view, 2 behind": lambda world: world.platform_view(behind=2),
    "view, seen": lambda world: world.platform_view(tells_seen=True),
    "post": lambda world: world.deliver_post(),
    "post 2nd": lambda world: world.deliver_post(1),
    "post 3rd": lambda world: world.deliver_post(2),
    "post and keep": lambda world: world.deliver_post(keep=True),
    "post again": lambda world: world.deliver_again(),
    "post older again": lambda world: world.deliver_again(2),
    "change": lambda world: world.deliver_change(),
    "rewind 1": lambda world: world.rewind(1),
    "rewind 4": lambda world: world.rewind(4),
    "gap": lambda world: world.gap(),
    **{
        f"write {fate}": _write(fate)
        for fate in ("ok", "lost", "late", "unanswered", "not_run", "killed", "killed_after")
    },
    "writer A": lambda world: world.step(0),
    "writer B": lambda world: world.step(1),
    "writer A late": lambda world: world.step(0, "late"),
    "kill A": lambda world: world.kill(0),
    "kill B": lambda world: world.kill(1),
    "land": lambda world: world.land(),
    "read": lambda world: world.ask_for_row(),
    "rest": lambda world: settle(world),  # noqa: PLW0108 - it is defined below
    "delete record": _sales_delete,
    "choose platform": lambda world: world.choose(Side.PLATFORM),
    "choose salesforce": lambda world: world.choose(Side.SALESFORCE),
    "merge": lambda world: world.merge(),
    "merge, Phone chosen": lambda world: world.merge("Phone"),
    "undelete record": lambda world: world.undelete(),
    "platform deletes": lambda world: world.platform_delete(),
    "post, meanwhile change": lambda world: world.deliver_post(meanwhile=world.deliver_change),
    "post, meanwhile post": lambda world: world.deliver_post(meanwhile=world.deliver_post),
    "post, meanwhile write": lambda world: world.deliver_post(meanwhile=world.write),
    "change, meanwhile post": lambda world: world.deliver_change(world.deliver_post),
    "change, meanwhile change": lambda world: world.deliver_change_twice(),
    "change, meanwhile write": lambda world: world.deliver_change(world.write),
    "writer A, meanwhile change": lambda world: world.step(0, meanwhile=world.deliver_change),
    "writer A, meanwhile post": lambda world: world.step(0, meanwhile=world.deliver_post),
    "writer A, meanwhile writer B": lambda world: world.step(0, meanwhile=lambda: world.step(1)),
}

CONVERSIONS: Final[dict[str, Action]] = {
    "convert": lambda world: world.convert(),
    "convert, Phone chosen": lambda world: world.convert("Phone"),
    "convert, Phone and Title chosen": lambda world: world.convert("Phone", "Title"),
}
"""What can be done with a Lead besides."""

PARTITIONS: Final[dict[str, Action]] = {
    "change ahead": lambda world: world.deliver_ahead(),
    "sales Phone in the lead": lambda world: world.edit_converted("Phone"),
    "sales Title in the lead": lambda world: world.edit_converted("Title"),
}
"""What there is besides where a thing goes from one record to another, and the events of both come in partitions."""

_OFTEN: Final = {
    "post": 14, "change": 16, "write ok": 14, "sales Phone": 8, "sales Title": 4, "wait 40": 3, "wait 400": 3,
    "wait 1500": 3, "wait 2500": 5, "wait 6000": 3, "edit phone named": 6, "edit phone whole": 4, "writer A": 6,
    "writer B": 4, "land": 3, "write late": 3, "write unanswered": 3, "post 2nd": 4, "edit title named": 3,
}  # fmt: skip
_SELDOM: Final = {
    "merge",
    "merge, Phone chosen",
    "delete record",
    "undelete record",
    "platform deletes",
    "wait 200000",
    "wait 25000",
    "gap",
}
_WEIGHTS: Final = tuple(_OFTEN.get(name, 0.4 if name in _SELDOM else 1) for name in ACTIONS)
VOCABULARY: Final = tuple(ACTIONS)
POLICIES: Final = ("salesforce_wins", "platform_wins", "latest_wins", "review", "fill_only")
MERGING: Final = ("union", "max", "min")
"""Policies that look at the values: `union` makes one that neither side has asserted."""
DELETIONS: Final = (("unlink", "unlink"), ("recreate", "unlink"), ("unlink", "delete"), ("recreate", "delete"))


def setting_of(rng: random.Random, policies: Sequence[str]) -> Setting:
    """A setting at random, with two of these policies."""
    return Setting(
        policy=rng.choice(policies),
        other_policy=rng.choice(policies),
        trigger=rng.choice(("none", "none", *TRIGGERS)),
        platform_skew=rng.choice((0, 0, 300, -1500)),
        salesforce_skew=rng.choice((0, 0, 700, -1500)),
        exists=rng.random() < 0.15,
        on_delete=rng.choice(DELETIONS),
    )


def schedule_of(rng: random.Random) -> list[str]:
    """A schedule at random, 5 to 50 steps: three in four begin with both sides linked and at rest."""
    prelude = ["rest", "wait 6000"] if rng.random() < 0.75 else []
    return prelude + rng.choices(VOCABULARY, _WEIGHTS, k=rng.randint(5, 50))


def run(setting: Setting, steps: Sequence[str], last: str | None = "named phone") -> World:
    """Take the steps, let everything come to rest, judge; then one last edit in the quiet, and judge again.

    Raises:
        Violation: a promise is broken.
    """
    world = World(setting)
    world.platform_edit("phone", whole=True)
    for step in steps:
        (ACTIONS.get(step) or CONVERSIONS.get(step) or PARTITIONS[step])(world)
    settle(world)
    judge(world)
    world.choose((Side.PLATFORM, Side.SALESFORCE)[len(steps) % 2])
    settle(world)
    judge(world)
    if last is not None:
        edit_in_the_quiet(world, *last.split(" ", 1))
    return world


def settle(world: World) -> None:
    """Deliver everything and let the writer finish.

    Raises:
        Violation: writing does not stop, or takes more calls than there is reason for.
    """
    edits = len(world.ledger.edits)
    reasons = len(world.posts) + len(world.org.stream) - world.heard + len(world.in_flight) + 4
    calls = world.calls
    for process in (0, 1):
        while world.visits[process] is not None:
            world.step(process)
    while world.in_flight:
        world.land()
    while world.deliver_post():
        pass
    for _ in range(400):
        moved = world.deliver_change()
        moved |= world.write() != "nothing"
        if not moved:
            due = (world.document or {}).get("_sync", {}).get("due_at")
            if due is None:
                break
            world.now = max(world.now, due)
        world.now += 700
    else:
        raise Violation(f"writing does not stop: {world.calls - calls} calls")
    made = len(world.ledger.edits) - edits
    if world.calls - calls > reasons + made:
        raise Violation(f"{world.calls - calls} calls to come to rest, where {reasons} + {made} had a reason")


def judge(world: World) -> None:
    """Both sides equal, each surviving edit right, each losing edit in the audit.

    Raises:
        Violation: one of these is not so.
    """
    document = world.document or {}
    record = world.org.record
    state = world.load()
    if state.deleted or record is None or state.link is None:
        return
    rows = world.audit.values()
    for path, name in PATHS.items():
        said = partial(world.said, name)
        mine = [row for row in rows if row["field"] == name]
        shown, there = said(document.get(path)), said(record.get(name))
        field = state.fields.get(name)
        waiting = field.review if field is not None else None
        held = waiting is not None or (field is not None and _is_held(world, path, field.source, there))
        if path != PUSHED and shown != there and not held:
            raise Violation(f"{path}: the document shows {shown!r}, the record holds {there!r}")
        if waiting is None:
            world.ledger.judge_survivor(name, shown, OWNERS.get(path))
        kept = {shown, there} | ({said(waiting.value)} if waiting is not None else set())
        world.ledger.judge_losers(name, kept, mine, said)
        world.ledger.judge_merges(name, mine, said)
        world.ledger.judge_extremes(name, mine, said)
        if world.kind.by_name[name].fills_only:
            world.ledger.judge_filled(name, there)


def _is_held(world: World, path: str, source: Side | None, held: Any) -> bool:
    """`fill_only` keeps the platform's value out of a field that Salesforce has filled."""
    return world.kind.by_path[path].fills_only and source is Side.PLATFORM and held is not None


def edit_in_the_quiet(world: World, how: str, path: str) -> None:
    """An edit made when everything is at rest wins on both sides.

    Raises:
        Violation: it does not.
    """
    if not is_in_sync(world):
        return
    world.advance(LONG_QUIET)
    triggered = len(world.ledger.edits)
    value = edit_on(world, how, path)
    settle(world)
    judge(world)
    judge_last(world, how, path, value, triggered)


def is_in_sync(world: World) -> bool:
    """Both sides have the thing, and know of each other."""
    state = world.load()
    return not state.deleted and state.link is not None and world.org.record is not None


def edit_on(world: World, how: str, path: str) -> str:
    """Somebody edits a field, having seen everything; the value."""
    if how == "sales":
        edited = world.new_in_salesforce(PATHS[path])
        world.org.edit(edited, world.now)
        return str(edited[PATHS[path]])
    world.platform_edit(path, whole=how == "whole", tells_seen=how == "seen")
    return str(world.ledger.edits[-1].value)


def judge_last(world: World, how: str, path: str, value: str, triggered: int) -> None:
    """The edit is what the document shows, but for what triggers made of it; theirs have numbers from `triggered` on.

    Raises:
        Violation: it is not.
    """
    name = PATHS[path]
    beyond = [edit for edit in world.ledger.edits[triggered:] if edit.name == name and edit.value != value]
    shown = world.said(name, (world.document or {}).get(path))
    if shown != value and not beyond:
        raise Violation(f"{path}: an edit in the quiet, {value!r} by {how}, lost to {shown!r}")


def shrink(setting: Setting, steps: Sequence[str], last: str | None) -> list[str]:
    """The same violation with as few steps as removing them one by one or in runs allows."""
    best = list(steps)
    length = max(1, len(best) // 2)
    while length:
        place = 0
        while place < len(best):
            fewer = best[:place] + best[place + length :]
            if broken(setting, fewer, last) is not None:
                best = fewer
            else:
                place += length
        length //= 2
    return best


def broken(setting: Setting, steps: Sequence[str], last: str | None) -> str | None:
    """The promise that the schedule breaks, None where it breaks none."""
    try:
        run(setting, steps, last)
    except AssertionError as violation:
        return str(violation)
    return None


LAST_EDITS: Final = (
    "named phone",
    "whole phone",
    "seen phone",
    "sales phone",
    "named title",
    "sales title",
    "sales tier",
)


def seeded(seed: int, *, merging: bool = False) -> tuple[Setting, list[str], str]:
    """The schedule of a seed; with `merging` some of its fields have one of those policies."""
    rng = random.Random(seed)
    return setting_of(rng, POLICIES + MERGING if merging else POLICIES), schedule_of(rng), rng.choice(LAST_EDITS)


def seeded_conversion(seed: int) -> tuple[Setting, list[str], str]:
    """The same of a thing that is a Lead at first, and is converted some time, or tried to be, once or twice."""
    setting, steps, last = seeded(seed)
    rng = random.Random(f"conversion {seed}")
    for _ in range(rng.randint(1, 2)):
        steps.insert(rng.randint(2, max(2, len(steps))), rng.choice(tuple(CONVERSIONS)))
    return replace(setting, lead=True), steps, last


def seeded_partitions(seed: int) -> tuple[Setting, list[str], str]:
    """The same, or of a record that is merged; and the events of one record overtake those of another."""
    lead = seed % 2 == 0
    setting, steps, last = seeded_conversion(seed) if lead else seeded(seed)
    rng = random.Random(f"partitions {seed}")
    for _ in range(0 if lead else rng.randint(1, 2)):
        steps.insert(rng.randint(2, max(2, len(steps))), rng.choice(("merge", "merge, Phone chosen")))
    goes_on = [place for place, step in enumerate(steps) if step in CONVERSIONS or step.startswith("merge")]
    for place in goes_on[::-1]:
        for _ in range(rng.randint(1, 4)):
            steps.insert(rng.randint(place + 1, min(len(steps), place + 8)), "change ahead")
        if lead and rng.random() < 0.3:
            steps.insert(rng.randint(place + 1, len(steps)), rng.choice(tuple(PARTITIONS)[1:]))
    return setting, steps, last


def seeded_far_behind(seed: int) -> tuple[Setting, list[str], str]:
    """The same, and the record that is left goes on for so long that rule 16 forgets what was written before.

    Only then is the rest heard of the record that went: an edit, which a write of ours had buried, among it. Whoever
    merges or converts chooses no values: an edit told so late is not always known to lie under those.
    """
    setting, steps, last = seeded_partitions(seed)
    rng = random.Random(f"far behind {seed}")
    place = next((place for place, step in enumerate(steps) if step in CONVERSIONS or step.startswith("merge")), None)
    if place is None:
        return setting, steps, last
    before = rng.choice(("sales Phone", "sales Title", "sales Phone and Title"))
    edited = rng.choice(("edit phone named", "edit title named"))
    goes_on = ["edit title named", "post", "write ok", "change ahead", "change ahead", "wait 200000"]
    follows = ["edit title named", "post", *["write ok", "wait 6000"] * 3]
    behind = [
        before,
        edited,
        "post",
        "write ok",
        steps[place].partition(",")[0],
        *follows,
        *goes_on * rng.randint(8, 10),
    ]
    return setting, [*steps[:place], *behind, *steps[place + 1 :]], last
