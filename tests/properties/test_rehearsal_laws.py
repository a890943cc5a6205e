"""A rehearsal foretells what happens, and a second replay finds nothing left to do: laws on random histories."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_documents import FakeDocuments
from support.fake_erasures import FakeErasures
from support.sync_stage import TIMING, Stage

from consumers.reconciler.rehearsal import Rehearsal
from schemas import topics
from schemas.log_record import Record
from schemas.outcome import Outcome

VALUES = st.sampled_from(["a", "b", "", None])
FIELDS = st.dictionaries(st.sampled_from(["title", "department", "last_name"]), VALUES, max_size=3)
EVENTS = st.fixed_dictionaries(
    {
        "fields": FIELDS,
        "id_": st.sampled_from(["c1", "c2"]),
        "named": st.booleans(),
        "type_": st.sampled_from(["updated"] * 5 + ["deleted"] * 2 + ["erased"]),
        "ago": st.integers(0, 5_000),
        "wait": st.integers(0, 3_000),
    }
)
STEPS = st.lists(st.one_of(EVENTS, st.just("settle"), st.sampled_from(["x", "y"]), st.just("poison")), max_size=12)


def record_of(stage: Stage, step: Any) -> Record | None:
    """The record of a step that has one."""
    if step == "poison":
        return stage.record(topics.PLATFORM_EVENTS, b"customer:c1", b"{")
    if not isinstance(step, dict):
        return None
    stage.now += step["wait"]
    now, stage.now = stage.now, stage.now - step["ago"]
    data = {"changed": list(step["fields"])} if step["named"] else {}
    record = stage.event(step["fields"], id_=step["id_"], type_=f"customer.{step['type_']}", **data)
    stage.now = now
    return record


async def lives(steps: list[Any]) -> None:
    stage = Stage(FakeDocuments(), erasures=FakeErasures())
    handled: list[Record] = []

    async def take(records: list[Record]) -> None:
        trying = Rehearsal(stage.documents, stage.erasures, stage.catalog, TIMING, lambda: stage.now)
        foretold = [one.result.outcome for one in await trying.decide(records)]
        ended = [result.outcome for result in await stage.reconciler.handle(records)]
        # An event that says nothing new of anything is told apart in a plan only.
        said = [Outcome.APPLIED if was is Outcome.DUPLICATE else was for was in foretold]
        assert [Outcome.APPLIED if is_ is Outcome.DUPLICATE else is_ for is_ in ended] == said
        handled.extend(records)

    for step in steps:
        record = record_of(stage, step)
        if record is not None:
            await take([record])
        elif step == "settle":
            await stage.settle()
        elif stage.salesforce.rows.get("Contact"):
            stage.now += 100
            stage.salesforce.edit("Contact", next(iter(stage.salesforce.rows["Contact"])), {"Title": step})
            waiting, stage.changes[:] = stage.changes[:], []
            await take([stage.change(change) for change in waiting])
    # What was stale because the thing was deleted may be taken once it is there again: by the first replay alone.
    await stage.reconciler.handle(await to_publish(stage, handled))
    assert await to_publish(stage, handled) == []


async def to_publish(stage: Stage, records: list[Record]) -> list[Record]:
    """Those that a replay would publish."""
    trying = Rehearsal(stage.documents, stage.erasures, stage.catalog, TIMING, lambda: stage.now)
    told = zip(records, await trying.decide(records), strict=True)
    return [record for record, one in told if one.result.outcome in (Outcome.APPLIED, Outcome.ECHO)]


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_a_rehearsal_foretells_and_a_second_replay_is_empty(steps: list[Any]) -> None:
    """Whatever came in whatever order, poison, deletions, erasures and edits in Salesforce among it."""
    asyncio.run(lives(steps))
