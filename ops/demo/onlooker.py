"""What there is to see at one moment: counts by stage, what is under way, the newest conflicts and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops.demo.rest import Signs
from ops.demo.traffic import Traffic, person_kind
from schemas.mapping import Mapping as FieldsMapping
from simulator.observer.authorship import is_token
from simulator.observer.backlog import Backlog, TopicBacklog
from simulator.observer.history import Row
from simulator.observer.readers import MongoWitness, OrgWitness, Pulse

CONFLICTS_SHOWN = 12
DOCUMENTS_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Glance:
    """One look at everything. Rows are as their stores hold them; `records` are by document id."""

    posts: int = 0
    accepted: int = 0
    seller_edits: int = 0
    topics: Mapping[str, TopicBacklog] = field(default_factory=dict)
    kinds: Mapping[str, Pulse] = field(default_factory=dict)
    """The documents of each kind."""
    made: Mapping[str, int] = field(default_factory=dict)
    """Things of each kind that have a record in the org."""
    settled: int = 0
    commits: int = 0
    last_commit: int = 0
    our_commits: int = 0
    conflicts: Sequence[Row] = ()
    newest: Sequence[Row] = ()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """All there are."""
        return sum(pulse.documents for pulse in self.kinds.values())

    @property
    def revisions(self) -> int:
        """All revisions summed."""
        return sum(pulse.revisions for pulse in self.kinds.values())

    @property
    def pending(self) -> int:
        """Documents that are not in step."""
        return sum(pulse.pending for pulse in self.kinds.values())

    @property
    def records_made(self) -> int:
        """Things that have a record."""
        return sum(self.made.values())

    @property
    def signs(self) -> Signs:
        """The signs of rest."""
        unfinished = sum(topic.unfinished for topic in self.topics.values())
        return Signs(self.revisions, self.last_commit, unfinished, self.pending)


class OrgMirror:
    """The org as its commit log tells it: kept up by reading what is new."""

    def __init__(self, mapping: FieldsMapping) -> None:
        self._kinds = mapping.kinds
        self._held: dict[str, dict[str, Any]] = {}
        self._linked: dict[str, set[str]] = {name: set() for name in mapping.kinds}
        self.last_commit = 0
        self.commits = 0
        self.ours = 0

    @property
    def made(self) -> dict[str, int]:
        """How many things of each kind were ever given a record."""
        return {name: len(things) for name, things in self._linked.items()}

    def take(self, rows: Sequence[Row]) -> None:
        """The next rows of the log."""
        for row in rows:
            self.commits += 1
            self.last_commit = row["number"]
            after = row["after"]
            ours = False
            for name, kind in self._kinds.items():
                for place in kind.places():
                    if row["entity"] != place.sobject:
                        continue
                    ours = ours or is_token(after.get(place.token))
                    if after.get(place.external_id):
                        self._linked[name].add(str(after[place.external_id]))
            self.ours += ours
            self._held.setdefault(row["record_id"], {"Id": row["record_id"]}).update(after)

    def record(self, record_id: str) -> Mapping[str, Any]:
        """A record as it stands, empty where there is none."""
        return self._held.get(record_id, {})


class Onlooker:
    """Looks at the platform, Kafka, MongoDB and the org, without asking any of our own processes."""

    def __init__(
        self, traffic: Traffic, backlog: Backlog, mongo: MongoWitness, org: OrgWitness, mapping: FieldsMapping
    ) -> None:
        self._traffic = traffic
        self._backlog = backlog
        self._mongo = mongo
        self._org = org
        self._kinds = mapping.kinds
        self._person = mapping.kinds[person_kind(mapping)]
        self._mirror = OrgMirror(mapping)

    async def look(self) -> Glance:
        """One look.

        Raises:
            Unavailable, aiohttp.ClientError, pymongo.errors.PyMongoError: something does not answer.
        """
        topics = await self._backlog.read()
        pulses = {name: await self._mongo.pulse(kind.collection) for name, kind in self._kinds.items()}
        mirror = self._mirror
        mirror.take(await self._org.commits(mirror.last_commit))
        newest = await self._mongo.newest_documents(self._person.collection, DOCUMENTS_SHOWN)
        linked = {str(row["_id"]): (row.get("salesforce") or {}).get("recordId", "") for row in newest}
        return Glance(
            posts=self._traffic.posted.posts,
            accepted=self._traffic.posted.accepted,
            seller_edits=self._traffic.edited.edited,
            topics=topics,
            kinds=pulses,
            made=mirror.made,
            settled=await self._mongo.count_conflicts(),
            commits=mirror.commits,
            last_commit=mirror.last_commit,
            our_commits=mirror.ours,
            conflicts=await self._mongo.newest_conflicts(CONFLICTS_SHOWN),
            newest=newest,
            records={document: self._told(record) for document, record in linked.items()},
        )

    def _told(self, record_id: str) -> Mapping[str, Any]:
        """A person's record by the names that the mapping has for its fields, whichever object it is of."""
        return self._person.place_of(record_id).incoming(self._mirror.record(record_id))
