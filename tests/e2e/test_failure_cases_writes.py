"""Failure cases of the way out to Salesforce, by their numbers: 8, 16 to 21, 24 and 25.

Each is brought about in the simulated org while customers are written, and the demo's observer counts what was lost,
doubled, echoed or left different. Of case 21 the deletion is here. Following a merge is in
`tests/integration/test_stages_existence.py`; cases 22 (converted leads) and 23 (campaign members) are in
`tests/unit/test_leads_on_an_org.py`. The rotated refresh tokens of 24 wait for a login that has any.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.running import PATIENT_SECONDS, until
from support.whole import Whole

from schemas import topics
from simulator.org.cometd.faults import FaultKind as StreamKind
from simulator.org.cometd.faults import StreamFault
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind
from simulator.org.triggers import Action, TriggerRule

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

UPSERT = "/composite/sobjects/Contact/"
UPDATE = "/composite/sobjects$"


async def creations(world: Whole) -> list[str]:
    """The external id of every record that was ever made."""
    key = world.kind.external_id
    return [row["after"].get(key) for row in await world.org_witness.commits() if row["type"] == "CREATE"]


async def written(world: Whole, name: str, field: str) -> list[Any]:
    """Every value that our calls wrote to a field of one record, in commit order."""
    record = await world.record(name)
    rows = [row for row in await world.org_witness.commits() if row["record_id"] == record["Id"]]
    return [row["written"][field] for row in rows if row["client"] == "Tandem" and field in row["written"]]


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"kind": FaultKind.REPLY_LOST}, id="reply_lost"),
        pytest.param({"kind": FaultKind.DELAY, "delay_ms": 2_300}, id="timed_out_and_landed_late"),
        pytest.param(
            {"kind": FaultKind.SERVER_ERROR, "status": 504, "body": "gateway", "runs": True}, id="gateway_timed_out"
        ),
        pytest.param({"kind": FaultKind.SERVER_ERROR, "status": 500, "runs": True}, id="unknown_exception"),
    ],
)
async def test_case_16_first_write_without_an_answer_makes_no_duplicate(world: Whole, how: dict[str, Any]) -> None:
    """Salesforce made the records and nobody heard: they are found by external id, linked, and never made again."""
    world.plant(path=UPSERT, count=1, **how)
    names = await world.new(5, title="Once")
    await world.clean()
    assert sorted(name for name in await creations(world) if name in names) == sorted(names)
    assert len({record["Id"] for name in names for record in await world.records(name)}) == 5


@pytest.mark.parametrize("how", [FaultKind.REPLY_LOST, FaultKind.REQUEST_LOST])
async def test_case_16_update_without_an_answer(world: Whole, how: FaultKind) -> None:
    """Whether it landed or not, the edit is there in the end, and a newer one is never put back."""
    (name,) = world.take()
    world.plant(how, path=UPDATE, count=1)
    await world.rename(name, title="First")
    await until(lambda: not world.org.org.faults.planted(), "the call has failed")
    await world.rename(name, title="Second")
    await world.clean()
    assert await world.both(name, "title") == "Second"
    assert (await written(world, name, "Title"))[-1] == "Second"


async def test_case_08_two_quick_updates_do_not_flip(world: Whole) -> None:
    """The second edit is made while the first's event is on its way: nobody ever sees the first one again."""
    (name,) = world.take()
    async with await world.database["customers"].watch([{"$match": {"documentKey._id": name}}]) as changes:
        world.plant(FaultKind.DELAY, path=UPDATE, count=2, delay_ms=300)
        for title in ("One", "Two", "Three"):
            calls = world.calls("PATCH")
            await world.rename(name, title=title)
            await until(lambda calls=calls: world.calls("PATCH") > calls, f"{title} is being written")
        await world.clean()
        shown: list[str] = []
        async with asyncio.timeout(PATIENT_SECONDS):
            while shown[-1:] != ["Three"]:
                change = await changes.next()
                title = change["updateDescription"]["updatedFields"].get("title")
                if title is not None and shown[-1:] != [title]:
                    shown.append(title)
        while (change := await changes.try_next()) is not None:
            assert "title" not in change["updateDescription"]["updatedFields"]
    assert shown == ["One", "Two", "Three"]
    order = ["Engineer", "One", "Two", "Three"]
    titles = await written(world, name, "Title")
    assert titles == sorted(titles, key=order.index)
    assert titles[-1] == "Three"


async def test_case_17_partial_success_in_a_full_batch(world: Whole) -> None:
    """200 rows and more, some refused by a rule, some locked: the others are written once, only the failed again."""
    names = world.names(210)
    world.org.org.add_trigger(
        TriggerRule(object="Contact", field="LastName", action=Action.REFUSE, matches="^Refused", message="No.")
    )
    world.plant(FaultKind.LOCK_ROW, skip=20, count=15)
    refused = names[::21]
    before = await world.parked()
    await world.stop("write")
    for name in names:
        await world.post(name, {"last_name": f"{'Refused' if name in refused else 'Good'} {name}"})
    await until(lambda: _rung(world, len(names)), "every doorbell has rung")
    world.start("write")
    await world.rest()
    made = await creations(world)
    assert sorted(name for name in made if name in names) == sorted(set(names) - set(refused))
    parked = [row for row in await world.parked() if row not in before]
    assert {row["document"] for row in parked} == set(refused)
    assert {row["reason"] for row in parked} == {"FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    world.org.org.triggers.remove()
    for name in refused:
        await world.rename(name, last_name=f"Good now {name}")
    await world.clean()
    assert sorted(name for name in await creations(world) if name in names) == sorted(names)


async def _rung(world: Whole, count: int) -> bool:
    pulse = await world.mongo_witness.pulse("customers")
    unfinished = (await world.backlog.read())[topics.SALESFORCE_WRITES].unfinished
    return pulse.pending >= count and unfinished >= count


@contextlib.asynccontextmanager
async def backlog(world: Whole, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> AsyncIterator[None]:
    """What is posted within waits for the writer, which then takes it by Bulk jobs."""
    before = world.calls("POST", "/jobs/ingest")
    await world.stop("write")
    yield
    await until(lambda: _rung(world, len(names)), "every doorbell has rung")
    monkeypatch.setenv("WRITER_BULK_ROWS", "15")
    world.start("write")
    await until(lambda: world.calls("POST", "/jobs/ingest") > before, "a job was made")
    monkeypatch.delenv("WRITER_BULK_ROWS")


async def calls_again(world: Whole) -> None:
    """The writer as the other tests have it."""
    await world.stop("write")
    world.start("write")


@pytest.mark.parametrize("how", ["fails", "killed"])
async def test_case_18_a_job_is_done_when_every_row_is_accounted_for(
    world: Whole, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A job that fails, or whose maker is killed while it runs: all rows are written once, refused ones are told."""
    names = world.names(80)
    refused = names[::20]
    world.org.org.add_trigger(
        TriggerRule(object="Contact", field="LastName", action=Action.REFUSE, matches="^Refused", message="No.")
    )
    if how == "fails":
        world.plant(FaultKind.JOB_FAILED, count=1)
    else:
        world.plant(FaultKind.JOB_DELAY, count=2, delay_ms=1_500)
    async with backlog(world, monkeypatch, names):
        for name in names:
            await world.post(name, {"last_name": f"{'Refused' if name in refused else 'Good'} {name}"})
    if how == "killed":
        await until(lambda: world.calls("PATCH", "/jobs/ingest") > 0, "a job was closed")
        await world.kill("write")
        world.start("write")
    await world.rest()
    made = await creations(world)
    assert sorted(name for name in made if name in names) == sorted(set(names) - set(refused))
    for name in refused:
        assert (await world.document(name))["_sync"]["refusal"]["code"] == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    world.org.org.triggers.remove()
    for name in refused:
        await world.rename(name, last_name=f"Good now {name}")
    await world.clean()
    assert sorted(name for name in await creations(world) if name in names) == sorted(names)
    await calls_again(world)


async def test_what_the_org_would_refuse_is_not_sent(world: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tandem write` compares its rows with the org's description: what would be refused is told unsent."""
    names = await world.new(30, title="CTO")
    before = await world.parked()
    async with backlog(world, monkeypatch, names):
        for name in names:
            await world.rename(name, title="x" * 129 if name == names[0] else "CEO")
    await world.rest()
    assert [(await world.record(name))["Title"] for name in names] == ["CTO", *["CEO"] * 29]
    (parked,) = [row for row in await world.parked() if row not in before]
    assert (parked["document"], parked["reason"]) == (names[0], "STRING_TOO_LONG")
    assert "not sent" in parked["detail"]
    await world.rename(names[1], title="y" * 129)
    await world.rest()
    (alone,) = [row for row in await world.parked(document=names[1]) if row not in before]
    assert (alone["reason"], "not sent" in alone["detail"]) == ("STRING_TOO_LONG", True)
    for name in names[:2]:
        await world.rename(name, title="CEO")
    await world.clean()
    await calls_again(world)


async def test_case_19_null_absent_and_value_survive_a_job(world: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one row clears, another leaves, and a third sets, line breaks and quotes included."""
    names = await world.new(60, title="CTO", department="Sales")
    text = 'Two lines,\n"quoted"'
    async with backlog(world, monkeypatch, names):
        for place, name in enumerate(names):
            edits: list[dict[str, Any]] = [{"title": None}, {"department": text}, {"title": "CEO", "department": None}]
            await world.rename(name, **edits[place % 3])
    await world.rest()
    await world.clean()
    records = [await world.record(name) for name in names]
    told = [(record["Title"], record["Department"]) for record in records]
    assert told == [(None, "Sales"), ("CTO", text), ("CEO", None)] * 20
    await calls_again(world)


async def test_case_20_locked_rows_are_tried_again_and_all_written(world: Whole) -> None:
    """A hot parent: half of all rows are locked for a while. Each is written once, by a bounded number of calls."""
    names = world.take(10)
    before = world.calls("PATCH")
    world.plant(FaultKind.LOCK_ROW, probability=0.5, count=30)
    for name in names:
        await world.rename(name, title=f"Behind a lock {name}")
    await world.clean()
    for name in names:
        assert await written(world, name, "Title") == ["Engineer", f"Behind a lock {name}"]
    assert world.calls("PATCH") - before < 60


async def test_case_21_deleted_record_is_gone_and_nothing_is_written_through_it(world: Whole) -> None:
    """A deletion heard: no edit makes a new record or fails. An undelete brings both sides together again."""
    (name,) = world.take()
    record = await world.record(name)
    world.edits([Edit(action="delete", id=record["Id"])])
    await world.rest()
    assert (await world.document(name))["salesforce"]["syncStatus"] == "gone"
    made, calls = await creations(world), world.calls("PATCH")
    await world.rename(name, title="Written to nobody")
    await world.clean()
    assert (await creations(world), world.calls("PATCH")) == (made, calls)
    assert (await world.document(name))["title"] == "Written to nobody"
    world.edits([Edit(action="undelete", id=record["Id"])])
    await world.clean()
    assert await world.both(name, "title") == "Written to nobody"
    assert (await world.document(name))["salesforce"]["syncStatus"] == "synced"


async def test_case_21_deletion_that_only_the_write_finds(world: Whole) -> None:
    """The event of the deletion is still to come: ENTITY_IS_DELETED has the record read, and it is gone, not parked."""
    (name,) = world.take()
    before = await world.parked()
    record = await world.record(name)
    await world.stop("subscribe")
    world.edits([Edit(action="delete", id=record["Id"])])
    await world.rename(name, title="Too late")
    await world.rest()
    assert (await world.document(name))["salesforce"]["syncStatus"] == "gone"
    assert await world.parked() == before
    world.start("subscribe")
    await world.clean()
    assert not await world.records(name)


async def test_case_21_record_deleted_before_its_link_is_read(world: Whole) -> None:
    """Made by us, deleted by a user in the same second: gone, and not made again."""
    (name,) = world.names(1)
    await world.post_new([name])

    async def made() -> bool:
        return bool(await world.records(name))

    await until(made, "the record is there")
    world.edits([Edit(action="delete", key={world.kind.external_id: name})])
    await world.clean()
    assert (await creations(world)).count(name) == 1
    assert (await world.document(name))["salesforce"]["syncStatus"] == "gone"


async def test_case_24_everyone_is_logged_out_at_once(world: Whole) -> None:
    """All tokens end while calls are under way: each process logs in once more, and no edit is lost or doubled."""
    names = world.take(8)
    logins = 0
    issue = world.org.org.tokens.issue

    def counted(*arguments: Any) -> Any:
        nonlocal logins
        logins += 1
        return issue(*arguments)

    world.org.org.tokens.issue = counted  # type: ignore[method-assign]
    try:
        world.plant(FaultKind.DELAY, path="/composite", count=4, delay_ms=100)
        await asyncio.gather(*(world.rename(name, title=f"Logged out {name}") for name in names))
        world.org.org.tokens.revoke_all()
        await world.clean()
    finally:
        world.org.org.tokens.issue = issue  # type: ignore[method-assign]
    assert [await world.both(name, "title") for name in names] == [f"Logged out {name}" for name in names]
    assert logins <= 2, "one for the writer and one for the subscriber"


def _over_the_limit(world: Whole) -> None:
    world.plant(FaultKind.LIMIT, path="/services/data/")


def _down(world: Whole) -> None:
    world.plant(FaultKind.SERVER_ERROR, path="/services/", status=503)
    world.org.cometd.faults.arm(StreamFault(kind=StreamKind.UNAVAILABLE, times=None))
    world.org.cometd.faults.forget_sessions(cut=True)


def _behind_a_broken_gateway(world: Whole) -> None:
    world.plant(FaultKind.SERVER_ERROR, path="/services/", status=502, body="gateway")


def _logged_out(world: Whole) -> None:
    world.plant(FaultKind.SERVER_ERROR, path="/services/oauth2/token", status=503)
    world.org.org.tokens.revoke_all()


def _unreachable(world: Whole) -> None:
    world.plant(FaultKind.REQUEST_LOST, path="/services/")
    world.org.cometd.faults.arm(StreamFault(kind=StreamKind.LOSE, times=None))
    world.org.cometd.faults.forget_sessions(cut=True)


@pytest.mark.parametrize("happen", [_over_the_limit, _down, _behind_a_broken_gateway, _logged_out, _unreachable])
async def test_case_25_salesforce_is_away_for_a_while(world: Whole, happen: Any) -> None:
    """Webhooks are answered 202 all along, users go on editing, nothing is parked; afterwards everything is there."""
    names = world.take(4)
    before = await world.parked()
    happen(world)
    for name in names[:2]:
        await world.rename(name, title=f"Posted while away {name}")
    for name in names[2:]:
        world.edit(name, Title=f"Edited while away {name}")

    async def tried() -> bool:
        documents = [await world.document(name) for name in names[:2]]
        return any(one["_sync"].get("retry") for one in documents)

    await until(tried, "the writer has found it away")
    assert (await world.document(names[0]))["salesforce"]["syncStatus"] == "pending"
    world.org.org.faults.remove()
    world.org.cometd.faults.clear()
    await world.clean()
    assert [await world.both(name, "title") for name in names[:2]] == [f"Posted while away {n}" for n in names[:2]]
    assert [await world.both(name, "title") for name in names[2:]] == [f"Edited while away {n}" for n in names[2:]]
    assert await world.parked() == before
