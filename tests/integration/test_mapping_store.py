"""The store of mappings, on the real MongoDB."""

import asyncio
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.mappings import MongoMappings, VersionConflict
from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.presets import preset

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]


def edited(mapping: Mapping, **changes: Any) -> Mapping:
    """The mapping with another first field."""
    raw = mapping.model_dump(mode="json")
    raw["kinds"]["customer"]["fields"][0].update(changes)
    return Mapping.model_validate(raw)


async def test_there_is_nothing_before_the_first(database: Database) -> None:
    """An empty store says so instead of making something up."""
    mappings = MongoMappings(database)
    assert await mappings.current() is None
    assert await mappings.get(1) is None


async def test_what_was_published_is_current_and_whole(database: Database) -> None:
    """The mapping comes back equal, event types with their dots included, numbered from 1."""
    mappings = MongoMappings(database)
    published = await mappings.publish(preset("customers"), 0, by="ops", note="first")
    assert published.version == 1
    assert await mappings.current() == published
    assert published.model_copy(update={"version": 0}) == preset("customers")
    row = await database["salesforce_field_mappings"].find_one({"_id": 1})
    assert row is not None
    assert (row["version"], row["published_by"], row["note"]) == (1, "ops", "first")


async def test_an_old_version_stays_as_it_was(database: Database) -> None:
    """Publishing adds; it never changes what an audit row may refer to."""
    mappings = MongoMappings(database)
    first = await mappings.publish(preset("customers"), 0, by="ops")
    second = await mappings.publish(edited(first, policy="latest_wins"), 1, by="ops")
    assert second.version == 2
    assert await mappings.get(1) == first
    assert await mappings.get(2) == await mappings.current() == second


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_publishing_on_another_version_than_the_current_is_refused(database: Database, expected: int) -> None:
    """Nobody overwrites what somebody else has published since, and no number is left out."""
    mappings = MongoMappings(database)
    await mappings.publish(preset("customers"), 0, by="ops")
    with pytest.raises(VersionConflict, match="at version 1") as caught:
        await mappings.publish(preset("customers"), expected, by="ops")
    assert caught.value.current == 1
    assert await database["salesforce_field_mappings"].count_documents({}) == 1


async def test_of_several_who_publish_at_once_one_wins(database: Database) -> None:
    """The others are told."""
    mappings = MongoMappings(database)
    first = await mappings.publish(preset("customers"), 0, by="ops")
    results = await asyncio.gather(
        *(mappings.publish(first, 1, by=f"ops {number}") for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(result, Mapping) for result in results) == 1
    assert sum(isinstance(result, VersionConflict) for result in results) == 7


async def test_processes_that_start_at_once_seed_once(database: Database) -> None:
    """All of them go on with the same mapping."""
    seeded = await asyncio.gather(*(MongoMappings(database).seed(preset("customers")) for _ in range(8)))
    assert {mapping.version for mapping in seeded} == {1}
    assert await database["salesforce_field_mappings"].count_documents({}) == 1


async def test_seeding_leaves_what_was_published(database: Database) -> None:
    """A restart does not undo an admin's work."""
    mappings = MongoMappings(database)
    published = await mappings.publish(edited(preset("customers"), policy="platform_wins"), 0, by="ops")
    assert await mappings.seed(preset("customers")) == published


async def test_a_mapping_that_cannot_be_used_is_not_published(database: Database) -> None:
    """The store is the last to look: whatever the way in, what is current can be used."""
    mappings = MongoMappings(database)
    with pytest.raises(InvalidMapping, match=r"fields\[0\].salesforce"):
        await mappings.publish(edited(preset("customers"), salesforce="SystemModstamp"), 0, by="ops")
    assert await mappings.current() is None


async def test_watching_sees_new_versions(database: Database) -> None:
    """A running process takes a new mapping over without a restart; what it has already is not told again."""
    mappings = MongoMappings(database)
    first = await mappings.publish(preset("customers"), 0, by="ops")
    watching = mappings.watch(first.version, every=0.01)
    try:
        async with asyncio.timeout(30):
            seen = asyncio.ensure_future(anext(watching))
            second = await mappings.publish(edited(first, policy="latest_wins"), 1, by="ops")
            assert await seen == second
            third = await mappings.publish(first, 2, by="ops")
            assert await anext(watching) == third
    finally:
        await watching.aclose()
