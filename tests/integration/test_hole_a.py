"""Hole a of docs/failure-cases.md: a snapshot that runs before any subscription opens loses what changed meanwhile."""

from typing import Any

import pytest
from support.sync_world import Database, sync_world

from schemas.sync_run import RunState

pytestmark = pytest.mark.integration


async def test_hole_a_a_snapshot_needs_a_subscription(database: Database) -> None:
    """In the field: records are listed first and the stream is opened after; what changed between the two is lost.

    Here: a load does not begin before somebody follows the changes; and a record that is edited after its row was
    listed is read again by its id, so the document holds the newer value.
    """
    async with sync_world(database, on_unlinked="create") as world:
        record = world.edit(action="create", fields={"LastName": "Lovelace", "Title": "as it was listed"})
        await world.database["tandem_positions"].delete_many({})
        refused = await world.run(direction="pull")
        assert refused.state is RunState.FAILED
        assert "tandem subscribe" in refused.reason
        assert not world.changes.appended
        await world.subscribe()
        append = world.changes.append

        async def edited_meanwhile(records: Any) -> None:
            world.edit(id=record, fields={"Title": "edited meanwhile"})
            await append(records)

        world.changes.append = edited_meanwhile  # type: ignore[method-assign]
        assert (await world.run(direction="pull")).state is RunState.DONE
        await world.settle()
        (document,) = (await world.customers()).values()
        assert document["title"] == "edited meanwhile"
