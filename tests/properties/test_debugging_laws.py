"""Looking closely changes nothing, tells no value, names rules that fit what has moved: laws on random histories."""

import asyncio
import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.fake_documents import FakeDocuments, FakeLog
from support.sync_stage import START, Stage

from consumers.rules import explain
from schemas.debugging import DECISION, NOTHING, Debugged, DebugMark

VALUES = st.sampled_from(["Čapek-one", "Čapek-two", "", None])
MARKS = Debugged(
    DebugMark("customer", each, "", START + 10**12, by="ops", why="", at=START, key=b"k") for each in ("c1", "c2")
)
EVENTS = st.fixed_dictionaries(
    {
        "fields": st.dictionaries(st.sampled_from(["title", "department", "last_name"]), VALUES, max_size=3),
        "id_": st.sampled_from(["c1", "c2"]),
        "named": st.booleans(),
        "ago": st.integers(0, 5_000),
        "wait": st.integers(0, 3_000),
        "again": st.booleans(),
    }
)
EDITS = st.tuples(st.sampled_from(["Title", "Department"]), st.sampled_from(["Čapek-one", "Čapek-three"]))
STEPS = st.lists(st.one_of(EVENTS, st.just("settle"), st.just("write"), EDITS), max_size=12)
KEPT_AS_IT_WAS = frozenset(
    {explain.STALE, explain.REPEATED, explain.NO_CHANGE, explain.NOT_NAMED, explain.NO_NEWS, explain.READ_SINCE}
)
OUTRIGHT = frozenset({explain.WINS_OUTRIGHT, explain.FIRST_VALUE, explain.OVER_SALESFORCES, explain.BESIDE_OURS})


async def lived(steps: list[Any], debugged: Debugged) -> tuple[Stage, list[dict[str, Any]]]:
    """The stage after all that."""
    stage, said = Stage(FakeDocuments()), list[dict[str, Any]]()
    stage.debugged, stage.on_decision = debugged, said.append
    for step in steps:
        stage.now += 100
        if step == "settle":
            await stage.settle()
        elif step == "write":
            await stage.answer_doorbells()
        elif isinstance(step, tuple):
            if rows := stage.salesforce.rows.get("Contact"):
                stage.salesforce.edit("Contact", next(iter(rows)), dict([step]))
                await stage.hear()
        else:
            stage.now += step["wait"]
            now, stage.now = stage.now, stage.now - step["ago"]
            changed = {"changed": list(step["fields"])} if step["named"] else {}
            event = stage.event(step["fields"], id_=step["id_"], **changed)
            stage.now = now
            for _time in range(2 if step["again"] else 1):
                await stage.reconciler.handle([event])
    await stage.settle()
    return stage, said


def without_names(stage: Stage) -> Any:
    """Documents but for the names of decisions, which nobody gives twice."""
    assert isinstance(stage.documents, FakeDocuments)
    documents = copy.deepcopy(stage.documents.collections)
    for each in documents.get("customers", {}).values():
        each["_sync"].pop("decisions", None)
    return documents


def rows_of(stage: Stage) -> dict[str, dict[str, Any]]:
    """The log."""
    assert isinstance(stage.log, FakeLog)
    return stage.log.rows


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_looking_closely_changes_nothing(steps: list[Any]) -> None:
    """Documents, records and the log are what they are where nobody looks, and every decision is one row more."""
    plain, nothing = asyncio.run(lived(steps, Debugged()))
    closely, said = asyncio.run(lived(steps, MARKS))
    assert nothing == []
    assert without_names(plain) == without_names(closely)
    assert plain.salesforce.rows == closely.salesforce.rows
    rows = rows_of(closely)
    assert rows_of(plain) == {name: row for name, row in rows.items() if row["type"] != DECISION}
    assert [row["_id"] for row in said] == [row["_id"] for row in rows.values() if row["type"] == DECISION]


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_the_rule_that_is_told_fits_what_has_moved(steps: list[Any]) -> None:
    """What kept a field as it was has moved nothing; what wins outright is shown; what the audit names is told."""
    stage, said = asyncio.run(lived(steps, MARKS))
    audited: dict[tuple[str, str, str], set[str]] = {}
    for row in rows_of(stage).values():
        if row["type"] == "audit":
            audited.setdefault((row["document"], row["event"], row["field"]), set()).add(row["rule"])
    assert "Čapek" not in repr(said)
    for row in said:
        for each in (each for each in row["fields"] if "rule" in each):
            if each["rule"] in KEPT_AS_IT_WAS:
                assert each["was"] == each["shows"], row
            if each["rule"] in OUTRIGHT:
                assert each["came"] == each["shows"] or NOTHING in (each["came"], each["shows"]), row
            named = audited.get((row["document"], row["event"], each["field"]))
            if named and row["outcome"] == "applied" and row["step"] != "read":
                assert each["rule"] in named, (row, named)
