"""`docs/chaos.md`: every run that is kept beside it, told to people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ops.chaos.outcome import MEANING, OPEN_WRITE_SECONDS, RECOVERY_SECONDS, UNSEEN, Outcome
from ops.chaos.plot import draw
from simulator.observer.gaps import SOON_MS

FOLDER: Final = "chaos"
"""Beside the page: a JSON file and a plot for each seed."""
FULL_SIZE: Final = 100_000

_HEAD: Final = """\
# What is lost under faults

`make chaos ARGS="--seed 1"` runs all of Tandem on a real Kafka, a real MongoDB and a simulated org, with people at
work on both sides, and makes things go wrong meanwhile: processes are killed and stopped, servers restarted,
connections cut, stalled and silenced, and the org answers 401, 429 and 5xx, loses requests and replies, refuses
positions and runs out of calls. What happens when follows from the seed (`tandem chaos --plan` prints it). Then
everybody rests, and the observer compares what the platform sent, what the org's own commit log says, and what
MongoDB holds. It reads none of our counters. The platform's own URL is open meanwhile: whatever documents show of
Salesforce's must have been told there. The command writes this page; its exit code is 0 only where every bold
number in the first table is 0 and no recovery took too long. How it is made: [decision 0025](decisions/0025-chaos.md).

An event is a webhook of the platform or a change event of the org. Most change events are the answers to our own
writes: how many, and how much people did on each side, is told below.

The lag is all that was said and is not worked off yet: webhooks not taken, change events not in Kafka, Kafka records
not finished. It leaves out what was taken and still has to be done, so two more things are looked at: the gaps that are
open, and the documents that are not in step. Three times are counted from a trouble's end. The lag is back at the most
it was in the last fifteen seconds in which nothing was wrong. Every gap that was opened before the next trouble is
closed again. Each document that was out of step when the lag was back has been in step since; they are looked at every
three seconds, and one that waits for another document's record is told by that one. Each may take {allowed:g} seconds.
A write whose answer was lost is left alone for {open:g} of them. A silent stream cannot be noticed sooner than the
org's advised time-out and ten seconds later, so it may take so much longer as well.

Of what was made in Salesforce in a gap and written over by us before the gap could be known nobody can know: Salesforce
keeps no history of it. Such edits are counted with each run and are no losses, where our write was committed at most
{soon:g} seconds after the gap was recorded: the writer looks for gaps every second, and reads before it writes while
there is one. What is written over later than that is lost."""


def write(docs: Path) -> Path:
    """Write `chaos.md` of all runs in its folder.

    Raises:
        OSError: it cannot be written.
    """
    outcomes = [Outcome.load(path) for path in sorted((docs / FOLDER).glob("seed-*.json"))]
    outcomes.sort(key=lambda outcome: outcome.seed)
    page = docs / "chaos.md"
    page.write_text(told(outcomes), encoding="utf-8")
    return page


def keep(outcome: Outcome, docs: Path) -> bool:
    """Keep a run and its plot beside the page, and write the page anew; whether there is a plot.

    Raises:
        OSError: it cannot be written.
    """
    outcome.save(docs / FOLDER)
    drawn = draw(outcome, docs / FOLDER / f"seed-{outcome.seed}.svg")
    write(docs)
    return drawn


def told(outcomes: Sequence[Outcome]) -> str:
    """The page."""
    runs = [_zeros(outcomes), *(_run(outcome) for outcome in outcomes)] if outcomes else ["No run is kept here yet."]
    head = _HEAD.format(allowed=RECOVERY_SECONDS, open=OPEN_WRITE_SECONDS, soon=SOON_MS / 1_000)
    parts = [head, *runs]
    return "\n\n".join(parts) + "\n"


def _zeros(outcomes: Sequence[Outcome]) -> str:
    seeds = [f"seed {outcome.seed}" for outcome in outcomes]
    rows = [
        ["", *seeds, "what it means"],
        ["---"] * (len(seeds) + 2),
        *([name, *(_found(outcome, name) for outcome in outcomes), MEANING[name]] for name in MEANING),
        ["events", *(f"{outcome.events:,}" for outcome in outcomes), "webhooks and change events"],
        *([name, *(_told_of(outcome, name) for outcome in outcomes), why] for name, why in _OF_THEM.items()),
        ["troubles", *(str(len(outcome.troubles)) for outcome in outcomes), ""],
        *([f"slowest: {name}", *(_slowest(one, place) for one in outcomes), why] for place, (name, why) in _TIMES),
    ]
    return "## Found by the observer\n\n" + _table(rows)


def _found(outcome: Outcome, name: str) -> str:
    """How often; nothing of a run in which nobody looked for it yet."""
    return f"**{outcome.found[name]}**" if name in outcome.found else ""


_OF_THEM: Final = {
    "our writes": "change events that are the answers to our own writes",
    "by people on the platform": "what people created, updated and deleted there; each is a webhook",
    "by people in Salesforce": "records that people created, updated, deleted, undeleted, converted and merged",
}


def _told_of(outcome: Outcome, name: str) -> str:
    """How much; nothing of a run in which it was not counted yet."""
    return f"{outcome.counts[name]:,}" if name in outcome.counts else ""


_TIMES: Final = tuple(
    enumerate(
        (
            ("lag back", "but for a silent stream"),
            ("gaps closed", "of those that were opened before the next trouble"),
            ("documents in step", f"a write whose answer was lost is left alone for {OPEN_WRITE_SECONDS:g} s of it"),
        )
    )
)


def _slowest(outcome: Outcome, place: int) -> str:
    times = [one.times[place] for one in outcome.troubles if one.allowed == RECOVERY_SECONDS]
    ended = [seconds for seconds in times if seconds is not None]
    return "never" if len(ended) < len(times) else f"{max(ended, default=0.0):g} s"


def _run(outcome: Outcome) -> str:
    sized = "" if outcome.events >= FULL_SIZE else " A small run."
    proxied = "" if outcome.proxied else " Without toxiproxy: no connection was cut or stalled."
    about = (
        f"{outcome.at}, preset `{outcome.preset}`, {outcome.machine}. `{outcome.command}`. "
        f"{outcome.load_seconds:.0f} s of load, then {outcome.rest_seconds:.0f} s until both sides were at rest."
    )
    lines = [
        f"## Seed {outcome.seed}",
        f"{about}{sized}{proxied}",
        _counts(outcome),
    ]
    if outcome.unrest:
        lines.append(f"**Not at rest in time:** {outcome.unrest}.")
    if outcome.ended:
        ends = ", ".join(f"{name}: {count}" for name, count in sorted(outcome.ended.items()))
        lines.append(f"Processes that ended by themselves and were started again: {ends}.")
    lines += [f"![lag over time](chaos/seed-{outcome.seed}.svg)", _troubles(outcome)]
    return "\n\n".join(lines)


def _counts(outcome: Outcome) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in outcome.counts.items()) + "."


def _troubles(outcome: Outcome) -> str:
    rows = [
        ["", "at", "lasted", "what", "lag before", "most lag", "lag back after", "gaps closed", "documents in step"],
        ["---", "---:", "---:", "---", "---:", "---:", "---:", "---:", "---:"],
    ]
    for number, one in enumerate(outcome.troubles, start=1):
        after = [_after(seconds, one.allowed) for seconds in one.times]
        lasted = f"{one.ended - one.began:.1f} s"
        rows.append([str(number), f"{one.began:.0f} s", lasted, one.what, str(one.usual), f"{one.worst:,}", *after])
    return _table(rows)


def _after(seconds: float | None, allowed: float) -> str:
    if seconds == UNSEEN:
        return ""
    if seconds is None:
        return "**never**"
    return f"{seconds:g} s" if seconds <= allowed else f"**{seconds:g} s**"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
