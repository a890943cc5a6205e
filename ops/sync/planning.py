"""A run as a plan: walked to its end without a trace, and told with what it will cost."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from consumers.rules.sync_verdict import Verdict
from ops.sync.asking import CannotRun, places_named
from ops.sync.look import not_subscribed
from ops.sync.parts import SyncParts
from ops.sync.walk import Advance
from schemas.sync_run import Run, RunStep, Task

READS_A_CALL: Final = 2_000
WRITES_A_CALL: Final = 200
FINDS_A_CALL: Final = 400

_TOLD: Final = {
    (Task.PUSH, Verdict.CREATE): "to be made in Salesforce, where no record matches",
    (Task.PUSH, Verdict.LOOK_UP): "to be looked up, and linked where a record is there: none may be made",
    (Task.PUSH, Verdict.LINK): "to be linked: a record holds their id",
    (Task.PUSH, Verdict.UPDATE): "whose records are to be updated",
    (Task.PUSH, Verdict.READ): "whose records are to be read whole first",
    (Task.PUSH, Verdict.DELETE): "whose records are to be deleted",
    (Task.PULL, Verdict.CREATE): "records of which documents are to be made",
    (Task.PULL, Verdict.LINK): "records to be linked to the document that they name",
}
_SAID: Final = {
    Verdict.CREATE: "to be made",
    Verdict.LOOK_UP: "to be looked up",
    Verdict.LINK: "to be linked",
    Verdict.UPDATE: "that differ from what is known of them: to be read",
    Verdict.READ: "to be read",
    Verdict.DELETE: "to be deleted",
    Verdict.MISSING: "linked records in no list: to be read, and gone if that finds none",
    Verdict.BACK: "that were gone and are there again: to be read",
    Verdict.UP_TO_DATE: "up to date",
    Verdict.IN_FLIGHT: "under way already",
    Verdict.WAITING: "waiting for their next try, or for a parent",
    Verdict.HELD: "held back: a person is to choose, or `fill_only`",
    Verdict.REFUSED: "refused by Salesforce as they are: a person is to look",
    Verdict.UNMADE: "without a record, and none may be made: by `create`, or without consent",
    Verdict.FILTERED: "left out by the mapping's filter",
    Verdict.NOT_ASKED: "left out by --since, --created-since or --filter",
    Verdict.GONE: "whose record is gone",
    Verdict.DELETED: "deleted by the platform",
    Verdict.UNLINKED: "that belong to no document, by `on_unlinked`",
    Verdict.UNSTORABLE: "that MongoDB will not store, or whose id is none",
}


async def make_plan(
    parts: SyncParts, run: Run, moved: Callable[[RunStep, Advance], None], began: Callable[[RunStep, int], None]
) -> Run:
    """The run as it would end now. Nothing is written, published or stored.

    Raises:
        CannotRun: it could not be run, or nobody follows the changes of what would be pulled.
        Unavailable, ListRefused, TooManyMissing.
    """
    dry = run.model_copy(update={"request": run.request.model_copy(update={"dry_run": True})})
    steps: list[RunStep] = []
    for asked in run.steps:
        walk, step = parts.walk(dry, asked), asked
        total = await walk.total()
        began(step, total)
        counts: Counter[str] = Counter()
        passed = 0
        async for advance in walk.advances(""):
            counts.update({str(verdict): count for verdict, count in advance.counts.items()})
            passed += advance.passed
            moved(step, advance)
        steps.append(step.model_copy(update={"total": passed, "passed": passed, "counts": dict(+counts), "done": True}))
    return run.model_copy(update={"steps": tuple(steps)})


async def refuse_unfollowed(parts: SyncParts, run: Run) -> None:
    """Subscribing comes first.

    Raises:
        CannotRun: nobody follows the changes of an object that the run would look at.
        Unavailable.
    """
    catalog = parts.catalog()
    looked_at = [catalog.kinds[step.kind] for step in run.steps if step.task is not Task.PUSH]
    places = [place for kind in looked_at for place in places_named(run.request.what, kind, catalog.off)]
    for sobject in dict.fromkeys(place.sobject for place in places):
        if not await parts.subscribed(sobject):
            raise CannotRun(not_subscribed(sobject))


def plan_lines(run: Run, list_calls: Callable[[int], int]) -> Iterator[str]:
    """The plan as a person reads it; no personal data. `list_calls` tells what a list of so many records costs."""
    for step in run.steps:
        thing = "document" if step.task is Task.PUSH else "record"
        yield f"{step.name}: {step.passed:,} {thing}{'' if step.passed == 1 else 's'} looked at"
        found = {Verdict(word): count for word, count in step.counts.items() if count}
        for verdict in sorted(found, key=list(Verdict).index):
            sign = " " if verdict.acts else "-"
            told = _TOLD.get((step.task, verdict), _SAID[verdict])
            yield f"  {found[verdict]:>11,}  {sign} {told}"
        if not any(verdict.acts for verdict in found):
            yield "               nothing is to be done"
    reads, writes = calls(run, list_calls)
    yield f"API calls: {reads:,} to list and read, {writes:,} at most to write, if they go out full"


def calls(run: Run, list_calls: Callable[[int], int]) -> tuple[int, int]:
    """API calls that read, and that write at most."""
    reads = writes = 0
    for step in run.steps:
        count = Counter(step.counts)
        if step.task is Task.PUSH:
            first = count[Verdict.CREATE] + count[Verdict.LOOK_UP] + count[Verdict.LINK]
            reads += _full(first, FINDS_A_CALL) + _full(first + count[Verdict.READ], READS_A_CALL)
            writes += _full(first + count[Verdict.UPDATE] + count[Verdict.READ], WRITES_A_CALL)
            writes += _full(count[Verdict.DELETE], WRITES_A_CALL)
        else:
            acting = sum(count[verdict] for verdict in Verdict if verdict.acts)
            reads += list_calls(step.passed) + _full(acting, READS_A_CALL)
            new = count[Verdict.CREATE] + count[Verdict.LINK]
            reads += _full(new, READS_A_CALL)
            writes += _full(new, WRITES_A_CALL)
    return reads, writes


def _full(rows: int, a_call: int) -> int:
    return -(-rows // a_call)
