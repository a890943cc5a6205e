"""That an object's definition has changed goes from the subscriber to the writer."""

import asyncio
from collections.abc import Mapping

import pytest
from support.running import Notes

from adapters.telemetry.metrics import Metrics
from ops.processes.frame import Frame
from ops.processes.schema_changes import SchemasHeard, SchemasWatched
from schemas.unavailable import Unavailable


class FakeSchemas:
    """What is kept, and how often it was written; it may be away."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.written = 0
        self.away = False

    async def heard(self, sobject: str, schema: str) -> None:
        if self.away:
            raise Unavailable("MongoDB: away")
        self.written += 1
        self.rows[sobject] = schema

    async def all(self) -> Mapping[str, str]:
        if self.away:
            raise Unavailable("MongoDB: away")
        return dict(self.rows)


@pytest.fixture
def schemas() -> FakeSchemas:
    return FakeSchemas()


def frame() -> Frame:
    return Frame(stage="write", stop=asyncio.Event(), metrics=Metrics(), log=Notes())


async def test_each_schema_is_kept_once(schemas: FakeSchemas) -> None:
    """However many events bear it; one that could not be kept is kept later."""
    heard = {"Contact": "s-1"}
    keeper = SchemasHeard(schemas, heard, frame())
    await keeper.keep()
    await keeper.keep()
    assert (schemas.rows, schemas.written) == ({"Contact": "s-1"}, 1)
    schemas.away = True
    heard["Contact"] = "s-2"
    await keeper.keep()
    schemas.away = False
    await keeper.keep()
    assert (schemas.rows, schemas.written) == ({"Contact": "s-2"}, 2)


async def test_another_schema_than_before_is_a_change(schemas: FakeSchemas) -> None:
    """What is there when the writer starts is none, nor is an object that was never heard of; MongoDB may be away."""
    changed: list[str] = []
    watched = SchemasWatched(schemas, changed.append, frame())
    schemas.rows = {"Contact": "s-1", "Lead": "s-9"}
    await watched.look()
    schemas.rows["Account"] = "s-4"
    await watched.look()
    assert changed == []
    schemas.rows["Contact"] = "s-2"
    schemas.away = True
    await watched.look()
    schemas.away = False
    await watched.look()
    await watched.look()
    assert changed == ["Contact"]
