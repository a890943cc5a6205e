"""Jobs and their results, kept in the org's database: what a job has done outlives the process."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Literal

import orjson

from simulator.org import ids
from simulator.org.bulk.dialect import Dialect
from simulator.org.clock import Clock
from simulator.org.values import rest_datetime

_KEY_PREFIX = "750"
_DAY_MS = 86_400_000


class State(StrEnum):
    """Where a job is."""

    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


WAITING = frozenset({State.UPLOAD_COMPLETE, State.IN_PROGRESS})
ENDED = frozenset({State.JOB_COMPLETE, State.FAILED, State.ABORTED})


class Kept(StrEnum):
    """A list of rows that a job leaves behind."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    UNPROCESSED = "unprocessed"
    FOUND = "found"
    """Of a query job."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job. Times are epoch milliseconds; `version` is `60.0`."""

    id: str
    type: Literal["V2Ingest", "V2Query"]
    operation: str
    object: str
    version: str
    client: str
    user_id: str
    username: str
    created_at: int
    changed_at: int
    state: State
    external_id: str = ""
    query: str = ""
    line_ending: str = "LF"
    delimiter: str = "COMMA"
    processed: int = 0
    failed: int = 0
    took: int = 0
    error: str = ""
    columns: tuple[str, ...] = ()
    """The header of its rows, once it is known."""

    @property
    def dialect(self) -> Dialect:
        """How its CSV is written."""
        return Dialect(self.delimiter, self.line_ending)

    def told(self, *, whole: bool) -> dict[str, Any]:
        """The job as the API shows it; `whole` with what has become of it."""
        told: dict[str, Any] = {
            "id": self.id,
            "operation": self.operation,
            "object": self.object,
            "createdById": self.user_id,
            "createdDate": rest_datetime(self.created_at),
            "systemModstamp": rest_datetime(self.changed_at),
            "state": str(self.state),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "lineEnding": self.line_ending,
            "columnDelimiter": self.delimiter,
        }
        if self.type == "V2Ingest":
            told["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
        if self.external_id:
            told["externalIdFieldName"] = self.external_id
        if not whole:
            return told
        told |= {
            "jobType": self.type,
            "numberRecordsProcessed": self.processed,
            "retries": 0,
            "totalProcessingTime": self.took,
        }
        if self.type == "V2Query":
            told["isPkChunkingSupported"] = True
        else:
            told |= {
                "numberRecordsFailed": self.failed,
                "apiActiveProcessingTime": self.took,
                "apexProcessingTime": 0,
            }
        return told | ({"errorMessage": self.error} if self.error else {})


class Jobs:
    """Every job of an org. One that is older than its results are kept is no more."""

    def __init__(self, database: sqlite3.Connection, clock: Clock, kept_days: float) -> None:
        self._database = database
        self._clock = clock
        self._kept_ms = round(kept_days * _DAY_MS)
        for table in (
            "bulk_jobs (number INTEGER PRIMARY KEY, id TEXT UNIQUE, body BLOB NOT NULL)",
            "bulk_uploads (id TEXT PRIMARY KEY, content BLOB NOT NULL)",
            "bulk_rows (number INTEGER PRIMARY KEY, id TEXT NOT NULL, list TEXT NOT NULL, line TEXT NOT NULL)",
        ):
            database.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        database.execute("CREATE INDEX IF NOT EXISTS bulk_rows_of ON bulk_rows (id, list, number)")

    def now(self) -> int:
        """Epoch milliseconds."""
        return self._clock()

    def add(self, **members: Any) -> Job:
        """A new job, given its id and its times."""
        (last,) = self._database.execute("SELECT coalesce(max(number), 0) FROM bulk_jobs").fetchone()
        now = self._clock()
        job = Job(id=ids.encode(_KEY_PREFIX, last + 1), created_at=now, changed_at=now, **members)
        self._database.execute("INSERT INTO bulk_jobs VALUES (?, ?, ?)", (last + 1, job.id, orjson.dumps(asdict(job))))
        return job

    def get(self, job_id: str) -> Job | None:
        """A job by its 15- or 18-character id."""
        row = self._database.execute("SELECT body FROM bulk_jobs WHERE id = ?", (ids.normalise(job_id),)).fetchone()
        job = None if row is None else _job(row[0])
        return job if job is not None and job.created_at + self._kept_ms > self._clock() else None

    def change(self, job: Job, **members: Any) -> Job:
        """The job with these members changed, stored."""
        changed = replace(job, changed_at=self._clock(), **members)
        self._database.execute("UPDATE bulk_jobs SET body = ? WHERE id = ?", (orjson.dumps(asdict(changed)), job.id))
        return changed

    def remove(self, job: Job) -> None:
        """Forget a job and all that belongs to it."""
        for table in ("bulk_jobs", "bulk_uploads", "bulk_rows"):
            self._database.execute(f"DELETE FROM {table} WHERE id = ?", (job.id,))

    def page(self, kind: str, after: int, limit: int) -> list[tuple[int, Job]]:
        """Jobs of a type after a number, oldest first, with their numbers."""
        rows = self._database.execute("SELECT number, body FROM bulk_jobs WHERE number > ? ORDER BY number", (after,))
        jobs = ((number, _job(body)) for number, body in rows)
        oldest = self._clock() - self._kept_ms
        found = [one for one in jobs if one[1].type == kind and one[1].created_at > oldest]
        return found[:limit]

    def waiting(self) -> list[Job]:
        """Jobs that are to be run, or were being run when the org ended."""
        jobs = (_job(body) for (body,) in self._database.execute("SELECT body FROM bulk_jobs ORDER BY number"))
        return [job for job in jobs if job.state in WAITING]

    def upload(self, job: Job, content: bytes) -> bool:
        """Keep a job's CSV; False where it has one already."""
        added = self._database.execute("INSERT OR IGNORE INTO bulk_uploads VALUES (?, ?)", (job.id, content))
        return added.rowcount == 1

    def uploaded(self, job: Job) -> bytes | None:
        """A job's CSV."""
        row = self._database.execute("SELECT content FROM bulk_uploads WHERE id = ?", (job.id,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, job: Job, rows: Iterable[tuple[Kept, str]]) -> None:
        """Add lines of CSV to a job's lists."""
        self._database.executemany(
            "INSERT INTO bulk_rows (id, list, line) VALUES (?, ?, ?)",
            [(job.id, str(kept), line) for kept, line in rows],
        )

    def clear(self, job: Job) -> None:
        """Empty a job's lists."""
        self._database.execute("DELETE FROM bulk_rows WHERE id = ?", (job.id,))

    def lines(self, job: Job, kept: Kept, offset: int = 0, limit: int = -1) -> Iterator[str]:
        """Lines of one of a job's lists, in order."""
        rows = self._database.execute(
            "SELECT line FROM bulk_rows WHERE id = ? AND list = ? ORDER BY number LIMIT ? OFFSET ?",
            (job.id, str(kept), limit, offset),
        )
        return (line for (line,) in rows)

    def count(self, job: Job, *lists: Kept) -> int:
        """How many rows these lists hold together."""
        places = ", ".join("?" * len(lists))
        (count,) = self._database.execute(
            f"SELECT count(*) FROM bulk_rows WHERE id = ? AND list IN ({places})", (job.id, *map(str, lists))
        ).fetchone()
        return int(count)


def _job(body: bytes) -> Job:
    members = orjson.loads(body)
    return Job(**members | {"state": State(members["state"]), "columns": tuple(members["columns"])})
