"""What a run works with, put together for one process: the store, Salesforce, the topics, and the walks over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from adapters.mongo.client import Database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.gaps import MongoGaps
from adapters.mongo.leases import MongoLeases
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.positions import MongoPositions
from adapters.mongo.retention import DEFAULT
from adapters.mongo.runs import MongoRuns
from adapters.mongo.walks import MongoWalks
from adapters.salesforce.describes import Describes
from adapters.salesforce.lists import Queries, RecordLists
from adapters.salesforce.opening import Salesforce
from consumers.catalog import Catalog
from consumers.ports import Doorbells
from consumers.reconciler.derive import Deriver
from consumers.repair.ports import Backlog
from consumers.rules.retry import RetryPolicy
from consumers.rules.sync_verdict import Verdict
from consumers.rules.timing import Timing
from consumers.writer.desk import Desk
from ops.processes.parts import wall_ms
from ops.schedule_settings import ScheduleSettings
from ops.sync.asking import ALL, CannotRun, places_named
from ops.sync.look import LookWalk, Tally
from ops.sync.ports import ChangeLog
from ops.sync.push import PushWalk
from ops.sync.walk import Walk
from schemas.gap import ComparisonGap, Found
from schemas.session import LoginFailed
from schemas.stream import change_event, poll_channel
from schemas.sync_run import Purpose, Run, RunStep, Task
from schemas.topics import SALESFORCE_CHANGES
from schemas.unavailable import Unavailable


@dataclass(slots=True)
class SyncParts:
    """Open parts, and the walks that runs take over them."""

    database: Database
    changes: ChangeLog
    doorbells: Doorbells
    backlog: Backlog
    salesforce: Salesforce
    catalog: Callable[[], Catalog]
    timing: Timing
    settings: ScheduleSettings
    channels: Sequence[str]
    """Those of CHANGES_CHANNELS."""
    queries: Queries | None = None
    """Bulk query jobs within the budget; without them those of `salesforce`."""
    refused: Callable[[str, str], None] = lambda _document, _why: None
    """Told of documents that MongoDB will not store."""
    gaps_kept: timedelta = DEFAULT.gaps
    """How long a gap is kept that a comparison has closed."""
    now: Callable[[], int] = wall_ms
    lists: RecordLists = field(init=False)
    walks: MongoWalks = field(init=False)
    _desk: Desk = field(init=False)
    _deriver: Deriver = field(init=False)
    _tallies: dict[tuple[str, str], Tally] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        documents = MongoDocuments(self.database)
        rest = self.salesforce.rest
        self.lists = RecordLists(
            rest,
            self.queries or self.salesforce.bulk_queries,
            Describes(rest, self.now),
            bulk_rows=self.settings.bulk_rows,
            chunk_rows=self.settings.chunk_rows,
        )
        self.walks = MongoWalks(self.database)
        self._deriver = Deriver(documents, self.timing, self.now)
        self._desk = Desk(
            documents=documents,
            log=MongoSyncLog(self.database),
            now=self.now,
            timing=self.timing,
            retry=RetryPolicy(),
            on_conflict=lambda _row: None,
            kinds=lambda: self.catalog().kinds,
            off=lambda: self.catalog().off,
        )

    def walk(self, run: Run, step: RunStep) -> Walk:
        """What a step walks over.

        Raises:
            CannotRun: its kind is mapped no more, or switched off by now.
        """
        catalog = self.catalog()
        kind = catalog.kinds.get(step.kind)
        if kind is None:
            raise CannotRun(f"the mapping has no kind {step.kind} any more")
        places = places_named(run.request.what, kind, catalog.off)
        if not places:
            raise CannotRun(f"{kind.sobject} is switched off by SYNC_*")
        match step.task:
            case Task.PUSH:
                return PushWalk(
                    kind=kind,
                    places=places,
                    catalog=catalog,
                    request=run.request,
                    walks=self.walks,
                    desk=self._desk,
                    deriver=self._deriver,
                    doorbells=self.doorbells,
                    records=self.salesforce.records if run.request.dry_run else None,
                    refused=self.refused,
                )
            case Task.PULL | Task.COMPARE | Task.REFRESH:
                tally = None if run.accepts_missing else self._tallies.setdefault((run.id, step.kind), Tally())
                return LookWalk(
                    kind=kind,
                    places=places,
                    mapped=catalog.mapping.kinds[step.kind],
                    task=step.task,
                    request=run.request,
                    lists=self.lists,
                    walks=self.walks,
                    desk=self._desk,
                    changes=self.changes,
                    org_id=self.org_id,
                    subscribed=self.subscribed,
                    tally=tally,
                )

    def collection(self, step: RunStep) -> str:
        """That of the step's kind; empty where it is mapped no more."""
        kind = self.catalog().kinds.get(step.kind)
        return "" if kind is None else kind.collection

    async def org_id(self) -> str:
        """The org that we are signed in to.

        Raises:
            Unavailable: the login fails.
        """
        try:
            return (await self.salesforce.login.grant()).org_id
        except LoginFailed as error:
            raise Unavailable(f"the login fails: {error.code}") from error

    async def subscribed(self, sobject: str) -> bool:
        """Whether somebody follows the object's changes, or has and will go on where he was.

        A subscriber that has no position yet begins with the oldest event that Salesforce retains, and polls what has
        no change events from as far back: what is changed from now on is told, if it is let in within that time.

        Raises:
            Unavailable: the store or the login does not answer.
        """
        org_id = await self.org_id()
        positions = MongoPositions(self.database, org_id)
        for channel in (poll_channel(sobject), *(each for each in self.channels if may_bring(each, sobject))):
            if await positions.read(channel) is not None:
                return True
        return await MongoLeases(self.database).held(f"changes:{org_id}")

    async def finish(self, run: Run) -> Run:
        """Of a comparison: what it found is kept as gaps that are closed. Of one of everything, which nothing has
        hindered, the gaps that were noticed before it began are closed too, by their repair, once what was published is
        handled.

        Raises:
            Unavailable: the store, Kafka or the login does not answer.
        """
        if run.request.purpose is not Purpose.COMPARE or run.request.dry_run:
            return run
        missed, is_whole = await self._missed(run), run.request.what == ALL and not run.problems
        if not missed and not is_whole:
            return run
        gaps = MongoGaps(self.database, await self.org_id(), self.gaps_kept)
        await gaps.compared(missed)
        if not is_whole:
            return run
        ends = await self.backlog.ends(SALESFORCE_CHANGES)
        covered = await gaps.cover(run.started_at, by=run.id, note=run.found, published_to=ends)
        return run.model_copy(update={"closed_gaps": covered})

    async def _missed(self, run: Run) -> list[ComparisonGap]:
        """What nothing had told of, by kind; of steps that could not go on, once they have."""
        found = [(step, found_by(step)) for step in run.steps if not step.problem]
        missed = [(step, each) for step, each in found if each.published or each.deleted]
        if not missed:
            return []
        since, now = await MongoRuns(self.database).compared_before(run, (run.request.what, ALL)), self.now()
        return [
            ComparisonGap(run.id, step.kind, kind.sobject, each, step.found, since, now)
            for step, each in missed
            if (kind := self.catalog().kinds.get(step.kind)) is not None
        ]

    def forget(self, run: Run) -> None:
        """What was counted of a run that has ended."""
        self._tallies = {key: tally for key, tally in self._tallies.items() if key[0] != run.id}


def may_bring(channel: str, sobject: str) -> bool:
    """Whether a channel may bring an object's events: all objects' channel, its own, or one that somebody made."""
    name = channel.removeprefix("/data/")
    return name in ("ChangeEvents", change_event(sobject)) or name.endswith("__chn")


def found_by(step: RunStep) -> Found:
    """What a comparison's step has found: records that it had read, and those that are in no list."""
    acted = sum(count for word, count in step.counts.items() if Verdict(word).acts)
    missing = step.counts.get(Verdict.MISSING, 0)
    return Found(step.passed, acted - missing, missing)
