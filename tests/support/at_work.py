"""A small system at work, as operators look at it: who runs, what was heard, what was said, what is left of the day."""

from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.connection_notes import ConnectionNotes, SignedIn
from adapters.mongo.leases import MongoLeases
from adapters.mongo.positions import MongoPositions
from adapters.mongo.processes import MongoProcesses
from schemas.allocation import Allocation, AllocationHeard
from schemas.process import OrgSeen, SignOfLife, StreamSeen
from schemas.stream import Position
from support.admin_page import AdminWorld
from support.review_stage import AGREED, record_of

ORG: Final = "00D000000000001AAA"
OWNER: Final = "sync-1:4711:8f2c61d0"
HOUR: Final = 3_600_000
MINUTE: Final = 60_000
ASKS_THE_ORG: Final = ("api", "subscribe", "reconcile", "write", "enrich", "repair", "schedule")
CALLS_A_DAY: Final = 15_000
PEOPLE: Final = ("Babbage", "Somerville", "Herschel", "Lamarr", "Noether", "Hopper")
IN_QUESTION: Final = {"platform": "+40 712 000 111", "salesforce": "+40 712 000 222"}


def used_of_day(now: int, by_midnight: int) -> int:
    """Of what is used up by midnight the part of the day that has passed."""
    return now % (24 * HOUR) * by_midnight // (24 * HOUR)


async def somebody_in_question(world: AdminWorld, id_: str) -> None:
    """Two edits of one phone within a minute, neither of whose authors saw the other's; the document shows the last."""
    stage = world.operator.stage
    known = AGREED | {"first_name": "Ada", "email": "ada.lovelace@example.org", "address": {"city": "London"}}
    await stage.post(known, id_=id_, type_="customer.created")
    await stage.settle()
    stage.now += HOUR
    stage.salesforce.edit("Contact", record_of(stage, id_)["Id"], {"Phone": IN_QUESTION["salesforce"]})
    await stage.hear()
    await stage.post({"phone": IN_QUESTION["platform"]}, id_=id_, changed=["phone"])
    await stage.settle()


async def others(world: AdminWorld) -> None:
    """Customers with whom nothing is left to do."""
    stage = world.operator.stage
    for place, name in enumerate(PEOPLE, start=1):
        fields = {"last_name": name, "email": f"{name.lower()}@example.org"}
        await stage.post(fields, id_=f"cust-{20 + place}", type_="customer.created")
    await stage.settle()


async def at_work(database: AsyncDatabase[dict[str, Any]], now: int) -> None:
    """Who has signed in, who owns the stream, where it stands, which processes run."""
    notes = ConnectionNotes(database)
    await notes.signed_in(
        SignedIn(
            name="consumer-key",
            flow="jwt_bearer",
            login_url="https://login.salesforce.com",
            instance_url="https://example.my.salesforce.com",
            org_id=ORG,
            user_id="005000000000001AAA",
            scopes=("api", "refresh_token"),
            credential="key:1",
            at=now - MINUTE,
        )
    )
    await notes.synced("consumer-key", now - 4_000)
    heard = AllocationHeard(
        Allocation(used_of_day(now, 9_000), CALLS_A_DAY, now),
        deliveries=Allocation(used_of_day(now, 16_000), 50_000, now),
    )
    await MongoAllocations(database, ORG).exchange("write", heard, 3_600)
    lease = await MongoLeases(database).acquire(f"changes:{ORG}", OWNER, 3_600)
    assert lease is not None
    await MongoPositions(database, ORG).write("/data/ChangeEvents", Position(8_071, now - 95_000), lease)
    for place, name in enumerate(("webhook", "admin", "deliver", *ASKS_THE_ORG)):
        await MongoProcesses(database).tell(
            SignOfLife(
                process=f"sync-1:{name}:{8_081 + place}",
                name=name,
                up=[name],
                org=OrgSeen() if name in ASKS_THE_ORG else None,
                stream=StreamSeen("connected", 21_000, 0) if name == "subscribe" else None,
            )
        )
