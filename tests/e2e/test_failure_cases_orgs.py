"""Failure cases that need an org or a mapping with habits of its own, by their numbers: a world for each test."""

from collections.abc import Callable
from typing import Any

import pytest
from support.whole import until

from schemas import topics
from simulator.org.edits import Edit

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

OpenWhole = Callable[..., Any]


@pytest.mark.parametrize("keep_client", [True, False])
async def test_case_03_changes_before_the_first_subscription(open_whole: OpenWhole, keep_client: bool) -> None:
    """Records made, linked and edited before anyone listened: the first subscription begins at the oldest event."""
    stages = ("webhook", "reconcile", "write")
    async with open_whole(start=stages, collections_keep_client=keep_client) as world:
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
    """One event with many ids changes every one of those documents, and a wildcard is parked."""
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
