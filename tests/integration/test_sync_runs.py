"""Runs on the real MongoDB and a simulated org: loads, comparisons, refreshes; interrupted, resumed, refused."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.orders import MAPPING as ORDERS
from support.sync_world import Database, SyncWorld, counts, mapping, sync_world

from adapters.mongo.gap_rows import MongoGapRows
from consumers.catalog import Catalog
from ops.sync.asking import CannotRun
from ops.sync.walk import Advance, Walk
from schemas.gap import Found, GapReason, GapState
from schemas.mapping import Mapping as MappingOfAll
from schemas.sync_run import Run, RunState, RunStep, Wish

pytestmark = pytest.mark.integration


class KilledError(BaseException):
    """What a process does not live to handle."""


@pytest.fixture
async def world(database: Database) -> AsyncIterator[SyncWorld]:
    """Records become documents; few rows are had at a time."""
    async with sync_world(database, on_unlinked="create") as made:
        yield made


async def test_a_first_load_makes_documents_of_records_and_a_second_finds_nothing(world: SyncWorld) -> None:
    """Each record is linked, read whole and given our id; what is the same on both sides is not touched again."""
    ids = [world.edit(action="create", fields={"LastName": f"R{number}", "Title": "Dr"}) for number in range(5)]
    run = await world.run(direction="pull")
    assert (run.state, counts(run)) == (RunState.DONE, {"pull": {"create": 5}})
    assert len(world.changes.appended) == 5
    await world.settle()
    customers = await world.customers()
    assert sorted(customers) == sorted(ids)
    assert {one["last_name"] for one in customers.values()} == {f"R{number}" for number in range(5)}
    assert {one["salesforce"]["syncStatus"] for one in customers.values()} == {"synced"}
    assert sorted(await world.contacts()) == sorted(ids)  # each holds the id of its document
    again = await world.run(direction="both")
    assert counts(again) == {"pull": {"up_to_date": 5}, "push": {"up_to_date": 5}}
    assert not world.changes.appended
    assert not world.stage.doorbells.rung


async def test_documents_that_were_there_before_us_are_pushed(world: SyncWorld) -> None:
    """The platform's collection as it was: each becomes a record, or is linked to the one that holds its id."""
    record = world.edit(action="create", fields={"LastName": "Old", "Tandem_Customer_Id__c": "cust-1", "Title": "Dr"})
    for number in range(3):
        await world.database["customers"].insert_one(
            {"_id": f"cust-{number}", "last_name": f"L{number}", "email": f"A{number}@x.org", "unmapped": {"a": 1}}
        )
    assert await world.plan(direction="push") == {"push": {"create": 2, "link": 1}}
    assert (await world.customers())["cust-1"].get("_sync") is None
    run = await world.run(direction="push")
    assert counts(run) == {"push": {"create": 3}}
    await world.settle()
    contacts = await world.contacts()
    assert sorted(contacts) == ["cust-0", "cust-1", "cust-2"]
    assert contacts["cust-1"]["Id"] == record
    assert contacts["cust-0"]["Email"] == "a0@x.org"
    customers = await world.customers()
    assert customers["cust-0"]["unmapped"] == {"a": 1}
    assert customers["cust-1"]["title"] == "Dr"
    # `first` of the mapping settles what both sides had, and the platform's value is not lost without a word.
    audit = await world.database["salesforce_sync_logs"].find({"type": "audit", "document": "cust-1"}).to_list()
    assert [row["path"] for row in audit] == ["last_name"]
    assert counts(await world.run(direction="both")) == {"pull": {"up_to_date": 3}, "push": {"up_to_date": 3}}


async def test_what_was_left_undone_is_made_due(world: SyncWorld) -> None:
    """A document whose time was lost: nobody would ever look at it again, and a push does."""
    await world.both_sides(2)
    await world.post(1, title="Countess")
    await world.database["customers"].update_one({"_id": "cust-1"}, {"$unset": {"_sync.due_at": ""}})
    world.stage.doorbells.rung.clear()
    await world.settle()
    assert (await world.contacts())["cust-1"]["Title"] == "Ms"
    assert counts(await world.run(direction="push")) == {"push": {"up_to_date": 1, "update": 1}}
    await world.settle()
    assert (await world.contacts())["cust-1"]["Title"] == "Countess"


async def test_a_dry_run_and_a_plan_write_nothing(world: SyncWorld) -> None:
    """No document, change, doorbell or record is another one; only the run itself is kept, with its counts."""
    await world.both_sides(2)
    world.edit(id=(await world.contacts())["cust-0"]["Id"], fields={"Title": "Dr"})
    world.edit(action="create", fields={"LastName": "New"})
    await world.database["customers"].insert_one({"_id": "cust-9", "last_name": "Fresh"})
    before = await world.customers(), await world.contacts()
    told = {"pull": {"update": 1, "up_to_date": 1, "create": 1}, "push": {"up_to_date": 2, "create": 1}}
    assert await world.plan() == told
    assert await world.database["tandem_runs"].count_documents({}) == 0
    run = await world.run(dry_run=True)
    assert (run.state, counts(run)) == (RunState.DONE, told)
    assert (await world.customers(), await world.contacts()) == before
    assert not world.changes.appended
    assert not world.stage.doorbells.rung


async def test_an_edit_that_no_event_told_of_is_pulled(world: SyncWorld) -> None:
    """And nothing else is read."""
    await world.both_sides(3)
    world.edit(id=(await world.contacts())["cust-1"]["Id"], fields={"Title": "Dr"})
    assert counts(await world.run(direction="pull")) == {"pull": {"up_to_date": 2, "update": 1}}
    await world.settle()
    assert (await world.customers())["cust-1"]["title"] == "Dr"


async def test_since_and_filter_are_respected_on_both_sides(world: SyncWorld) -> None:
    """A record that was changed before, or that the condition leaves out, is not even listed; a document is counted."""
    await world.both_sides(2)
    ids = {key: one["Id"] for key, one in (await world.contacts()).items()}
    world.edit(id=ids["cust-0"], fields={"Title": "Early"})
    world.stage.now += 60_000
    since = datetime.fromtimestamp(world.stage.now / 1000, UTC).isoformat()
    world.stage.now += 60_000
    world.edit(id=ids["cust-1"], fields={"Title": "Late"})
    assert await world.plan(direction="pull", since=since) == {"pull": {"update": 1}}
    early = {"path": "title", "equals": "early"}
    assert await world.plan(direction="pull", filter=early) == {"pull": {"update": 1}}
    run = await world.run(direction="pull", filter=early)
    assert counts(run) == {"pull": {"update": 1}}
    await world.settle()
    assert {key: one["title"] for key, one in (await world.customers()).items()} == {"cust-0": "Early", "cust-1": "Ms"}
    await world.post(1, department="Engines")
    assert await world.plan(direction="push", since=since) == {"push": {"not_asked": 1, "update": 1}}
    assert await world.plan(direction="push", filter=early) == {"push": {"up_to_date": 1, "not_asked": 1}}


async def test_a_run_that_is_killed_goes_on_from_its_cursor(world: SyncWorld) -> None:
    """Wherever it ends: what was counted is counted once, and everything is found."""
    for number in range(7):
        await world.database["customers"].insert_one({"_id": f"cust-{number}", "last_name": f"L{number}"})
    run = await world.ask(direction="push")

    def small(run: Run, step: RunStep) -> Walk:
        walk: Any = world.parts.walk(run, step)
        walk._page = 2
        return walk  # type: ignore[no-any-return]

    parts = 0

    def killed(_step: RunStep, _advance: Advance) -> None:
        nonlocal parts
        parts += 1
        raise KilledError

    for _time in range(3):
        with pytest.raises(KilledError):
            await world.worker(walk=small, moved=killed).work(asyncio.Event())
    left = await world.stored(run.id)
    assert (left.state, left.steps[0].passed, left.steps[0].cursor) == (RunState.RUNNING, 6, "cust-5")
    await world.worker(walk=small).work(asyncio.Event())
    done = await world.stored(run.id)
    assert (done.state, counts(done)) == (RunState.DONE, {"push": {"create": 7}})
    await world.settle()
    assert len(await world.contacts()) == 7


async def test_kafka_away_is_waited_for_and_the_part_is_done_again(world: SyncWorld) -> None:
    """Twice is as if once: nothing is lost, and nothing is counted twice."""
    for number in range(3):
        world.edit(action="create", fields={"LastName": f"R{number}"})
    world.changes.left = 0
    waits: list[str] = []
    run = await world.ask(direction="pull")

    async def until_told(seconds: float) -> None:
        if seconds < 20:  # not the lease's own
            waits.append((await world.stored(run.id)).waits)
            world.changes.left = 9
        await asyncio.sleep(0)

    await world.worker(sleep=until_told).work(asyncio.Event())
    assert waits == ["away"]
    done = await world.stored(run.id)
    assert (done.state, done.waits, counts(done)) == (RunState.DONE, "", {"pull": {"create": 3}})


async def test_a_run_says_what_it_waits_for(world: SyncWorld) -> None:
    """No room in the budget, or too much for the stages: it goes on by itself once there is."""
    await world.both_sides(1)
    world.hindered = "no room"
    run = await world.ask(direction="push")
    seen: list[Run] = []

    async def until_told(_seconds: float) -> None:
        seen.append(await world.stored(run.id))
        world.hindered = ""
        await asyncio.sleep(0)

    await world.worker(sleep=until_told).work(asyncio.Event())
    assert [(one.state, one.waits) for one in seen] == [(RunState.RUNNING, "no room")]
    assert (await world.stored(run.id)).state is RunState.DONE


async def test_a_comparison_finds_a_record_that_was_deleted_without_an_event(world: SyncWorld) -> None:
    """A read by Id says so, and nothing is written through the link any more; the others are left alone."""
    await world.both_sides(3)
    world.edit(action="delete", id=(await world.contacts())["cust-1"]["Id"])
    run = await world.run(purpose="compare")
    assert counts(run) == {"compare": {"up_to_date": 2, "missing": 1}}
    await world.settle()
    statuses = {key: one["salesforce"]["syncStatus"] for key, one in (await world.customers()).items()}
    assert statuses == {"cust-0": "synced", "cust-1": "gone", "cust-2": "synced"}
    assert counts(await world.run(purpose="compare")) == {"compare": {"up_to_date": 2}}


async def test_a_comparison_finds_the_last_record_and_all_of_them_gone(world: SyncWorld) -> None:
    """The part of the list behind its last record counts too, and an empty list is one."""
    await world.both_sides(3)
    last = max((await world.contacts()).values(), key=lambda one: one["Id"])
    world.edit(action="delete", id=last["Id"])
    assert counts(await world.run(purpose="compare")) == {"compare": {"up_to_date": 2, "missing": 1}}
    await world.settle()
    for one in (await world.contacts()).values():
        world.edit(action="delete", id=one["Id"])
    assert counts(await world.run(purpose="compare")) == {"compare": {"missing": 2}}


async def test_an_undelete_that_no_event_told_of_is_found(world: SyncWorld) -> None:
    """The record is read whole, and both sides are kept the same again."""
    await world.both_sides(1)
    record = (await world.contacts())["cust-0"]["Id"]
    world.edit(action="delete", id=record)
    await world.run(purpose="compare")
    await world.settle()
    world.edit(action="undelete", id=record)
    assert counts(await world.run(purpose="compare")) == {"compare": {"back": 1}}
    await world.settle()
    assert (await world.customers())["cust-0"]["salesforce"]["syncStatus"] == "synced"


async def test_many_missing_records_are_asked_about_first(world: SyncWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that has lost the right to see them would have every document cut off from its record."""
    monkeypatch.setattr("ops.sync.look.MISSING_LEAST", 1)
    await world.both_sides(4)
    for number in (1, 2):
        world.edit(action="delete", id=(await world.contacts())[f"cust-{number}"]["Id"])
    run = await world.run(purpose="compare")
    assert run.state is RunState.PAUSED
    assert "may the login not see them any more" in run.reason
    assert not world.changes.appended
    assert await world.runs.turn(run.id, [RunState.PAUSED], RunState.PLANNED, accepts_missing=True)
    await world.worker().work(asyncio.Event())
    assert counts(await world.stored(run.id)) == {"compare": {"up_to_date": 2, "missing": 2}}


async def test_a_pull_begins_only_once_somebody_follows_the_changes(world: SyncWorld) -> None:
    """Else an edit made during the load could be missed. A subscriber that has had no event yet holds its lease."""
    await world.database["tandem_positions"].delete_many({})
    run = await world.run(direction="pull")
    assert run.state is RunState.FAILED
    assert "start `tandem subscribe` first" in run.reason
    name = f"changes:{await world.parts.org_id()}"
    later = datetime(2100, 1, 1, tzinfo=UTC)
    await world.database["tandem_leases"].insert_one({"_id": name, "owner": "a", "epoch": 1, "expires_at": later})
    assert (await world.run(direction="pull")).state is RunState.DONE


async def test_one_process_works_at_a_time_and_a_wish_is_heard(world: SyncWorld) -> None:
    """The second stands by; a cancelled run ends after the part in hand, and can be resumed."""
    await world.both_sides(1)
    run = await world.ask()
    entered, leave = asyncio.Event(), asyncio.Event()

    async def held(_run: Run, _step: RunStep) -> str:
        entered.set()
        await leave.wait()
        return ""

    first = asyncio.create_task(world.worker(hindrance=held).work(asyncio.Event()))
    await entered.wait()
    assert not await world.worker().work(asyncio.Event())
    assert await world.runs.wish(run.id, Wish.CANCEL)
    leave.set()
    assert await first
    assert (await world.stored(run.id)).state is RunState.CANCELLED
    assert await world.runs.turn(run.id, [RunState.CANCELLED], RunState.PLANNED)
    await world.worker().work(asyncio.Event())
    assert (await world.stored(run.id)).state is RunState.DONE


async def test_large_lists_come_by_bulk_jobs_in_chunks(database: Database) -> None:
    """Four chunks of Bulk query find what one REST query does, and every missing record."""
    async with sync_world(database, {"bulk_rows": 5, "chunk_rows": 3}, on_unlinked="create") as world:
        for number in range(10):
            world.edit(action="create", fields={"LastName": f"R{number}"})
        assert counts(await world.run(direction="pull")) == {"pull": {"create": 10}}
        told = await world.org.admin("GET", "/calls")
        jobs = [one["count"] for one in told["calls"] if (one["verb"], one["resource"]) == ("POST", "/jobs/query")]
        assert jobs == [4]
        await world.settle()
        record = sorted(await world.customers())[4]
        world.edit(action="delete", id=record)
        assert counts(await world.run(purpose="compare")) == {"compare": {"up_to_date": 9, "missing": 1}}


FORMULA = """
objects:
  - name: Contact
    fields:
      - name: Salutation_Line__c
        label: Salutation Line
        type: string
        length: 200
        read_only: true
        formula: '"Dear " & Title'
"""
"""Of which no change event tells."""


async def test_a_refresh_finds_a_formula_that_changed_by_itself(database: Database, tmp_path: Path) -> None:
    """Of all fields those alone are looked at, and the document shows the new value after the refresh."""
    schema = tmp_path / "schema.yaml"
    schema.write_text(FORMULA, encoding="utf-8")
    line = {"platform": "salutation_line", "salesforce": "Salutation_Line__c", "direction": "pull"}
    fields = [*mapping().model_dump(mode="json")["kinds"]["customer"]["fields"], line]
    async with sync_world(database, None, {"schema_file": schema}, fields=fields) as world:
        await world.both_sides(2)
        assert {one["salutation_line"] for one in (await world.customers()).values()} == {"Dear Ms"}
        records = {key: one["Id"] for key, one in (await world.contacts()).items()}
        world.edit(id=records["cust-1"], fields={"Title": "Dr"})
        run = await world.run(purpose="refresh")
        assert counts(run) == {"refresh": {"up_to_date": 1, "update": 1}}
        await world.settle()
        assert (await world.customers())["cust-1"]["salutation_line"] == "Dear Dr"
        assert counts(await world.run(purpose="refresh")) == {"refresh": {"up_to_date": 2}}


async def test_a_refresh_of_a_kind_without_calculated_fields_looks_at_nothing(world: SyncWorld) -> None:
    """Not one call is spent on its list."""
    await world.both_sides(1)
    run = await world.run(purpose="refresh")
    assert (run.state, counts(run)) == (RunState.DONE, {"refresh": {}})


async def test_a_pull_that_is_killed_finds_everything_once(world: SyncWorld) -> None:
    """Between the changes and the cursor: the part is published again, and each record becomes one document."""
    ids = [world.edit(action="create", fields={"LastName": f"R{number}"}) for number in range(4)]
    run = await world.ask(direction="pull")
    saves = 0

    class Dying:
        """Runs whose third save is the process's last act that is not done."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.runs, name)

        async def save(self, run: Run, lease: Any) -> Wish | None:
            nonlocal saves
            saves += 1
            if saves == 2:
                raise KilledError
            return await world.runs.save(run, lease)

    worker = world.worker()
    worker._runs = Dying()
    with pytest.raises(KilledError):
        await worker.work(asyncio.Event())
    assert (await world.stored(run.id)).steps[0].passed == 0
    await world.worker().work(asyncio.Event())
    assert counts(await world.stored(run.id)) == {"pull": {"create": 4}}
    assert len(world.changes.appended) == 8
    await world.settle()
    assert sorted(await world.customers()) == sorted(ids)


async def test_a_record_that_names_a_document_is_linked_and_a_stranger_is_left_alone(database: Database) -> None:
    """`match`: no document is made, and the two values are settled by the mapping's `first`."""
    async with sync_world(database, on_unlinked="match") as world:
        await world.database["customers"].insert_one({"_id": "cust-1", "last_name": "Lovelace", "title": "Ms"})
        world.edit(action="create", fields={"LastName": "Byron", "Tandem_Customer_Id__c": "cust-1"})
        world.edit(action="create", fields={"LastName": "Stranger"})
        assert counts(await world.run(direction="pull")) == {"pull": {"link": 1, "unlinked": 1}}
        await world.settle()
        customers = await world.customers()
        assert sorted(customers) == ["cust-1"]
        assert customers["cust-1"]["title"] == "Ms"  # Salesforce has none: the platform's stays, and is written
        assert (await world.contacts())["cust-1"]["Title"] == "Ms"


async def test_the_mappings_filters_leave_out_what_they_leave_out_elsewhere(database: Database) -> None:
    """A plan counts both, and nothing is made of either; what a pull would leave out is not even read."""
    has_mail = {"path": "email", "present": True}
    async with sync_world(database, on_unlinked="create", filters={"push": has_mail, "pull": has_mail}) as world:
        world.edit(action="create", fields={"LastName": "Nobody"})
        world.edit(action="create", fields={"LastName": "Ada", "Email": "ada@x.org"})
        await world.database["customers"].insert_one({"_id": "cust-1", "last_name": "Lovelace"})
        plan = await world.run(direction="both", dry_run=True)
        assert counts(plan) == {"pull": {"filtered": 1, "create": 1}, "push": {"filtered": 1}}
        run = await world.run(direction="both")
        assert counts(run) == {"pull": {"create": 1}, "push": {"filtered": 1}}
        await world.settle()
        assert len(await world.customers()) == 2
        assert len(await world.contacts()) == 2


async def test_a_pull_reads_what_is_ours_whatever_the_filter_of_strangers_says(database: Database) -> None:
    """It says of whom documents are made, and not whose edits come in."""
    has_mail = {"path": "email", "present": True}
    async with sync_world(database, on_unlinked="create", filters={"pull": has_mail}) as world:
        await world.database["customers"].insert_one({"_id": "cust-1", "last_name": "Lovelace"})
        world.edit(action="create", fields={"LastName": "Lovelace", "Tandem_Customer_Id__c": "cust-1", "Title": "Ms"})
        world.edit(action="create", fields={"LastName": "Nobody"})
        run = await world.run(direction="pull")
        assert counts(run) == {"pull": {"link": 1}}
        assert [step.passed for step in run.steps] == [1]
        await world.settle()
        assert (await world.customers())["cust-1"]["title"] == "Ms"


async def test_what_cannot_be_asked_for_is_refused_before_anything_begins(world: SyncWorld) -> None:
    """A filter on what is not mapped, an object that is nobody's."""
    with pytest.raises(CannotRun, match="the filter names shoe_size, which customer does not map"):
        await world.ask(filter={"path": "shoe_size", "equals": 1})
    with pytest.raises(CannotRun, match="nothing that is called tickets"):
        await world.ask("tickets")


async def test_a_list_that_the_org_refuses_fails_the_run_and_says_so(world: SyncWorld) -> None:
    """Salesforce's own code; the run can be resumed once it is put right."""
    run = await world.ask(direction="pull")
    place = world.stage.catalog.kinds["customer"].own
    object.__setattr__(place, "names", {**place.names, "No_Such__c": "No_Such__c"})
    await world.worker().work(asyncio.Event())
    failed = await world.stored(run.id)
    assert (failed.state, failed.reason) == (RunState.FAILED, "pull customer: INVALID_FIELD")


async def test_documents_for_which_none_may_be_made_are_looked_up_once(database: Database) -> None:
    """Without consent: linked if a record is there, and told as not made if none is."""
    consent = {"path": "newsletter", "equals": True}
    async with sync_world(database, consent=consent) as world:
        world.edit(action="create", fields={"LastName": "Known", "Tandem_Customer_Id__c": "cust-1"})
        for number in range(2):
            await world.database["customers"].insert_one({"_id": f"cust-{number}", "last_name": f"L{number}"})
        assert await world.plan(direction="push") == {"push": {"link": 1, "look_up": 1}}
        assert counts(await world.run(direction="push")) == {"push": {"look_up": 2}}
        await world.settle()
        assert sorted(await world.contacts()) == ["cust-1"]
        assert counts(await world.run(direction="push")) == {"push": {"unmade": 1, "up_to_date": 1}}


async def test_an_object_that_was_switched_off_meanwhile_ends_its_run(world: SyncWorld) -> None:
    """A new one is refused, and one that was asked for before fails and says so."""
    await world.both_sides(1)
    run = await world.ask(direction="push")
    world.stage.catalog = Catalog(mapping(), frozenset({"Contact"}))
    with pytest.raises(CannotRun, match="Contact is switched off"):
        await world.ask()
    await world.worker().work(asyncio.Event())
    failed = await world.stored(run.id)
    assert (failed.state, failed.reason) == (RunState.FAILED, "push customer: Contact is switched off by SYNC_*")


STATES = {"lost": "repairing"}
"""One whose repair was begun, and refused for one of its objects."""


async def test_a_comparison_of_everything_makes_the_gaps_before_it_good(world: SyncWorld) -> None:
    """Their repair has only to wait for what it published. What was noticed while it ran is for the next; one of a
    part, or of another org, makes none good.
    """
    await world.both_sides(1)
    org = await world.parts.org_id()
    began = world.stage.now
    gaps = {"before": began, "after": began + 9_000_000, "theirs": began, "platform": began, "lost": began}
    for name, until in gaps.items():
        where = {"org": org} if name in ("before", "after") else {"org": "00D"} if name == "theirs" else {}
        channel = {"platform": "platform.events", "lost": "salesforce.changes"}.get(name, "/data/ChangeEvents")
        await world.database["tandem_gaps"].insert_one(
            {"_id": name, "channel": channel, "until": until, "state": STATES.get(name, "open"), **where}
        )

    async def covered() -> dict[str, str]:
        rows = await world.database["tandem_gaps"].find({"state": "repairing", "published_to": {"0": 40}}).to_list()
        return {row["_id"]: row["covered_by"] for row in rows}

    world.backlog.end = 40
    assert (await world.run("contacts", purpose="compare")).closed_gaps == 0
    assert (await world.run("all", purpose="compare", dry_run=True)).closed_gaps == 0
    assert await covered() == {}
    run = await world.run("all", purpose="compare")
    assert run.closed_gaps == 2
    assert await covered() == {"before": run.id, "lost": run.id}
    (note,) = {row["covered_note"] async for row in world.database["tandem_gaps"].find({"covered_by": run.id})}
    assert note == run.found
    assert re.fullmatch(r"[0-9]+ looked at: [0-9]+ [a-z_]+.*", note)


async def test_what_a_comparison_finds_is_a_closed_gap(world: SyncWorld) -> None:
    """From the comparison before to this one, as often as its end is tried; one that finds nothing leaves none."""
    await world.both_sides(3)
    before = await world.run("all", purpose="compare")
    rows = MongoGapRows(world.database)
    assert await rows.rows() == []
    contacts = await world.contacts()
    world.edit(action="delete", id=contacts["cust-1"]["Id"])
    world.edit(action="update", id=contacts["cust-2"]["Id"], fields={"Title": "Nobody told of it"})
    assert (await world.run("contacts", purpose="compare", dry_run=True)).problems == ""
    assert await rows.rows() == []
    run = await world.run("all", purpose="compare")
    assert (await world.parts.finish(run)).id == run.id
    (gap,) = await rows.rows()
    assert (gap.reason, gap.entity, gap.state) == (GapReason.COMPARISON, "Contact", GapState.CLOSED)
    assert (gap.since, gap.closed_by) == (before.started_at, run.id)
    assert gap.found == Found(looked=2, published=1, deleted=1)
    assert gap.note == run.steps[0].found
    assert run.started_at <= gap.until == gap.closed_at
    (stored,) = await world.database["tandem_gaps"].find().to_list()
    assert stored["expires_at"].replace(tzinfo=UTC) > datetime.fromtimestamp(gap.until / 1000, UTC)
    assert await rows.unrepaired() == []
    await world.settle()
    assert counts(await world.run(purpose="compare")) == {"compare": {"up_to_date": 2}}
    assert len(await rows.rows()) == 1


async def test_what_a_hindered_comparison_found_is_kept_too(world: SyncWorld) -> None:
    """Of the steps that were through; the gaps before it stay open, since not all was looked at."""
    await world.both_sides(1)
    world.edit(action="delete", id=(await world.contacts())["cust-0"]["Id"])
    run = await world.run("contacts", purpose="compare")
    (step,) = run.steps
    hindered = step.model_copy(update={"kind": "order", "problem": "the login may not read it"})
    request = run.request.model_copy(update={"what": "all"})
    again = run.model_copy(update={"id": "hindered", "request": request, "steps": (step, hindered)})
    await world.database["tandem_gaps"].insert_one(
        {"_id": "before", "channel": "salesforce.changes", "reason": "overflow", "until": 1, "state": "open"}
    )
    assert (await world.parts.finish(again)).closed_gaps == 0
    rows = await MongoGapRows(world.database).rows()
    assert {row.closed_by for row in rows if row.state is GapState.CLOSED} == {run.id, "hindered"}
    assert [row.id for row in rows if row.state is not GapState.CLOSED] == ["before"]


async def test_totals_are_taken_of_what_was_there_before_us(database: Database) -> None:
    """Of a customer that is pushed with its orders, and of one that was known before its orders were."""
    async with sync_world(database, kinds=ORDERS["kinds"]) as world:
        await world.post(1)
        paid = {"status": "paid", "amount": 40, "quantity": 2, "event": "e-1", "ordered_at": "2026-01-01"}
        await world.database["customers"].insert_one({"_id": "cust-2", "last_name": "L2"})
        for number in (1, 2):
            await world.database["orders"].insert_one({"_id": f"o-{number}", "customer_id": f"cust-{number}"} | paid)
        run = await world.run("all", direction="push")
        assert {step.kind: dict(step.counts) for step in run.steps} == {
            "customer": {"create": 2},
            "order": {"create": 2},
        }
        customers = await world.customers()
        assert {key: one["total_spent"] for key, one in customers.items()} == {"cust-1": 40, "cust-2": 40}
        assert {one["stage"] for one in customers.values()} == {"customer"}


async def test_a_step_that_cannot_go_on_keeps_no_other_from_its_end(database: Database) -> None:
    """The run has failed and names it; once that is put right, resuming goes on with that step alone."""
    contacts = mapping().model_dump(mode="json")["kinds"]["customer"]
    names = {"external_id": "Tandem_Company_Id__c", "token": "Tandem_Company_Write__c", "sobject": "Account"}
    company = {**names, "collection": "companies", "fields": [{"platform": "name", "salesforce": "No_Such__c"}]}
    async with sync_world(database, kinds={"a_company": company, "customer": contacts}) as world:
        await world.both_sides(2)
        world.edit(action="delete", id=(await world.contacts())["cust-1"]["Id"])
        failed = await world.run("all", purpose="compare")
        assert (failed.state, failed.reason) == (RunState.FAILED, "compare a_company: INVALID_FIELD")
        assert [(step.kind, step.counts) for step in failed.steps] == [
            ("a_company", {}),
            ("customer", {"up_to_date": 1, "missing": 1}),
        ]
        company["fields"] = [{"platform": "name", "salesforce": "Name"}]
        right = {"version": 2, "kinds": {"a_company": company, "customer": contacts}}
        world.stage.catalog = Catalog(MappingOfAll.model_validate(right))
        world.edit(action="create", object="Account", fields={"Name": "Acme"})
        assert await world.runs.turn(failed.id, [RunState.FAILED], RunState.PLANNED)
        await world.worker().work(asyncio.Event())
        done = await world.stored(failed.id)
        assert (done.state, done.reason) == (RunState.DONE, "")
        assert [step.counts for step in done.steps] == [{"unlinked": 1}, {"up_to_date": 1, "missing": 1}]
