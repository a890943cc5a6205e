"""What does not fit the org is told as a mapping comes into force, and again when an object is found changed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.running import Notes, until

from adapters.salesforce.describe_check import Complaint
from adapters.telemetry.metrics import Metrics
from consumers.catalog import Catalog
from ops.processes import upkeep
from ops.processes.frame import Frame
from schemas.mapping import Mapping
from schemas.presets import preset
from schemas.unavailable import Unavailable

LACKS = Complaint("customer.fields.title", "the object has no field Titel__c, or the login may not see it")


class World:
    """A mapping in force, an org that says what does not fit, and objects that are found changed when looked at."""

    def __init__(self) -> None:
        self.catalog = Catalog(preset("customers"))
        self.complaints: list[Complaint] = [LACKS]
        self.away = 0
        self.changed: list[frozenset[str]] = []
        self.looks = 0
        self.asked: list[int | None] = []
        self.notes = Notes()
        self.mapping = self

    def current(self) -> Catalog:
        return self.catalog

    async def look(self) -> frozenset[str]:
        self.looks += 1
        return self.changed.pop() if self.changed else frozenset()

    async def misfits(self, _salesforce: Any, mapping: Mapping, off: frozenset[str]) -> list[Complaint]:
        assert off == self.catalog.off
        self.asked.append(mapping.version)
        if self.away:
            self.away -= 1
            raise Unavailable("away")
        return self.complaints

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event, details) for _level, event, details in self.notes.rows]

    async def some_looks(self, count: int = 5) -> None:
        wanted = self.looks + count
        await until(lambda: self.looks >= wanted, "it is looked again and again")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(upkeep, "MISFIT_SECONDS", 0.0)
    monkeypatch.setattr(upkeep, "misfits", made.misfits)
    return made


@asynccontextmanager
async def watching(world: World) -> AsyncIterator[None]:
    frame = Frame(stage="write", log=world.notes, metrics=Metrics(), stop=asyncio.Event())
    parts: Any = world
    task = asyncio.create_task(upkeep.tell_misfits(parts, parts, parts, frame))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


MISFIT = ("mapping_misfit", {"where": LACKS.where, "reason": LACKS.message})


async def test_each_version_is_compared_once(world: World) -> None:
    """At the start, and as another comes into force; however often it is looked meanwhile."""
    async with watching(world):
        await world.some_looks()
        assert world.told() == [MISFIT]
        raw = preset("customers").model_dump(mode="json")
        world.catalog = Catalog(Mapping.model_validate(raw | {"version": 7}))
        await world.some_looks()
        assert world.told() == [MISFIT, MISFIT]
    assert len(world.asked) == 2
    assert world.asked[1] == 7


async def test_an_object_that_is_found_changed_has_all_compared_again(world: World) -> None:
    """With a line that names it."""
    async with watching(world):
        await world.some_looks()
        world.changed.append(frozenset({"Lead", "Contact"}))
        world.complaints = []
        await world.some_looks()
        assert world.told() == [MISFIT, ("schema_changed", {"objects": ["Contact", "Lead"]})]
        assert len(world.asked) == 2


async def test_an_org_that_is_away_is_asked_until_it_tells(world: World) -> None:
    """What it would have said is not lost."""
    world.away = 2
    async with watching(world):
        await world.some_looks()
    away = ("unavailable", {"what": "describe", "reason": "away"})
    assert world.told() == [away, away, MISFIT]
