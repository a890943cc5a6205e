"""`/jobs/query`: a query's rows come out as CSV. Source: Bulk API 2.0 guide, "Bulk API 2.0 Query"."""

import base64
import binascii

from aiohttp import web

from simulator.org.bulk.jobs import Job, Jobs, Kept, State
from simulator.org.bulk.resources import (
    JobResources,
    csv_reply,
    dialect_of,
    invalid_job,
    invalid_state,
    wanted_state,
)
from simulator.org.bulk.work import Work
from simulator.org.errors import SalesforceError
from simulator.org.replies import json_reply, read_object
from simulator.org.rest.call import Call, Resources

_PAGES_TOLD = 5


class Query(JobResources):
    """The query jobs of one org."""

    def __init__(self, jobs: Jobs, work: Work) -> None:
        super().__init__(jobs, work, "V2Query", "/jobs/query")

    def add_resources(self, resources: Resources) -> None:
        """Serve them."""
        super().add_resources(resources)
        resources.add("POST", self.path, self.create)
        resources.add("PATCH", self.path + "/{job}", self.change)
        resources.add("GET", self.path + "/{job}/results", self.results)
        resources.add("GET", self.path + "/{job}/resultPages", self.pages)

    async def create(self, call: Call) -> web.Response:
        """A new job, which is run at once."""
        body = read_object(await call.request.read())
        operation = str(body.get("operation", ""))
        if operation not in {"query", "queryAll"}:
            raise invalid_job(f"operation is none that is known: {operation}")
        dialect = dialect_of(body)
        soql = str(body.get("query", ""))
        query = self.work.extraction.compile(soql, call.version, deleted=operation == "queryAll")
        jobs = call.org.bulk_query_jobs
        if not jobs.spend():
            message = f"Max bulk v2 query jobs ({jobs.most}) per 24 hrs has been reached ({jobs.used()})"
            raise SalesforceError("LIMIT_EXCEEDED", message)
        job = self.jobs.add(
            type="V2Query",
            operation=operation,
            object=query.sobject,
            version=call.version,
            client=call.client,
            user_id=call.user.id,
            username=call.user.username,
            state=State.UPLOAD_COMPLETE,
            query=soql,
            line_ending=dialect.line_ending,
            delimiter=dialect.delimiter,
        )
        self.work.start(job)
        return json_reply(job.told(whole=False))

    async def change(self, call: Call) -> web.Response:
        """Aborted."""
        job, state = self.job(call), await wanted_state(call)
        if state != State.ABORTED:
            raise invalid_job(f"a query job cannot be set to {state}")
        return json_reply(self.abort(job).told(whole=False))

    async def results(self, call: Call) -> web.Response:
        """A page, each under the header; `Sforce-Locator` is `null` on the last."""
        job = self._complete(call)
        offset = _offset(call.request.query.get("locator"))
        size = _size(call)
        left = max(0, job.processed - offset)
        told = min(size, left)
        following = _locator(offset + told) if told < left else "null"
        headers = {"Sforce-NumberOfRecords": str(told), "Sforce-Locator": following}
        return csv_reply(job, job.columns, self.jobs.lines(job, Kept.FOUND, offset, told), headers)

    async def pages(self, call: Call) -> web.Response:
        """The addresses of up to five pages, which may be fetched at once."""
        job = self._complete(call)
        offset, size = _offset(call.request.query.get("locator")), _size(call)
        starts = range(offset, max(job.processed, 1), size)
        results = f"{call.root}{self.path}/{job.id}/results?maxRecords={size}"
        urls = [{"resultUrl": f"{results}&locator={_locator(one)}" if one else results} for one in starts[:_PAGES_TOLD]]
        done = len(starts) <= _PAGES_TOLD
        here = f"{call.root}{self.path}/{job.id}/resultPages?maxRecords={size}"
        following = None if done else f"{here}&locator={_locator(starts[_PAGES_TOLD])}"
        return json_reply({"resultPages": urls, "nextRecordsUrl": following, "done": done})

    def _complete(self, call: Call) -> Job:
        job = self.job(call)
        if job.version != call.version:
            message = f"The job was made with API version {job.version}, and its results are had with that alone"
            raise SalesforceError("API_ERROR", message, status=409)
        if job.state is not State.JOB_COMPLETE:
            raise invalid_state(f"The job has no results: {job.state}")
        return job


def _size(call: Call) -> int:
    text = call.request.query.get("maxRecords", str(call.org.settings.bulk_page_rows))
    if not text.isdigit() or int(text) < 1:
        raise SalesforceError("INVALID_ARGUMENT", "maxRecords: a number from 1 on is expected")
    return int(text)


def _locator(offset: int) -> str:
    return base64.b64encode(str(offset).encode()).decode().rstrip("=")


def _offset(locator: str | None) -> int:
    if locator is None:
        return 0
    try:
        return int(base64.b64decode(locator + "=" * (-len(locator) % 4), validate=True))
    except (binascii.Error, ValueError):
        raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator") from None
