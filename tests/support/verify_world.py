"""A stage whose two sides are compared, with what waits in Kafka and what is in a gap."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from consumers.reconciler.derive import Deriver
from consumers.rules.verify_reasons import Why
from ops.verify import Verifier
from ops.verify_backlog import Backlog
from ops.verify_findings import Report
from ops.verify_repair import Repair
from ops.verify_untold import InKafka, Untold
from schemas import topics
from schemas.change import Change
from schemas.codec import decode
from support.fake_documents import FakeDocuments
from support.fake_gaps import FakeChanges, FakeLooks, FakeObjectGaps
from support.fake_topic import FakeTopic
from support.sync_stage import TIMING, Stage

ADA = {"last_name": "Lovelace", "email": "ada@example.org", "title": "Engineer", "phone": "0712 345 678"}
LATER = 60_000
OVERLAP = 5_000
GROUP = "group"


class Pages:
    """The stage's documents, two a page."""

    def __init__(self, documents: FakeDocuments) -> None:
        self._documents = documents

    async def all(
        self, collection: str, undecided: Callable[[int], None] = lambda _count: None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        there = list(self._documents.collections.get(collection, {}).values())
        found = [one for one in there if "revision" in one]
        undecided(len(there) - len(found))
        for start in range(0, len(found), 2):
            yield found[start : start + 2]

    async def changed(self, collection: str, since: int, until: int) -> AsyncIterator[list[dict[str, Any]]]:
        async for page in self.all(collection):
            yield [one for one in page if since <= one["salesforce"]["lastSyncedAt"] <= until]

    async def sample(self, collection: str, size: int) -> AsyncIterator[list[dict[str, Any]]]:
        yield list(self._documents.collections.get(collection, {}).values())[:size]


class World:
    """A stage whose sides can be compared."""

    def __init__(self) -> None:
        self.documents = FakeDocuments()
        self.stage: Stage = Stage(self.documents)
        self.looks = FakeLooks(size=1)
        self.changes = FakeChanges()
        self.gaps = FakeObjectGaps()
        self.waiting = FakeTopic()
        """What `salesforce.changes` holds; `ringing`: what `salesforce.writes` does."""
        self.ringing = FakeTopic()
        self.opened = 0
        self.most = 1_000

    async def at_rest(self, **fields: Any) -> str:
        """One customer on both sides; its record's id. Its last change is a minute ago."""
        await self.stage.post(ADA | fields)
        await self.stage.settle()
        self.stage.now += LATER
        return str(self.stage.contact()["Id"])

    def edit_unheard(self, record_id: str, **fields: Any) -> None:
        """An edit whose event is lost, a minute ago."""
        self.stage.salesforce.edit("Contact", record_id, fields)
        self.stage.changes.clear()
        self.stage.now += LATER

    async def open_kafka(self) -> InKafka:
        """Both topics; counted."""
        self.opened += 1
        changes = Backlog(self.waiting, topics.SALESFORCE_CHANGES, GROUP, self.most)
        return InKafka(changes, Backlog(self.ringing, topics.SALESFORCE_WRITES, GROUP))

    async def verify(self, *, repair: bool = False, **options: Any) -> Report:
        """Both sides compared."""
        stage, report = self.stage, Report()
        verifier = Verifier(
            catalog=stage.catalog,
            pages=Pages(self.documents),
            documents=self.documents,
            records=stage.salesforce,
            looks=self.looks,
            untold=Untold(catalog=stage.catalog, gaps=self.gaps, overlap=OVERLAP, open_kafka=self.open_kafka),
            timing=TIMING,
            now=lambda: stage.now,
        )
        asked = Repair(
            catalog=stage.catalog,
            changes=self.changes,
            deriver=Deriver(self.documents, TIMING, lambda: stage.now),
            org_id="00D000000000001EAA",
            now=lambda: stage.now,
        )
        await verifier.run(list(stage.catalog.kinds.values()), report, repair=asked if repair else None, **options)
        return report

    async def reasons(self) -> set[Why]:
        """Why the sides differ, all fields together."""
        return {why for why, _code in (await self.verify()).reasons}

    async def look_again(self) -> None:
        """What `--repair` has published goes the ordinary way."""
        for record in self.changes.records:
            await self.stage.reconciler.handle([self.stage.change(decode(Change, record.value))])
        await self.stage.settle()
        self.stage.now += LATER
