"""Replays on the admin page: planned, published, paused and gone on with, on a real MongoDB, with a topic in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, Visitor, open_admin
from support.running import until

from adapters.mongo.leases import MongoLeases
from adapters.mongo.removal import MongoRemoval
from ops.admin.replays import last_night
from ops.errands import replays as errands
from ops.errands.keeper import Progress
from ops.replay import CHUNK
from schemas import topics
from schemas.marks import REPLAY
from schemas.operators import Role

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
FORM = {"topic": topics.PLATFORM_EVENTS, "from": "2020-01-01T00:00", "to": ""}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With three customers of whom two are lost, and the events that had told of them."""
    async with open_admin(database) as world:
        for role in (Role.VIEWER, Role.OPERATOR):
            await world.user(str(role), role)
        await people(world, 3)
        await database["customers"].delete_many({"_id": {"$in": ["c0", "c2"]}})
        yield world


async def people(admin: AdminWorld, count: int) -> None:
    """So many customers, handled."""
    stage = admin.operator.stage
    for number in range(count):
        stage.now += 1
        event = stage.event(ADA, id_=f"c{number}", type_="customer.created")
        admin.facts.hold([event])
        await stage.reconciler.handle([event])


async def planned(admin: AdminWorld, visitor: Visitor, **form: str) -> str:
    """The address of a replay whose plan is made."""
    await visitor.get("/admin/replays")
    assert await visitor.post("/admin/replays", {**FORM, **form}) == 303, visitor.last
    to = visitor.sent_to
    assert (await visitor.json(to))["state"] == "planning"
    await admin.work()
    return to


async def stands(visitor: Visitor, to: str, name: str, value: str) -> None:
    """Wait until its page says so."""

    async def says_so() -> bool:
        return bool((await visitor.json(to))[name] == value)

    await until(says_so, f"{name} is {value}")


async def begun(visitor: Visitor, to: str, why: str = "the backup was a day old") -> int:
    """Begin it; the status."""
    await visitor.get(to)
    return await visitor.post(f"{to}/publish", {"sure": "yes", "why": why})


async def test_a_replay_is_planned_seen_and_published(admin: AdminWorld) -> None:
    """The plan counts and publishes nothing; then what changes something comes again, marked, with who and why."""
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor)
        told = await visitor.json(to)
        assert (told["state"], told["to_publish"], admin.facts.again) == ("planned", 2, [])
        assert any("would be applied" in line for line in told["plan"])
        await visitor.get(to)
        assert await visitor.post(f"{to}/publish") == 200
        assert "2 would be published again" in visitor.last
        assert await visitor.post(f"{to}/publish", {"sure": "yes", "why": " "}) == 409
        assert await begun(visitor, to) == 303
        assert admin.facts.again == []
        await admin.work()
        told = await visitor.json(to)
        assert (told["state"], told["published"], told["read"], told["moves"]) == ("done", 2, 3, False)
        assert [(REPLAY, to.rpartition("/")[2].encode()) in headers for _key, _value, headers in admin.facts.again] == [
            True,
            True,
        ]
        assert await begun(visitor, to) == 409
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["by"], row["note"], row["result"]) == (
            "replay",
            "operator",
            "the backup was a day old",
            "2 published again",
        )


async def test_where_nothing_would_change_nothing_can_be_published(admin: AdminWorld) -> None:
    """By the key of one who is there."""
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor, key="customer:c1")
        assert (await visitor.json(to))["to_publish"] == 0
        assert await begun(visitor, to) == 409
        assert await visitor.get(to) == 200
        assert f"{to}/publish" not in visitor.last


async def test_a_replay_is_paused_goes_on_and_ends(admin: AdminWorld) -> None:
    """Paused before it is taken up it publishes nothing; cancelled it is over; each with why."""
    operations = admin.parts.operations
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor)
        await begun(visitor, to)
        for what, status, state in (
            ("pause", 303, "paused"),
            ("pause", 409, "paused"),
            ("resume", 303, "begun"),
            ("pause", 303, "paused"),
            ("cancel", 303, "cancelled"),
            ("resume", 409, "cancelled"),
            ("dance", 409, "cancelled"),
        ):
            await visitor.get("/admin/replays")
            assert await visitor.post(to, {"what": what, "sure": "yes", "why": "a try"}) == status, what
            row = await operations.get(to.rpartition("/")[2])
            assert row is not None
            assert row["state"] == state, what
            assert ("work" in row) is (state == "begun")
        await admin.work()
        assert admin.facts.again == []
        whats = [row["what"] for row in (await visitor.json("/admin/audit"))["rows"]]
        assert {"pause replay", "resume replay", "cancel replay"} <= set(whats)


class Held:
    """A log in which whoever would publish waits for live records, until it is let go."""

    def __init__(self, admin: AdminWorld) -> None:
        self.admin = admin
        self.held = True

    async def handled(self, group: str) -> dict[int, int]:
        assert group
        # Only once the window is known: what is not handled is left out of it.
        behind = await self.admin.operator.database["tandem_operations"].find_one({"work": errands.PUBLISH})
        return {0: 0 if self.held and behind else len(self.admin.facts.records)}


async def test_one_that_waits_for_live_records_says_so_and_can_be_paused(
    admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is at work; what it waits for is gone then, and it goes on where it was."""
    held = Held(admin)
    monkeypatch.setattr(admin.facts, "handled", held.handled)
    monkeypatch.setattr(errands, "LAG", 0)
    async with admin.visit("operator") as visitor, admin.working():
        await visitor.get("/admin/replays")
        assert await visitor.post("/admin/replays", FORM) == 303
        to = visitor.sent_to

        await stands(visitor, to, "state", "planned")
        assert await begun(visitor, to) == 303
        await stands(visitor, to, "waits", "for 3 live records to be handled first")
        await visitor.get(to)
        assert await visitor.post(to, {"what": "pause", "sure": "yes", "why": "too early"}) == 303
        await stands(visitor, to, "state", "paused")
        assert admin.facts.again == []
        held.held = False
        await visitor.get(to)
        assert await visitor.post(to, {"what": "resume", "sure": "yes", "why": "now"}) == 303
        await stands(visitor, to, "state", "done")
    assert len(admin.facts.again) == 2


async def test_one_that_was_killed_is_gone_on_with_by_another(
    admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has noted is not done again, the rest is."""
    monkeypatch.setattr("ops.replay.CHUNK", 1)
    assert CHUNK > 1
    deliver = admin.facts.deliver_all
    calls: list[int] = []

    async def killed(topic: str, entries: Any) -> None:
        calls.append(len(entries))
        if len(calls) == 2:
            raise asyncio.CancelledError
        await deliver(topic, entries)

    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor)
        await begun(visitor, to)
        monkeypatch.setattr(admin.facts, "deliver_all", killed)
        with pytest.raises(asyncio.CancelledError):
            await errands.Replays(admin.workshop().replayer, admin.facts).publish(
                await admin.parts.operations.get(to.rpartition("/")[2]) or {}, Progress()
            )
        assert ((await visitor.json(to))["published"], len(admin.facts.again)) == (1, 1)
        monkeypatch.setattr(admin.facts, "deliver_all", deliver)
        await admin.work()
        told = await visitor.json(to)
    assert (told["state"], told["published"], told["read"], len(admin.facts.again)) == ("done", 2, 3, 2)


async def test_of_several_processes_one_does_it(admin: AdminWorld) -> None:
    """Who holds the lease of that sort; another sort is done meanwhile, and the next goes on once it is free."""
    leases = MongoLeases(admin.operator.database)
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor)
        lease = await leases.acquire(f"errands: {errands.PUBLISH}", "another", 60)
        assert lease is not None
        await begun(visitor, to)
        other = await planned(admin, visitor)
        assert (await visitor.json(other))["state"] == "planned"
        assert ((await visitor.json(to))["state"], admin.facts.again) == ("begun", [])
        await leases.release(lease)
        await admin.work()
        assert ((await visitor.json(to))["state"], len(admin.facts.again)) == ("done", 2)


async def test_what_is_only_planned_is_nothing_to_be_gone_on_with(admin: AdminWorld) -> None:
    """By command; what was begun here and paused is."""
    operations = admin.parts.operations
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor)
        assert await operations.unfinished() == []
        await begun(visitor, to)
        await visitor.get(to)
        await visitor.post(to, {"what": "pause", "sure": "yes", "why": "too early"})
        assert [row["_id"] for row in await operations.unfinished()] == [to.rpartition("/")[2]]
        await visitor.get(to)
        await visitor.post(to, {"what": "cancel", "sure": "yes", "why": "not at all"})
        assert await operations.unfinished() == []


async def test_kafka_away_is_told_and_waited_for(admin: AdminWorld) -> None:
    """The page stands meanwhile, and the plan is made once it is back."""
    admin.facts.away = True
    async with admin.visit("operator") as visitor, admin.working():
        await visitor.get("/admin/replays")
        await visitor.post("/admin/replays", FORM)
        to = visitor.sent_to
        await stands(visitor, to, "waits", "Kafka does not answer")
        admin.facts.away = False
        await stands(visitor, to, "state", "planned")


async def test_an_error_of_our_own_ends_one_replay_and_not_the_page(
    admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told where it was asked for, and the next one is done."""

    async def broken(_moment: int) -> dict[int, int]:
        raise KeyError("partition")

    async with admin.visit("operator") as visitor:
        with monkeypatch.context() as patched:
            patched.setattr(admin.facts, "at_time", broken)
            to = await planned(admin, visitor)
        told = await visitor.json(to)
        assert (told["state"], told["moves"]) == ("failed", False)
        assert "an error in Tandem itself" in told["reason"]
        assert (await visitor.json(await planned(admin, visitor)))["state"] == "planned"


async def test_a_replay_of_one_is_told_in_their_story_and_forgotten_with_them(admin: AdminWorld) -> None:
    """Even while it is asked for: nothing is published then."""
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor, key="customer:c0")
        await begun(visitor, to)
        told = (await visitor.json("/admin/customer/c0"))["story"]
        assert [entry["told"] for entry in told if "replay" in entry["told"]]
        await MongoRemoval(admin.operator.database).remove_rows([("customer", "c0")], {"customer": "customers"}, [])
        await admin.work()
        assert admin.facts.again == []
        assert (await visitor.json("/admin/replays"))["replays"] == []


async def test_no_page_and_no_keeper_looks_at_every_row_of_the_audit(admin: AdminWorld) -> None:
    """By an index, in its order: keepers ask twice a second, of however many rows there are."""
    database = admin.operator.database
    for wanted, order in (({"work": errands.PLAN}, {"at": 1}), ({"what": "replay"}, {"at": -1})):
        plan = await database.command("explain", {"find": "tandem_operations", "filter": wanted, "sort": order})
        told = str(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in told
        assert "COLLSCAN" not in told
        assert "'stage': 'SORT'" not in told


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "salesforce.writes"},
        {"from": ""},
        {"from": "soon"},
        {"from": "2026-01-02T00:00", "to": "2026-01-01T00:00"},
        {"kind": "planet"},
    ],
)
async def test_what_cannot_be_replayed_is_said_at_once(admin: AdminWorld, wrong: dict[str, str]) -> None:
    """And nothing is kept of it."""
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/replays")
        assert await visitor.post("/admin/replays", {**FORM, **wrong}) == 409
        assert (await visitor.json("/admin/replays"))["replays"] == []


async def test_an_offset_of_no_partition_ends_the_plan(admin: AdminWorld) -> None:
    """With what there is."""
    async with admin.visit("operator") as visitor:
        to = await planned(admin, visitor, **{"from": "@7:1"})
        told = await visitor.json(to)
    assert (told["state"], told["reason"]) == ("failed", "there is no partition 7: they are 0 to 0")


async def test_the_form_proposes_last_night(admin: AdminWorld) -> None:
    """From the evening before to this morning."""
    noon = int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp() * 1000)
    assert [f"{each:%m-%dT%H:%M}" for each in last_night(noon)] == ["11-29T18:00", "11-30T06:00"]
    async with admin.visit("viewer") as visitor:
        start, stop = last_night(admin.operator.stage.now)
        told = await visitor.json("/admin/replays")
        assert (told["from"], told["to"]) == (f"{start:%Y-%m-%dT%H:%M}", f"{stop:%Y-%m-%dT%H:%M}")
        assert await visitor.get("/admin/replays") == 200
        assert 'method="post" action="/admin/replays"' not in visitor.last
