"""Whatever happens, and however late it is seen: every change of a polled record is published after it was made."""

import asyncio
import itertools
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes_changes import FakeTime, settle
from support.fakes_polling import FakeModified

from listener.changes.buffer import Buffer, Polled, Reached
from listener.changes.health import Health
from listener.changes.polling import Poller
from listener.changes.ports import ModifiedRow
from listener.changes.settings import ChangesSettings
from schemas.change import Change, ChangeType

OVERLAP = 60
IDS = [f"003{number:012}AAA" for number in range(8)]


@dataclass(frozen=True)
class Edit:
    """A record is changed; the commit is seen `late` seconds after its stamp."""

    record: int
    deleted: bool
    late: int


@dataclass(frozen=True)
class Wait:
    """Time goes by."""

    milliseconds: int


class Away:
    """The next poll is not answered, or not to its end."""


class Down:
    """Salesforce is down from now on, or up again."""


class Kill:
    """The process dies: what is in the log and its position are all that is left."""


STEPS = st.lists(
    st.builds(Edit, st.integers(0, 7), st.booleans(), st.integers(0, OVERLAP - 2))
    | st.builds(Wait, st.integers(1, 45_000))
    | st.builds(Wait, st.sampled_from([400, 5_000, 120_000]))
    | st.builds(Away)
    | st.builds(Down)
    | st.builds(Kill),
    max_size=40,
)


class World:
    """A poller, and what is safe: its log, and the position behind it."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.salesforce = FakeModified(self.time.wall)
        self.log: list[Change] = []
        self.mark = self.time.wall() - 3_600_000
        self.due: dict[str, tuple[int, ModifiedRow]] = {}
        """By record: how long the log was when its last change was seen, and its row then."""
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        options = ChangesSettings(
            poll_seconds=5, poll_idle_seconds=20, poll_overlap_seconds=OVERLAP, backoff_seconds=1, backoff_cap_seconds=4
        )
        around = {"clock": self.time.clock, "wall": self.time.wall, "pause": self.time.sleep}
        poller = Poller(records=self.salesforce, settings=options, health=Health(), chance=lambda: 1.0, **around)  # type: ignore[arg-type]
        self.buffer = Buffer(high=1_000, low=10)
        self.task = asyncio.create_task(poller.follow(poller.begin("Contact", self.mark), self.buffer))

    def keep(self, *, most: int = 1_000) -> None:
        """The subscriber's part: the log first, then the position."""
        items = self.buffer.peek(most)
        for item in items:
            assert isinstance(item, Polled | Reached)
            if isinstance(item, Polled):
                self.log.append(item.change)
            assert item.position.commit_timestamp >= self.mark
            self.mark = item.position.commit_timestamp
        self.buffer.discard(len(items))

    async def end(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def edit(self, edit: Edit) -> None:
        """Stamps of one record grow, since whoever writes it has it locked; within a second they look the same."""
        record_id = IDS[edit.record]
        now = self.time.wall()
        stamp = (now - edit.late * 1000) // 1000 * 1000
        before = self.salesforce.rows.get("Contact", {}).get(record_id)
        if before is not None and stamp <= before.modified and not (stamp == before.modified == now // 1000 * 1000):
            return
        self.salesforce.modify("Contact", record_id, at=stamp, deleted=edit.deleted)
        self.due[record_id] = (len(self.log), self.salesforce.rows["Contact"][record_id])

    async def run(self, steps: list[object]) -> None:
        self.start()
        for step in steps:
            match step:
                case Edit():
                    self.keep()
                    self.edit(step)
                case Wait(milliseconds):
                    await self.time.advance(milliseconds / 1000)
                    self.keep()
                case Away():
                    self.salesforce.away_after = len(self.log) % 3
                case Down():
                    self.salesforce.away = not self.salesforce.away
                case Kill():
                    self.keep(most=2)
                    await self.end()
                    self.start()
                    await settle()
        self.salesforce.away = False
        await self.time.advance(2 * OVERLAP)
        self.keep()
        await self.end()


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_every_change_is_published_after_it_is_seen(steps: list[object]) -> None:
    """With kills, calls that are not answered, and transactions that are seen late; and positions only go forward."""

    async def all_of_it() -> World:
        world = World()
        await world.run(steps)
        return world

    world = asyncio.run(all_of_it())
    for record_id, (since, row) in world.due.items():
        later = [change for change in world.log[since:] if change.record_id == record_id]
        wanted = ChangeType.GAP_DELETE if row.deleted else ChangeType.GAP_UPDATE
        assert [change for change in later if (change.type, change.position.timestamp) == (wanted, row.modified)], row


@settings(max_examples=50, deadline=None)
@given(STEPS)
def test_what_has_not_changed_is_published_no_more(steps: list[object]) -> None:
    """Without a kill no change is published twice, but for those whose second was not over when they were seen."""

    async def all_of_it() -> World:
        world = World()
        await world.run([step for step in steps if not isinstance(step, Kill)])
        return world

    world = asyncio.run(all_of_it())
    keys = [(change.record_id, change.type, change.position.timestamp) for change in world.log]
    for key, group in itertools.groupby(sorted(keys)):
        assert len(list(group)) <= 2, key
