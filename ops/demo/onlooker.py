"""What there is to see at one moment: counts by stage, what is under way, the newest conflicts and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.demo.rest import Signs
from ops.demo.traffic import Traffic
from schemas.mapping import KindMapping
from simulator.observer.authorship import is_token
from simulator.observer.backlog import Backlog, TopicBacklog
from simulator.observer.history import Row
from simulator.observer.readers import MongoWitness, OrgWitness

CONFLICTS_SHOWN = 12
DOCUMENTS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at everything. Rows are as their stores hold them; `records` are by document id."""

    posts: int = 0
    accepted: int = 0
    seller_edits: int = 0
    topics: Mapping[str, TopicBacklog] = field(default_factory=dict)
    documents: int = 0
    revisions: int = 0
    pending: int = 0
    settled: int = 0
    commits: int = 0
    last_commit: int = 0
    our_commits: int = 0
    records_made: int = 0
    conflicts: Sequence[Row] = ()
    newest: Sequence[Row] = ()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def signs(self) -> Signs:
        """The signs of rest."""
        unfinished = sum(topic.unfinished for topic in self.topics.values())
        return Signs(self.revisions, self.last_commit, unfinished, self.pending)


class OrgMirror:
    """The org as its commit log tells it: kept up by reading what is new."""

    def __init__(self, kind: KindMapping) -> None:
        self._kind = kind
        self._held: dict[str, dict[str, Any]] = {}
        self.last_commit = 0
        self.commits = 0
        self.ours = 0
        self.made = 0

    def take(self, rows: Sequence[Row]) -> None:
        """The next rows of the log."""
        for row in rows:
            self.commits += 1
            self.last_commit = row["number"]
            if row["entity"] != self._kind.sobject:
                continue
            self.ours += is_token(row["after"].get(self._kind.token))
            self.made += row["type"] == "CREATE"
            self._held.setdefault(row["record_id"], {"Id": row["record_id"]}).update(row["after"])

    def record(self, record_id: str) -> Mapping[str, Any]:
        """A record as it stands, empty where there is none."""
        return self._held.get(record_id, {})


class Onlooker:
    """Looks at the platform, Kafka, MongoDB and the org, without asking any of our own processes."""

    def __init__(
        self, traffic: Traffic, backlog: Backlog, mongo: MongoWitness, org: OrgWitness, kind: KindMapping
    ) -> None:
        self._traffic = traffic
        self._backlog = backlog
        self._mongo = mongo
        self._org = org
        self._kind = kind
        self._mirror = OrgMirror(kind)

    async def look(self) -> Glance:
        """One look.

        Raises:
            Unavailable, aiohttp.ClientError, pymongo.errors.PyMongoError: something does not answer.
        """
        topics = await self._backlog.read()
        pulse = await self._mongo.pulse(self._kind.collection)
        mirror = self._mirror
        mirror.take(await self._org.commits(mirror.last_commit))
        newest = await self._mongo.newest_documents(self._kind.collection, DOCUMENTS_SHOWN)
        linked = {str(row["_id"]): (row.get("salesforce") or {}).get("recordId", "") for row in newest}
        return Glance(
            posts=self._traffic.posted.posts,
            accepted=self._traffic.posted.accepted,
            seller_edits=self._traffic.edited.edited,
            topics=topics,
            documents=pulse.documents,
            revisions=pulse.revisions,
            pending=pulse.pending,
            settled=await self._mongo.count_conflicts(),
            commits=mirror.commits,
            last_commit=mirror.last_commit,
            our_commits=mirror.ours,
            records_made=mirror.made,
            conflicts=await self._mongo.newest_conflicts(CONFLICTS_SHOWN),
            newest=newest,
            records={document: mirror.record(record) for document, record in linked.items()},
        )
