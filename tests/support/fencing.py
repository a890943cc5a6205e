"""Who owned the change stream when, as MongoDB itself has it; and the mishaps by which owners come and go."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.leases import LEASES
from adapters.mongo.positions import POSITIONS

Way = Literal["stop", "kill", "sleep"]
WAYS: Final[tuple[Way, ...]] = ("stop", "kill", "sleep")
TEAM: Final = {"subscribe": 2, "reconcile": 4, "write": 2}
_END: Final = "test_ends"


@dataclass(frozen=True, slots=True)
class Mishap:
    """What one member of a stage meets."""

    stage: str
    way: Way


def rounds(chance: random.Random) -> list[tuple[Mishap, ...]]:
    """What happens, and what of it at the same time: who sleeps does so until its round is over. Pure.

    Of each stage one sleeps while another is killed, and one is stopped alone. Two, of any stages, sleep at once; and
    two with another that ends.
    """
    sleepers = [Mishap(chance.choice(list(TEAM)), "sleep") for _ in range(4)]
    ends = Mishap(chance.choice(list(TEAM)), chance.choice(("stop", "kill")))
    found = [
        *((Mishap(stage, "stop"),) for stage in TEAM),
        *((Mishap(stage, "sleep"), Mishap(stage, "kill")) for stage in TEAM),
        tuple(sleepers[:2]),
        (*sleepers[2:], ends),
    ]
    chance.shuffle(found)
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """The lease went to an owner, by the server's clock; `runs_out` is when it was to, of the owner before."""

    epoch: int
    owner: str
    at: datetime
    runs_out: datetime | None = None
    from_owner: str = ""


@dataclass(frozen=True, slots=True)
class Moved:
    """A position was moved."""

    channel: str
    epoch: int
    owner: str


def faults(history: Iterable[Taken | Moved]) -> list[str]:
    """Where more than one owned the stream at a time, by the order in which the store took it all. Pure."""
    found: list[str] = []
    owners: dict[int, str] = {}
    moved: dict[str, int] = {}
    for one in history:
        match one:
            case Taken():
                if one.epoch != max(owners, default=0) + 1:
                    found.append(f"epoch {one.epoch} follows {max(owners, default=0)}")
                if one.runs_out is not None and one.from_owner != one.owner and one.at < one.runs_out:
                    found.append(f"epoch {one.epoch} was taken before the one before it had run out")
                owners[one.epoch] = one.owner
            case Moved():
                if owners.get(one.epoch) != one.owner:
                    found.append(f"{one.channel} was moved by one who does not own epoch {one.epoch}")
                if one.epoch < (latest := moved.get(one.channel, 0)):
                    found.append(f"{one.channel} was moved under epoch {one.epoch} after it was under {latest}")
                moved[one.channel] = max(one.epoch, moved.get(one.channel, 0))
    return found


class OwnersSeen:
    """Every write of a lease or a position that MongoDB took, in its order: of its change stream, not of what we say.

    Made by `begin`, before the first of them.
    """

    def __init__(self, database: AsyncDatabase[dict[str, Any]], began: Any) -> None:
        self._database = database
        self._began = began

    @classmethod
    async def begin(cls, database: AsyncDatabase[dict[str, Any]]) -> "OwnersSeen":
        """From now on."""
        for name in (LEASES, POSITIONS):
            await database.create_collection(name, changeStreamPreAndPostImages={"enabled": True})
        answer = await database.client.admin.command("ping")
        return cls(database, answer["operationTime"])

    async def history(self) -> list[Taken | Moved]:
        """All until now."""
        end = (await self._database[_END].insert_one({})).inserted_id
        found: list[Taken | Moved] = []
        wanted = [{"$match": {"ns.coll": {"$in": [LEASES, POSITIONS, _END]}}}]
        images = {"full_document": "required", "full_document_before_change": "whenAvailable"}
        async with await self._database.watch(wanted, start_at_operation_time=self._began, **images) as stream:
            async for change in stream:
                name, after = change["ns"]["coll"], change.get("fullDocument")
                if name == _END and after is not None and after["_id"] == end:
                    break
                if after is None:
                    continue
                before = change.get("fullDocumentBeforeChange") or {}
                if name == POSITIONS:
                    found.append(Moved(after["channel"], after["epoch"], after["owner"]))
                elif name == LEASES and after["epoch"] != before.get("epoch"):
                    last = (before.get("expires_at"), before.get("owner", ""))
                    found.append(Taken(after["epoch"], after["owner"], after["taken_at"], *last))
        return found
