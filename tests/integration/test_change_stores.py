"""Positions, leases and gaps: one suite, on the fakes that the unit tests use and on the real MongoDB."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from support.fakes_changes import FakeGaps, FakeLeases, FakePositions

from adapters.mongo.gaps import MongoGaps, objects_in_gaps
from adapters.mongo.leases import LEASES, MongoLeases
from adapters.mongo.positions import POSITIONS, MongoPositions, polled_lately
from adapters.mongo.schema_ids import SCHEMAS, SchemaIds
from listener.changes.ports import Gap, Gaps, Lease, LeaseLost, Leases, Position, Positions
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

ORG = "00D000000000001EAA"
CHANNEL = "/data/ChangeEvents"
Rows = Callable[[], Awaitable[dict[tuple[str, str, int, Any], int]]]


@dataclass
class Stores:
    """The three ports, and the gaps that are kept: (channel, reason, since, refused id) → until."""

    positions: Positions
    leases: Leases
    gaps: Gaps
    rows: Rows


@pytest_asyncio.fixture(params=["fake", "mongodb"])
async def stores(request: pytest.FixtureRequest, database: AsyncDatabase[dict[str, Any]]) -> Stores:
    """The fakes, then the real thing."""
    if request.param == "fake":
        gaps = FakeGaps()

        async def fake_rows() -> dict[tuple[str, str, int, Any], int]:
            return dict(gaps.rows)

        return Stores(FakePositions(), FakeLeases(time.monotonic), gaps, fake_rows)

    async def rows() -> dict[tuple[str, str, int, Any], int]:
        found = await database["tandem_gaps"].find({"state": "open"}).to_list()
        return {(row["channel"], row["reason"], row["since"], row["refused_replay_id"]): row["until"] for row in found}

    return Stores(MongoPositions(database, ORG), MongoLeases(database), MongoGaps(database, ORG), rows)


async def test_a_lease_has_one_owner(stores: Stores) -> None:
    """The second gets nothing until the first lets go; names are apart."""
    first = await stores.leases.acquire("org-1", "a", 60)
    assert first is not None
    assert await stores.leases.acquire("org-1", "b", 60) is None
    assert await stores.leases.acquire("org-2", "b", 60) is not None
    await stores.leases.renew(first, 60)
    await stores.leases.release(first)
    second = await stores.leases.acquire("org-1", "b", 60)
    assert second is not None
    assert second.epoch > first.epoch


async def test_a_lease_runs_out(stores: Stores) -> None:
    """Another takes it over with a later epoch; the one before cannot renew it, nor let it go for the other."""
    first = await stores.leases.acquire("org", "a", 0.05)
    assert first is not None
    taken: list[Lease] = []

    async def take() -> bool:
        lease = await stores.leases.acquire("org", "b", 60)
        taken.extend([lease] if lease else [])
        return bool(taken)

    async with asyncio.timeout(30):
        while not await take():  # noqa: ASYNC110 - it is the store's time that passes
            await asyncio.sleep(0.01)
    assert taken[0].epoch > first.epoch
    with pytest.raises(LeaseLost):
        await stores.leases.renew(first, 60)
    await stores.leases.release(first)
    await stores.leases.renew(taken[0], 60)
    assert await stores.leases.acquire("org", "a", 60) is None


async def test_a_lease_that_ran_out_and_nobody_took_can_be_renewed(stores: Stores) -> None:
    """It is still of the same epoch; after that nobody else can take it."""
    lease = await stores.leases.acquire("org", "a", 0.001)
    assert lease is not None
    await asyncio.sleep(0.01)
    await stores.leases.renew(lease, 60)
    assert await stores.leases.acquire("org", "b", 60) is None


async def test_the_same_owner_gets_a_new_epoch(stores: Stores) -> None:
    """A process that comes back under its name fences the one before; owners may be called anything."""
    owner = "$owner.with:odd/characters"
    first = await stores.leases.acquire("org", owner, 60)
    second = await stores.leases.acquire("org", owner, 60)
    assert first is not None
    assert second == Lease("org", owner, first.epoch + 1)
    with pytest.raises(LeaseLost):
        await stores.leases.renew(first, 60)


async def test_only_one_of_many_gets_it(stores: Stores) -> None:
    """Twenty at once, on a name that nobody has held before."""
    leases = await asyncio.gather(*(stores.leases.acquire("org", f"owner-{n}", 60) for n in range(20)))
    assert len([lease for lease in leases if lease]) == 1


@pytest.mark.parametrize("replay_id", [0, -2, 37_904_280, 2**62, "opaque$id"])
async def test_a_position_is_kept_as_it_is(stores: Stores, replay_id: int | str) -> None:
    """Whatever a replay id looks like; channels are apart."""
    assert await stores.positions.read(CHANNEL) is None
    position = Position(replay_id, 1_700_000_000_123)
    await stores.positions.write(CHANNEL, position, Lease("org", "a", 3))
    assert await stores.positions.read(CHANNEL) == position
    assert await stores.positions.read("/data/ContactChangeEvent") is None


async def test_a_position_is_fenced_by_the_epoch(stores: Stores) -> None:
    """Once a later epoch has written, an earlier one cannot; not even to where it is."""
    old, new = Lease("org", "a", 1), Lease("org", "b", 2)
    await stores.positions.write(CHANNEL, Position(1, 1), old)
    await stores.positions.write(CHANNEL, Position(5, 5), old)
    await stores.positions.write(CHANNEL, Position(3, 3), new)
    for position in (Position(9, 9), Position(3, 3)):
        with pytest.raises(LeaseLost):
            await stores.positions.write(CHANNEL, position, old)
    assert await stores.positions.read(CHANNEL) == Position(3, 3)
    await stores.positions.write(CHANNEL, Position(4, 4), new)
    assert await stores.positions.read(CHANNEL) == Position(4, 4)


async def test_two_first_writes_at_once(stores: Stores) -> None:
    """The later epoch's position stands, whichever came first."""
    results = await asyncio.gather(
        *(stores.positions.write(CHANNEL, Position(n, n), Lease("org", "a", n)) for n in range(1, 9)),
        return_exceptions=True,
    )
    assert all(result is None or isinstance(result, LeaseLost) for result in results)
    assert results[-1] is None
    assert await stores.positions.read(CHANNEL) == Position(8, 8)


async def test_a_gap_is_one_row(stores: Stores) -> None:
    """Recorded twice it is one, and reaches to the later end; another position is another gap."""
    await stores.gaps.record(Gap(CHANNEL, "position_refused", 100, 500, 7))
    await stores.gaps.record(Gap(CHANNEL, "position_refused", 100, 900, 7))
    await stores.gaps.record(Gap(CHANNEL, "position_refused", 100, 700, 7))
    await stores.gaps.record(Gap(CHANNEL, "position_refused", 300, 900, "8"))
    assert await stores.rows() == {
        (CHANNEL, "position_refused", 100, 7): 900,
        (CHANNEL, "position_refused", 300, "8"): 900,
    }


async def test_a_repaired_gap_that_is_found_again_is_open_again(database: AsyncDatabase[dict[str, Any]]) -> None:
    """What was repaired then does not cover what was missed since."""
    gaps = MongoGaps(database, ORG)
    await gaps.record(Gap(CHANNEL, "position_refused", 100, 500, 7))
    await database["tandem_gaps"].update_many({}, {"$set": {"state": "repaired"}})
    await gaps.record(Gap(CHANNEL, "position_refused", 100, 900, 7))
    (row,) = await database["tandem_gaps"].find().to_list()
    assert (row["state"], row["until"]) == ("open", 900)


async def test_orgs_are_apart(database: AsyncDatabase[dict[str, Any]]) -> None:
    """One org's positions and gaps are not another's."""
    one, other = MongoPositions(database, "org-1"), MongoPositions(database, "org-2")
    await one.write(CHANNEL, Position(1, 1), Lease("org-1", "a", 5))
    await other.write(CHANNEL, Position(2, 2), Lease("org-2", "a", 1))
    assert await one.read(CHANNEL) == Position(1, 1)
    assert await other.read(CHANNEL) == Position(2, 2)
    for org in ("org-1", "org-2"):
        await MongoGaps(database, org).record(Gap(CHANNEL, "position_refused", 1, 2, 3))
    assert await database["tandem_gaps"].count_documents({}) == 2


async def test_lease_times_are_the_servers(database: AsyncDatabase[dict[str, Any]]) -> None:
    """They are dates within a second or so of the server's own clock, whatever ours says."""
    await MongoLeases(database).acquire("org", "a", 100)
    now = (await database.command("hello"))["localTime"].timestamp()
    row = await database[LEASES].find_one({"_id": "org"})
    assert row is not None
    assert abs(row["expires_at"].timestamp() - now - 100) < 5
    await MongoPositions(database, ORG).write(CHANNEL, Position(1, 1), Lease("org", "a", 1))
    position = await database[POSITIONS].find_one()
    assert position is not None
    assert abs(position["updated_at"].timestamp() - now) < 5


async def test_a_server_that_is_away_is_unavailable() -> None:
    """Every store says so in the one word that its callers know."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        uri = f"mongodb://{host}:{port}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](uri, timeoutMS=100, connectTimeoutMS=100) as client:
            database = client["tandem"]
            lease = Lease("org", "a", 1)
            calls: list[Callable[[], Awaitable[object]]] = [
                lambda: MongoLeases(database).acquire("org", "a", 1),
                lambda: MongoLeases(database).renew(lease, 1),
                lambda: MongoLeases(database).release(lease),
                lambda: MongoPositions(database, ORG).read(CHANNEL),
                lambda: MongoPositions(database, ORG).write(CHANNEL, Position(1, 1), lease),
                lambda: MongoGaps(database, ORG).record(Gap(CHANNEL, "x", 1, 2)),
            ]
            for call in calls:
                with pytest.raises(Unavailable):
                    await call()


async def test_the_positions_of_polls_tell_what_is_polled(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Those that moved lately, by MongoDB's clock; a stream is none, nor is a poll that has ended."""
    positions, leases = MongoPositions(database, ORG), MongoLeases(database)
    lease = await leases.acquire("org", "a", 60)
    assert lease is not None
    for channel in (CHANNEL, "/poll/Campaign", "/poll/Order__c"):
        await positions.write(channel, Position(5, 5), lease)
    assert await polled_lately(database, 60) == {"Campaign", "Order__c"}
    assert await polled_lately(database, 0) == frozenset()
    ended = [{"$set": {"updated_at": {"$subtract": ["$$NOW", 61_000]}}}]
    await database[POSITIONS].update_one({"channel": "/poll/Order__c"}, ended)
    assert await polled_lately(database, 60) == {"Campaign"}


async def test_what_a_gap_may_hide_is_known_until_it_is_closed(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Of a stream, or of our own log of changes, everything; of an event, its object; of another log, nothing."""
    mapped = frozenset({"Contact", "Account"})
    gaps = database["tandem_gaps"]

    async def hidden(**gap: Any) -> frozenset[str]:
        await gaps.replace_one({"_id": 1}, {"state": "open", **gap}, upsert=True)
        return await objects_in_gaps(database, mapped)

    assert await objects_in_gaps(database, mapped) == frozenset()
    assert await hidden(reason="position_refused", channel="/data/ChangeEvents") == mapped
    assert await hidden(reason="offset_out_of_range", channel="salesforce.changes") == mapped
    assert await hidden(reason="offset_out_of_range", channel="platform.events") == frozenset()
    assert await hidden(reason="overflow", entity="Contact", channel="") == {"Contact"}
    assert await hidden(reason="wildcard", entity="Case", channel="") == frozenset()
    assert await hidden(reason="gap_event", entity="Contact", channel="") == frozenset()
    assert await hidden(reason="position_refused", channel="/data/ChangeEvents", state="repairing") == mapped
    assert await hidden(reason="position_refused", channel="/data/ChangeEvents", state="closed") == frozenset()


async def test_schemas_are_kept_by_object(database: AsyncDatabase[dict[str, Any]]) -> None:
    """The last one counts, and since when it is; saying it again moves nothing."""
    schemas = SchemaIds(database)
    assert await schemas.all() == {}
    await schemas.heard("Contact", "$s-1")
    await schemas.heard("Lead", "s-9")
    first = await database[SCHEMAS].find_one({"_id": "Contact"})
    await schemas.heard("Contact", "$s-1")
    assert await database[SCHEMAS].find_one({"_id": "Contact"}) == first
    await schemas.heard("Contact", "s-2")
    assert await schemas.all() == {"Contact": "s-2", "Lead": "s-9"}
