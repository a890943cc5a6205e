"""Rule 29 for all documents: decided again in memory for a plan, or in the store to apply a version."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.versions import Document, MongoVersions
from consumers.catalog import Catalog
from consumers.reconciler.batch import mapping_name
from consumers.reconciler.derive import Deriver
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind
from consumers.rules.plan import effects
from consumers.rules.retry import RetryPolicy
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.versions import bring_up
from consumers.writer.desk import TRIES_TO_SAVE, Desk
from consumers.writer.totals import Totals
from consumers.writer.visit import Visit
from ops.mapping_pace import LOOK_SECONDS, Hindrance, unhindered
from ops.mapping_plan import Plan
from schemas.unavailable import Unavailable

Passed = Callable[[int], None]
"""Told how many documents more are behind us."""


def end_if_cancelled() -> None:
    """Raise CancelledError where the task was cancelled and the driver swallowed it.

    Before Python 3.12 `asyncio.wait_for`, which the driver uses, does so where it is answered at once (bpo-42130): to
    somebody who mostly computes, as here, nearly always.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def make_plan(
    versions: MongoVersions,
    before: Catalog,
    after: Catalog,
    timing: Timing,
    *,
    now: Callable[[], int],
    names: int = 0,
    passed: Passed = lambda _count: None,
) -> Plan:
    """What `after` would do where `before` is in force; nothing is changed.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    plan = Plan(after.kinds, names)
    for kind in after.kinds.values():
        known = before.kinds.get(kind.name)
        async for page in versions.older(kind.collection, kind.version):
            at = now()
            for document in page.documents:
                found = effects(document, known, kind, timing, in_force=before.version, now=at)
                plan.add(kind.name, document["_id"], found)
            passed(page.passed)
            end_if_cancelled()
    return plan


@dataclass(slots=True)
class Applied:
    """What was done: how many documents were decided again, and those that the store will not write, with its reason.

    Documents that a running process decided meanwhile are in neither.
    """

    decided: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Application:
    """Decides all documents of an older version again, page by page, each in a guarded update.

    What a page makes due goes to Salesforce by the writer, as anybody's edit: a page waits until those before it have.
    What an event speaks of meanwhile is decided by the new version at once, and waits for nothing here.

    May end at any instant, be begun again, run beside running processes and beside itself: what is decided is done, and
    what another has taken meanwhile is looked at again.
    """

    def __init__(
        self,
        *,
        versions: MongoVersions,
        documents: MongoDocuments,
        log: MongoSyncLog,
        catalog: Catalog,
        timing: Timing,
        now: Callable[[], int],
        hindrance: Hindrance = unhindered,
        waits: Callable[[str], None] = lambda _why: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`hindrance` is asked before each page; `waits` is told what it waits for, and "" when it goes on."""
        self._hindrance = hindrance
        self._waits = waits
        self._sleep = sleep
        self._versions = versions
        self._catalog = catalog
        # Nobody rings here: what is due at once is due in the document at once, and the sweep's next round rings.
        self._timing = replace(timing, ring_again=0)
        self._now = now
        self._desk = Desk(
            documents=documents,
            log=log,
            now=now,
            timing=self._timing,
            retry=RetryPolicy(),
            on_conflict=lambda _row: None,
            kinds=lambda: catalog.kinds,
        )
        self._totals = Totals(lambda: catalog, self._desk, Deriver(documents, self._timing, now))

    async def waiting(self) -> int:
        """How many documents have still to be decided.

        Raises:
            Unavailable: MongoDB does not answer.
        """
        return sum(
            [await self._versions.count_older(kind.collection, kind.version) for kind in self._catalog.kinds.values()]
        )

    async def run(self, passed: Passed = lambda _count: None) -> Applied:
        """Go through them all once.

        Raises:
            Unavailable: MongoDB does not answer, or others change the same documents without end. What was decided
                stays; run again.
        """
        applied = Applied()
        for kind in self._catalog.kinds.values():
            async for page in self._versions.older(kind.collection, kind.version):
                if page.documents:
                    await self._wait_for_room(kind.collection)
                await self._decide(kind, page.documents, applied)
                passed(page.passed)
                end_if_cancelled()
        return applied

    async def _wait_for_room(self, collection: str) -> None:
        told = ""
        while why := await self._hindrance(collection):
            if why != told:
                self._waits(why)
            told = why
            await self._sleep(LOOK_SECONDS)
            end_if_cancelled()
        if told:
            self._waits("")

    async def _decide(self, kind: Kind, documents: list[Document], applied: Applied) -> None:
        for _try in range(TRIES_TO_SAVE):
            visits = self._decided(kind, documents)
            lost = await self._desk.save(visits) if visits else set()
            refused = {f"{kind.name} {visit.id}": visit.refused for visit in visits if visit.refused}
            applied.decided += len(visits) - len(lost)
            applied.refused |= refused
            await self._take_totals([visit for visit in visits if visit.id not in lost])
            again = [visit.id for visit in visits if visit.id in lost and not visit.refused]
            if not again:
                return
            documents = await self._versions.still_older(kind.collection, kind.version, again)
        raise Unavailable("the same documents are being written by others without end")

    async def _take_totals(self, visits: Sequence[Visit]) -> None:
        """Rule 28. What is left by an end just here is marked in the documents, and the sweep has it done."""
        marked = [visit for visit in visits if visit.state.underived or visit.state.uncounted]
        await self._totals.take(await self._desk.look(marked))

    def _decided(self, kind: Kind, documents: Sequence[Document]) -> list[Visit]:
        now = self._now()
        occasion = Occasion(mapping_name(kind), now, now + self._timing.visible_after)
        visits: list[Visit] = []
        for document in documents:
            state = load(document, document["_id"], kind)
            if bring_up(state, kind, occasion, partial(value_at, document)):
                visits.append(Visit(kind, state.id, found=state))
        return visits
