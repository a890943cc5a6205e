"""Bulk jobs of a simulated org, as a test makes and reads them."""

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from support.org import OrgClient

WAIT_SECONDS = 20.0


class BulkClient:
    """Bulk API 2.0 of one logged-in app."""

    def __init__(self, client: OrgClient) -> None:
        self.client = client

    async def create(self, operation: str, **members: Any) -> dict[str, Any]:
        """A new ingest job of Contacts."""
        body = {"object": "Contact", "operation": operation, "contentType": "CSV", "lineEnding": "LF"} | members
        status, told = await self.client.call("POST", "/jobs/ingest", body)
        assert status == 200, told
        return dict(told)

    async def upload(self, job_id: str, content: str) -> tuple[int, Any]:
        """PUT the rows; status and body."""
        url = f"{self.client.org.base_url}/services/data/v{self.client.version}/jobs/ingest/{job_id}/batches"
        headers = {"Authorization": f"Bearer {self.client.token}", "Content-Type": "text/csv"}
        async with self.client.http.put(url, data=content.encode(), headers=headers) as reply:
            return reply.status, (await reply.json() if reply.content_type == "application/json" else None)

    async def set_state(self, job_id: str, state: str, kind: str = "ingest") -> tuple[int, Any]:
        """PATCH the state."""
        return await self.client.call("PATCH", f"/jobs/{kind}/{job_id}", {"state": state})

    async def job(self, job_id: str, kind: str = "ingest") -> dict[str, Any]:
        """The job as it is now."""
        status, told = await self.client.call("GET", f"/jobs/{kind}/{job_id}")
        assert status == 200, told
        return dict(told)

    async def ended(self, job_id: str, kind: str = "ingest") -> dict[str, Any]:
        """The job once it has ended."""
        return await self.reaches(job_id, {"JobComplete", "Failed", "Aborted"}, kind)

    async def reaches(self, job_id: str, states: set[str], kind: str = "ingest") -> dict[str, Any]:
        """The job once it is in one of these states."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                job = await self.job(job_id, kind)
                if job["state"] in states:
                    return job
                await asyncio.sleep(0.005)

    async def load(self, operation: str, content: str, **members: Any) -> dict[str, Any]:
        """Make, fill and close a job; the job once it has ended."""
        job = await self.create(operation, **members)
        status, told = await self.upload(job["id"], content)
        assert status == 201, told
        status, told = await self.set_state(job["id"], "UploadComplete")
        assert (status, told["state"]) == (200, "UploadComplete"), told
        return await self.ended(job["id"])

    async def results(self, job_id: str, which: str) -> list[dict[str, str]]:
        """Rows of one of a job's lists."""
        status, text = await self.client.call("GET", f"/jobs/ingest/{job_id}/{which}")
        assert status == 200, text
        return list(csv.DictReader(io.StringIO(text, newline="")))

    async def query(self, soql: str, operation: str = "query", **members: Any) -> dict[str, Any]:
        """A query job once it has ended."""
        body = {"operation": operation, "query": soql, **members}
        status, told = await self.client.call("POST", "/jobs/query", body)
        assert status == 200, told
        assert told["state"] == "UploadComplete"
        return await self.ended(str(told["id"]), "query")

    async def page(self, job_id: str, **params: Any) -> tuple[list[list[str]], Mapping[str, str]]:
        """A page of a query's rows, the header among them, and the reply's headers."""
        status, text, headers = await self.client.full("GET", f"/jobs/query/{job_id}/results", params=params)
        assert status == 200, text
        return list(csv.reader(io.StringIO(text, newline=""))), headers


def lines(*rows: Sequence[str]) -> str:
    """Rows as CSV."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
