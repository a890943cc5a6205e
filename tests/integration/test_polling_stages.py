"""The four stages with polls instead of change events, on the real Kafka and MongoDB and the simulated org."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from support.running import until
from support.whole import Whole, whole

from simulator.org.cometd.settings import CometdSettings
from simulator.org.edits import Edit

pytestmark = pytest.mark.integration

NO_CONTACTS = CometdSettings(entities=("Account",))
POLLS = {
    "BUDGET_LIMITS_SECONDS": "1",
    "CHANGES_POLL_SECONDS": "1",
    "CHANGES_POLL_IDLE_SECONDS": "1",
    "CHANGES_POLL_OVERLAP_SECONDS": "5",
}


@asynccontextmanager
async def polled_world(
    kafka_bootstrap: str,
    mongodb: AsyncMongoClient[dict[str, Any]],
    mongodb_uri: str,
    folder: Path,
    settings: dict[str, str] | None = None,
    **org: Any,
) -> AsyncIterator[Whole]:
    """A world whose contacts are polled every second."""
    settings = POLLS | (settings or {})
    async with whole(kafka_bootstrap, mongodb, folder, mongodb_uri=mongodb_uri, settings=settings, **org) as world:
        yield world


async def shown(world: Whole, document: str, path: str, value: Any) -> None:
    """Wait until the document shows a value."""

    async def shows() -> bool:
        return (await world.document(document)).get(path) == value

    await until(shows, f"{document} shows {path}={value!r}")


async def has(world: Whole, document: str, name: str, value: Any) -> None:
    """Wait until the record holds a value."""

    async def holds() -> bool:
        return bool((await world.record(document))[name] == value)

    await until(holds, f"the record of {document} holds {name}={value!r}")


async def status(world: Whole, document: str, gone: bool) -> None:
    """Wait until the document knows that its record is gone, or is there."""

    async def knows() -> bool:
        found = await world.document(document)
        return bool(found.get("_sync", {}).get("link", {}).get("gone")) is gone

    await until(knows, f"{document} knows that its record is {'gone' if gone else 'there'}")


async def test_what_people_do_to_polled_records_arrives(
    kafka_bootstrap: str, mongo_client: AsyncMongoClient[dict[str, Any]], mongodb_uri: str, tmp_path: Path
) -> None:
    """Edits, a deletion, an undelete and a merge, with no event that tells of any; and both sides end equal."""
    async with polled_world(kafka_bootstrap, mongo_client, mongodb_uri, tmp_path, cometd=NO_CONTACTS) as world:
        edited, deleted, loser = await world.new(3, title="Engineer")
        record = await world.record(deleted)
        world.edit(edited, Title="Countess")
        world.edits([Edit(action="delete", key={world.kind.external_id: deleted})])
        await shown(world, edited, "title", "Countess")
        await status(world, deleted, gone=True)

        world.edits([Edit(action="undelete", id=record["Id"])])
        await status(world, deleted, gone=False)
        world.edit(deleted, Title="Back")
        await shown(world, deleted, "title", "Back")

        merged = await world.record(loser)
        world.edits([Edit(action="create", fields={"LastName": "Found", "Title": "Merged"})])
        (master,) = [one for one in await world.records() if one["LastName"] == "Found"]
        world.edits([Edit(action="merge", id=master["Id"], losers=(merged["Id"],))])

        async def followed() -> bool:
            found = await world.document(loser)
            return bool(found["salesforce"]["recordId"] == master["Id"])

        await until(followed, "the loser's document has followed")
        await world.rename(edited, title="Analyst")
        await has(world, edited, "Title", "Analyst")
        await world.rest()
        await world.stop("subscribe")
        world.edit(edited, Title="Unheard")
        await world.rename(edited, title="Unseen")

        async def told() -> bool:
            rows = [row for row in await world.audit(edited) if row["path"] == "title"]
            return [(row["platform"]["value"], row["salesforce"]["value"]) for row in rows] == [("Unseen", "Unheard")]

        await until(told, "the conflict is in the audit")
        world.start("subscribe")
        await shown(world, edited, "title", "Unheard")
        await world.rest()
        assert await world.both(edited, "title") == "Unheard"
        assert await world.gaps() == []
        assert await world.parked() == []


async def test_a_subscriber_killed_in_the_middle_of_polls_misses_nothing(
    kafka_bootstrap: str, mongo_client: AsyncMongoClient[dict[str, Any]], mongodb_uri: str, tmp_path: Path
) -> None:
    """Again and again, while people edit; a transaction that is seen late is among it."""
    async with polled_world(kafka_bootstrap, mongo_client, mongodb_uri, tmp_path, cometd=NO_CONTACTS) as world:
        names = await world.new(12, title="Engineer")
        for round_, name in enumerate(names[1:]):
            world.edit(name, Title=f"Title {round_}")
            await asyncio.sleep(0)
            if round_ % 3 == 0:
                await world.kill("subscribe")
                world.start("subscribe")
                await until(lambda: "subscribe" in world.stages["subscribe"].frame.up, "it is up again")
        for round_, name in enumerate(names[1:]):
            await shown(world, name, "title", f"Title {round_}")
        late = names[0]
        world.edit(late, Title="Late")
        store = world.org.org.store.connection
        store.execute(
            f"UPDATE Contact SET SystemModstamp = SystemModstamp - 3000 WHERE {world.kind.external_id} = ?", (late,)
        )
        await shown(world, late, "title", "Late")
        await world.clean()


async def test_all_is_polled_while_event_deliveries_run_short(
    kafka_bootstrap: str, mongo_client: AsyncMongoClient[dict[str, Any]], mongodb_uri: str, tmp_path: Path
) -> None:
    """From events to polls and back: said in the metrics, and no edit is missing."""
    async with polled_world(kafka_bootstrap, mongo_client, mongodb_uri, tmp_path) as world:
        one, two, three = await world.new(3, title="Engineer")
        deliveries = world.org.org.allocations["DailyDeliveredPlatformEvents"]

        def polling_all() -> bool:
            return b"tandem_subscriber_polling_all 1.0" in world.stages["subscribe"].frame.metrics.render()

        assert not polling_all()
        deliveries.leave(1_000)
        await until(
            lambda: polling_all() and not world.connected(), "everything is polled, and nothing comes by events"
        )
        world.edit(one, Title="Polled")
        await shown(world, one, "title", "Polled")
        await world.rename(two, title="Written")
        await has(world, two, "Title", "Written")
        deliveries.leave(9_000_000)
        await until(lambda: not polling_all() and world.connected(), "events come again")
        world.edit(three, Title="Heard")
        await shown(world, three, "title", "Heard")
        await world.clean()
        assert await world.gaps() == []
