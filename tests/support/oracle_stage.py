"""The proof's schedules on the real stages: two reconcilers and two writers on MongoDB, the oracle's org and judge."""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import orjson
from pymongo.asynchronous.database import AsyncDatabase

from adapters.mongo.collections import prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoObjectGaps
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from consumers.reconciler.batch import document_write
from consumers.reconciler.reconciler import Reconciler, doorbell
from consumers.rules import review
from consumers.rules.platform import Assertion
from consumers.rules.state import DocumentState, Side
from consumers.rules.stored import load
from consumers.rules.writes import due_at
from consumers.writer.sweep import Sweep
from consumers.writer.writer import Writer
from ops.reviews import Reviews
from schemas import cloudevents, topics
from schemas.change import Change
from schemas.codec import encode
from schemas.log_record import Record
from schemas.storage import DocumentWrite
from schemas.unavailable import Unavailable
from support.fake_documents import FakeDoorbells, set_path, unset_path
from support.oracle import Violation
from support.oracle_ports import OrgRecords, Process, WatchedDocuments, moment
from support.oracle_schedule import ACTIONS, LONG_QUIET, edit_on, is_in_sync, judge, judge_last
from support.oracle_world import LONGEST_CALL, PATHS, RETRY, SHOWN_KEPT, TIMING, WEBHOOK_TAKES, Post, Setting, World

Database = AsyncDatabase[dict[str, Any]]
Meanwhile = Callable[[], Awaitable[object]]
COLLECTION: Final = "customers"
FOREVER: Final = 10**15
LONGEST_RUN: Final = 60.0
"""Seconds for a schedule that takes a fifth of one."""


class Stage(World):
    """The same world, whose document is in MongoDB and is decided by the processes of the product.

    What takes time here is a coroutine: an action of `ACTIONS` gives it back to be awaited. What is to happen
    `meanwhile` happens between a decision and its update or, `at_once`, whenever asyncio and MongoDB let it.
    `document` is a copy, made of the updates that took effect.
    """

    def __init__(self, setting: Setting, database: Database, *, at_once: bool) -> None:
        super().__init__(setting)
        self.at_once = at_once
        self.database = database
        self.documents = MongoDocuments(database)
        self.doorbells = FakeDoorbells()
        self._offsets = itertools.count()
        self._updates: dict[int | None, DocumentWrite] = {}
        """Updates of which we have heard before we heard of the one before them, by the revision they replaced."""
        self._hearings: list[tuple[int, bool, Post, Assertion]] = []
        log, parked, now = MongoSyncLog(database), MongoParkedRecords(database), lambda: self.now
        catalog = lambda: self.catalog  # noqa: E731
        self.watched = [self._watch() for _ in range(2)]
        self.reconcilers = deque(
            (
                Reconciler(
                    catalog=catalog,
                    documents=documents,
                    log=log,
                    parked=parked,
                    doorbells=self.doorbells,
                    gaps=MongoObjectGaps(database),
                    now=now,
                    timing=TIMING,
                ),
                documents,
            )
            for documents in (self._watch(), self._watch())
        )
        self.processes = [Process(self.visits, number) for number in range(2)]
        self.writers = [
            Writer(
                catalog=catalog,
                documents=documents,
                records=OrgRecords(self, documents, process.hold),
                log=log,
                parked=parked,
                now=now,
                timing=TIMING,
                retry=RETRY,
            )
            for process, documents in zip(self.processes, self.watched, strict=True)
        ]
        self.sweep = Sweep(catalog=catalog, documents=self.documents, doorbells=self.doorbells, log=log, now=now)
        self.reviews = Reviews(documents=self._watch(), log=log, catalog=catalog, now=now, timing=TIMING)

    # -- the document ------------------------------------------------------------------------------------------

    def _watch(self) -> WatchedDocuments:
        return WatchedDocuments(self.documents, self._took_effect)

    def _took_effect(self, write: DocumentWrite) -> None:
        """Updates come in the order of their revisions, whichever is heard of first."""
        self._updates[write.revision] = write
        while (due := self._updates.pop((self.document or {}).get("revision"), None)) is not None:
            self.document = self.document or {"_id": due.id}
            for path, value in due.set.items():
                set_path(self.document, path, value)
            for path in due.unset:
                unset_path(self.document, path)
            self._show(self.load(), self.document["revision"])

    async def refresh(self) -> None:
        """Take document and audit as MongoDB has them.

        Raises:
            Violation: the document is not what its updates make of it, or something was parked.
        """
        stored = (await self.documents.read(COLLECTION, ["c-1"])).get("c-1")
        if self._updates or _comparable(stored) != _comparable(self.document):
            raise Violation(f"the document is {stored}, where its updates make {self.document}")
        self.document = stored
        rows = await self.database["salesforce_sync_logs"].find({"type": "audit"}).to_list()
        self.audit = {row["_id"]: row for row in rows}
        if left := (stored or {}).get("_sync", {}).get("audit"):
            raise Violation(f"{len(left)} audit rows are left in the document")
        if parked := await self.database["tandem_parked"].find().to_list():
            raise Violation(f"parked: {[row['reason'] for row in parked]}")

    # -- the reconcilers ---------------------------------------------------------------------------------------

    def _record(self, topic: str, key: bytes, value: bytes, **headers: str) -> Record:
        return Record(topic, 0, next(self._offsets), key, value, headers, self.now)

    async def _reconcile(self, record: Record, meanwhile: Meanwhile | None) -> WatchedDocuments:
        """One of them handles the record; its documents, which know what it saw."""
        mine = reconciler, documents = self.reconcilers.popleft()
        try:
            await self._together(reconciler.handle([record]), documents, meanwhile)
        finally:
            self.reconcilers.append(mine)
        return documents

    async def _together(self, work: Awaitable[object], documents: WatchedDocuments, meanwhile: Meanwhile | None) -> Any:
        if meanwhile is not None and self.at_once:
            done, _ = await asyncio.gather(work, meanwhile())
            return done
        documents.before_write = meanwhile
        try:
            return await work
        finally:
            documents.before_write = None

    async def deliver_post(self, index: int = 0, *, keep: bool = False, meanwhile: Meanwhile | None = None) -> bool:
        if not self.posts:
            return False
        post = self.posts[index % len(self.posts)]
        if not keep:
            self.posts.remove(post)
        await self._deliver(post, meanwhile)
        return True

    async def deliver_again(self, index: int = 0) -> None:
        if self.past_posts:
            await self._deliver(self.past_posts[-1 - index % len(self.past_posts)], None)

    async def _deliver(self, post: Post, meanwhile: Meanwhile | None) -> None:
        assertion = self._arrives(post)
        documents = await self._reconcile(self._event(assertion), meanwhile)
        self._hearings.append((documents.revision_read, documents.wrote, post, assertion))
        if len(self.reconcilers) == 2:
            # Of two at once, the one that decided on the earlier document was heard first.
            for _revision, _wrote, one, said in sorted(self._hearings, key=lambda each: each[:2]):
                self._heard(one, said)
            self._hearings.clear()

    def _event(self, assertion: Assertion) -> Record:
        """The webhook as the listener publishes it."""
        data: dict[str, Any] = {"id": "c-1", "fields": assertion.fields}
        if assertion.changed is not None:
            data["changed"] = sorted(assertion.changed)
        if assertion.seen is not None:
            data["seen"] = assertion.seen
        at = assertion.occurred_at
        type_ = "customer.deleted" if assertion.deletes else "customer.updated"
        body = orjson.dumps({"type": type_, "timestamp": moment(at).isoformat(), "data": data})
        headers = {cloudevents.ID: assertion.event_id, cloudevents.RECEIVED_AT: str(at + WEBHOOK_TAKES)}
        return self._record(topics.PLATFORM_EVENTS, topics.document_key("customer", "c-1"), body, **headers)

    async def deliver_change(self, meanwhile: Meanwhile | None = None) -> bool:
        if self.heard >= len(self.org.stream):
            return False
        change: Change = self.org.stream[self.heard]
        self.heard += 1
        await self._reconcile(self._event_of(change), meanwhile)
        return True

    def _event_of(self, change: Change) -> Record:
        return self._record(topics.SALESFORCE_CHANGES, topics.record_key(change.record_id), encode(change))

    async def deliver_change_twice(self) -> None:
        place = self.heard

        async def by_the_next_owner() -> None:
            self.heard = place
            await self.deliver_change()
            await self.deliver_change()

        await self.deliver_change(by_the_next_owner)

    # -- the writers -------------------------------------------------------------------------------------------

    async def advance(self, milliseconds: int) -> None:
        until = self.now + milliseconds
        for process, visit in enumerate(self.visits):
            if visit is not None and visit.phase in ("stored", "called") and until > visit.began_at + LONGEST_CALL:
                await self.step(process)
                await self.step(process)
        while self.in_flight and until > self.in_flight[0].began_at + LONGEST_CALL:
            self.land()
        self.now = until

    async def step(self, process: int, fate: str = "ok", meanwhile: Meanwhile | None = None) -> str:
        """One writer goes on to its next call, or from its call to the answer, or to its end."""
        if self.visits[process] is not None:
            return await self.processes[process].go_on(fate)
        begun = self.processes[process].begin(self.writers[process].handle(self._doorbells()))
        phase: str = await self._together(begun, self.watched[process], meanwhile)
        return phase

    def _doorbells(self) -> list[Record]:
        """Those that rang, and one in any case: they are lost with the writer that dies over them."""
        rung, self.doorbells.rung[:] = self.doorbells.rung[:], []
        return [
            self._record(topics.SALESFORCE_WRITES, key, value)
            for key, value in [*rung, doorbell(self.kind, DocumentState("customer", "c-1"))]
        ]

    async def kill(self, process: int) -> None:
        await self.processes[process].kill()

    async def write(self, fate: str = "ok") -> str:
        process = 0 if self.visits[0] is None else 1
        if self.visits[process] is not None:
            return "busy"
        return await self._finish(process, fate, await self.step(process))

    async def _finish(self, process: int, fate: str, phase: str) -> str:
        while self.visits[process] is not None:
            if (fate, phase) in (("killed", "stored"), ("killed_after", "called"), ("killed_after", "deleted")):
                await self.kill(process)
                break
            if phase == "begun":
                self.now += 1
            phase = await self.step(process, fate)
        return phase

    async def ask_for_row(self) -> None:
        if self.load().link is None:
            return
        documents = self._watch()
        state = load((await documents.read(COLLECTION, ["c-1"]))["c-1"], "c-1", self.kind)
        state.read_reason = "asked for"
        due = due_at(state, self.kind, TIMING, now=self.now)
        ring_again = TIMING.ring_again
        decision = f"asked {next(self._offsets)}"
        write = document_write(state, self.kind, now=self.now, due=due, ring_again=ring_again, decision=decision)
        if await documents.write(COLLECTION, [write]):
            raise AssertionError("nobody else is at work")

    # -- people who decide -------------------------------------------------------------------------------------

    async def choose(self, side: Side) -> None:
        for asked in list(review.open_reviews(self.load(), self.kind)):
            question = await self.reviews.question("customer", "c-1", asked.rule.dotted)
            self._chosen(asked, side)
            await self.reviews.choose(question, side, who="somebody")

    # -- rest --------------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Deliver everything and let the writers finish: what rings, or the sweep finds due, is all they look at.

        Raises:
            Violation: writing does not stop, or takes more calls than there is reason for.
        """
        edits, calls = len(self.ledger.edits), self.calls
        reasons = len(self.posts) + len(self.org.stream) - self.heard + len(self.in_flight) + 4
        for process in (0, 1):
            await self._finish(process, "ok", "")
        while self.in_flight:
            self.land()
        if self.at_once:
            await self._all_at_once()
        while await self.deliver_post():
            pass
        for _ in range(400):
            heard = await self.deliver_change()
            await self.sweep.ring_due()
            if not await self._answer_doorbells() and not heard:
                due = await self.documents.due(COLLECTION, FOREVER, 1)
                if not due:
                    break
                self.now = max(self.now, due[0]["_sync"]["due_at"])
            self.now += 700
        else:
            raise Violation(f"writing does not stop: {self.calls - calls} calls")
        await self.sweep.drain_audit()
        await self.refresh()
        made = len(self.ledger.edits) - edits
        if self.calls - calls > reasons + made:
            raise Violation(f"{self.calls - calls} calls to come to rest, where {reasons} + {made} had a reason")

    async def _all_at_once(self) -> None:
        """What waits, in one batch for each reconciler, and both writers meanwhile.

        Not where a page might come to be older than what the document keeps of its past: as in `_arrives`.
        """
        changes = self.org.stream[self.heard :]
        coming = len(self.posts) + len(changes)
        pages = [(post.base, PATHS[path]) for post in self.posts for path in post.views]
        if any(self._shows_since(base, name) + coming > SHOWN_KEPT for base, name in pages):
            return
        posts = [(post, self._arrives(post)) for post in self.posts]
        self.posts, self.heard = [], len(self.org.stream)
        (one, _), (other, _) = self.reconcilers
        await asyncio.gather(
            one.handle([self._event(assertion) for _, assertion in posts]),
            other.handle([self._event_of(change) for change in changes]),
            self._answer_doorbells(),
        )
        for post, assertion in posts:
            self._heard(post, assertion)

    async def _answer_doorbells(self) -> bool:
        """Both writers at once, as after a partition has moved."""
        rung, self.doorbells.rung[:] = self.doorbells.rung[:], []
        if not rung:
            return False
        bells = [self._record(topics.SALESFORCE_WRITES, key, value) for key, value in rung]
        await asyncio.gather(*(self._answer(process, bells) for process in (0, 1)))
        return True

    async def _answer(self, process: int, bells: Sequence[Record]) -> None:
        phase = await self.processes[process].begin(self.writers[process].handle(bells))
        await self._finish(process, "ok", phase)


def _comparable(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without what is moved by no revision."""
    if document is None:
        return None
    sync = {name: value for name, value in document["_sync"].items() if name not in ("due_at", "audit")}
    return {**document, "_sync": sync}


async def run(setting: Setting, steps: Sequence[str], last: str, database: Database, *, at_once: bool) -> Stage:
    """As `support.oracle_schedule.run`, in a database that is emptied first.

    Raises:
        Violation: a promise is broken.
    """
    await prepare(database, [COLLECTION])
    for name in (COLLECTION, "salesforce_sync_logs", "tandem_parked"):
        await database[name].delete_many({})
    stage = Stage(setting, database, at_once=at_once)
    try:
        await _run(stage, steps, last)
    finally:
        for process in (0, 1):
            await stage.kill(process)
    return stage


async def _run(stage: Stage, steps: Sequence[str], last: str) -> None:
    stage.platform_edit("phone", whole=True)
    for step in steps:
        done = stage.settle() if step == "rest" else ACTIONS[step](stage)
        if isinstance(done, Awaitable):
            await done
    await _rest(stage)
    await stage.choose((Side.PLATFORM, Side.SALESFORCE)[len(steps) % 2])
    await _rest(stage)
    if not is_in_sync(stage):
        return
    how, path = last.split(" ", 1)
    await stage.advance(LONG_QUIET)
    triggered = len(stage.ledger.edits)
    value = edit_on(stage, how, path)
    await _rest(stage)
    judge_last(stage, how, path, value, triggered)


async def _rest(stage: Stage) -> None:
    await stage.settle()
    judge(stage)


async def broken(setting: Setting, steps: Sequence[str], last: str, database: Database, *, at_once: bool) -> str | None:
    """The promise that the schedule breaks on the real stages, None where it breaks none."""
    try:
        async with asyncio.timeout(LONGEST_RUN):
            await run(setting, steps, last, database, at_once=at_once)
    except (AssertionError, TimeoutError, Unavailable) as violation:
        return str(violation) or repr(violation)
    return None
