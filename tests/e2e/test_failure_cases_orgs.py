"""Failure cases that need an org or a mapping with habits of its own, by their numbers: a world for each test."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.running import until

from schemas import topics
from schemas.presets import preset
from simulator.org.cometd.settings import CometdSettings
from simulator.org.edits import Edit
from simulator.org.faults import FaultKind
from simulator.org.triggers import TriggerRule

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

OpenWhole = Callable[..., Any]


async def test_case_03_changes_before_the_first_subscription(open_whole: OpenWhole) -> None:
    """Records made, linked and edited before anyone listened: the first subscription begins at the oldest event."""
    stages = ("webhook", "reconcile", "write")
    async with open_whole(start=stages) as world:
        names = world.names(8)
        for name in names[:4]:
            key = {"LastName": f"Was there {name}", world.kind.external_id: name}
            world.edits([Edit(action="create", fields=key | {"Title": "Known"})])
        await world.post_new(names)
        await until(lambda: world.calls("PATCH") >= 1, "the first records are written")
        await world.rest()
        for name in names:
            world.edit(name, Department="Unheard")
        await world.rename(names[0], **{"address.city": "Iași"})
        world.start("subscribe")
        await world.clean()
        assert [await world.both(name, "department") for name in names] == ["Unheard"] * 8
        assert await world.both(names[0], "title") == "Known"
        assert len(await world.records()) == 8


async def test_case_06_merged_event_reaches_every_record(open_whole: OpenWhole) -> None:
    """One event with many ids changes every one of those documents.

    A wildcard is a gap of its whole object: `test_case_05_overflow_is_a_gap_and_skips_nothing`.
    """
    async with open_whole(merge_identical_changes=True) as world:
        names = await world.new(12)
        changes = (await world.backlog.read())[topics.SALESFORCE_CHANGES].records
        events = len(world.org.org.bus.after(None, None, 10_000))
        key = world.kind.external_id
        world.edits([Edit(key={key: name}, fields={"Department": "Merged"}) for name in names], together=True)
        assert len(world.org.org.bus.after(None, None, 10_000)) == events + 1
        await world.clean()
        assert [await world.both(name, "department") for name in names] == ["Merged"] * 12
        assert (await world.backlog.read())[topics.SALESFORCE_CHANGES].records == changes + 12


@pytest.mark.parametrize(("keep_client", "no_change"), [(True, "last_modified"), (False, "none")])
async def test_case_07_echo(open_whole: OpenWhole, keep_client: bool, no_change: str) -> None:
    """Our writes do not come back, whether their mark survives or not; what triggers made of them does, and once.

    One trigger rewrites what we wrote, one sets another field in the same transaction, one puts the old value back; a
    401 falls in the middle of it.
    """
    async with open_whole(collections_keep_client=keep_client, no_change_event=no_change) as world:
        names = await world.new(9, title="Engineer", department="Sales", address={"city": "Cluj"})
        for rule in (
            {"field": "Title", "action": "upper"},
            {"field": "Phone", "action": "set", "target": "Department", "value": "Called {}"},
            {"field": "MailingCity", "action": "keep", "who": "api", "on": ("update",)},
        ):
            world.org.org.add_trigger(TriggerRule(object="Contact", **rule))
        commits = len(await world.org_witness.commits())
        world.plant(FaultKind.UNAUTHORIZED, path="/composite", skip=1, count=2, revoke=True)
        for name in names[:3]:
            await world.rename(name, title=f"Trigger {name}", last_name=f"Said {name}")
        for name in names[3:6]:
            await world.rename(name, phone="+40722000111")
        for name in names[6:]:
            await world.rename(name, **{"address.city": "Brașov"})
        await world.clean()
        assert len(await world.org_witness.commits()) == commits + len(names), "one write each, and none for an echo"
        assert [await world.both(name, "title") for name in names[:3]] == [f"Trigger {n}".upper() for n in names[:3]]
        assert [await world.both(name, "department") for name in names[3:6]] == ["Called +40722000111"] * 3
        assert [await world.both(name, "address.city") for name in names[6:]] == ["Cluj"] * 3
        for name in names:
            world.edit(name, Title=f"by a user {name}")
        await world.clean()
        assert [await world.both(name, "title") for name in names] == [f"by a user {name}".upper() for name in names]
        assert len(await world.org_witness.commits()) == commits + 2 * len(names), "and none for a user's edit"


@pytest.mark.parametrize("unreadable_row", ["call", "row"])
async def test_runner_up_mapping_names_a_field_that_the_org_lacks(
    open_whole: OpenWhole, tmp_path: Path, unreadable_row: str
) -> None:
    """Every write is refused for it: webhooks are taken, nothing is lost, and no loop hammers the org meanwhile."""
    mapping = tmp_path / "mapping.yaml"
    named = preset("customers").model_dump(mode="json")
    (title,) = [field for field in named["kinds"]["customer"]["fields"] if field["platform"] == "title"]
    title["salesforce"] = "Titel__c"
    mapping.write_text(yaml.safe_dump({"format": 1, "kinds": named["kinds"]}))
    async with open_whole(settings={"MAPPING_FILE": str(mapping)}, unreadable_row=unreadable_row) as world:
        names = world.names(5)
        for name in names:
            await world.post(name, {"last_name": f"Last {name}", "title": "Engineer"}, expect=202)
        await world.rest()
        documents = [await world.document(name) for name in names]
        assert [one["salesforce"]["syncStatus"] for one in documents] == ["error"] * 5
        assert {row["document"] for row in await world.parked(reason="INVALID_FIELD")} == set(names)
        assert world.calls("PATCH") < 50
        told = [details for _level, told, details in world.stages["write"].notes.rows if told == "mapping_misfit"]
        lacks = "the object has no field Titel__c, or the login may not see it"
        assert told.count({"where": "customer.fields.title", "reason": lacks}) == 1, "at the start, once"


@pytest.mark.parametrize(("keep_session_on_401", "events_on_subscribe_reply"), [(True, False), (False, True)])
async def test_case_09_the_sessions_open_questions(
    open_whole: OpenWhole, keep_session_on_401: bool, events_on_subscribe_reply: bool
) -> None:
    """Whichever way Salesforce answers them: logged out in a flood of events in small replies, not one is missing."""
    habits = CometdSettings(
        keep_session_on_401=keep_session_on_401,
        events_on_subscribe_reply=events_on_subscribe_reply,
        batch_size=3,
        token_check_seconds=0.05,
    )
    async with open_whole(cometd=habits, event_delay_ms=100) as world:
        names = await world.new(25)
        for place, name in enumerate(names):
            world.edit(name, Title=f"one {name}")
            if place % 8 == 0:
                world.org.org.tokens.revoke_all()
        for name in names:
            world.edit(name, Title=f"two {name}")
        await world.clean()
        assert [await world.both(name, "title") for name in names] == [f"two {name}" for name in names]


async def test_case_25_the_days_calls_run_out_down_to_the_reserve(open_whole: OpenWhole) -> None:
    """Two writers stop before the last fifth, which is the other users'; nothing fails, and all goes on by itself.

    Meanwhile webhooks are answered, documents wait, and a call now and then looks whether there is room again.
    """
    settings = {"BUDGET_LONGEST_LINGER_SECONDS": "0.2", "BUDGET_PROBE_SECONDS": "3"}
    async with open_whole(settings=settings, daily_api_requests=1_000) as world:
        world.start("write-2", stage="write")
        names = await world.new(12, title="Engineer")
        usage = world.org.org.usage
        usage.allocation.leave(202)  # of which two are ours
        titles: dict[str, str] = {}
        places = itertools.count()
        used = 0

        async def refused() -> bool:
            """Edits go on meanwhile: calls that a busy machine makes as seldom as looks are made count as looks."""
            nonlocal used
            place = next(places)
            name = names[place % len(names)]
            titles[name] = f"Posted without room {place}"
            await world.rename(name, title=titles[name])
            used = usage.used()
            told = [world.stages[name].notes.last("unavailable") or {} for name in ("write", "write-2")]
            states = [(await world.document(name))["salesforce"]["syncStatus"] for name in names]
            return any("reserve_reached" in one.get("reason", "") for one in told) and "pending" in states

        await until(refused, "a writer waits for room")
        await until(lambda: usage.used() > used, "a call looks whether there is room")
        assert usage.used() < 900, "most of the reserve is as it was"
        usage.allocation.leave(1_000)
        await world.clean()
        assert {name: await world.both(name, "title") for name in titles} == titles
        assert await world.parked() == []
