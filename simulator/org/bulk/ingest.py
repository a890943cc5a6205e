"""`/jobs/ingest`: rows go in as CSV. Source: Bulk API 2.0 guide, "Bulk API 2.0 Ingest"."""

from typing import Any

from aiohttp import BodyPartReader, web

from simulator.org.bulk.jobs import ENDED, Job, Jobs, Kept, State
from simulator.org.bulk.load import DELETIONS
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
from simulator.org.objects import ObjectDefinition
from simulator.org.replies import json_reply, read_object
from simulator.org.rest.call import Call, Resources

LARGEST_UPLOAD = 150 * 1024 * 1024
_MOST_IN_ONE_REQUEST = 100_000
"""Characters of CSV that may come with the job itself."""
_OPERATIONS = frozenset({"insert", "update", "upsert"} | DELETIONS)
_OWN_COLUMNS = {Kept.SUCCESSFUL: ("sf__Id", "sf__Created"), Kept.FAILED: ("sf__Id", "sf__Error"), Kept.UNPROCESSED: ()}


class Ingest(JobResources):
    """The ingest jobs of one org."""

    def __init__(self, jobs: Jobs, work: Work) -> None:
        super().__init__(jobs, work, "V2Ingest", "/jobs/ingest")

    def add_resources(self, resources: Resources) -> None:
        """Serve them."""
        super().add_resources(resources)
        resources.add("POST", self.path, self.create)
        resources.add("PUT", self.path + "/{job}/batches", self.upload)
        resources.add("PATCH", self.path + "/{job}", self.change)
        resources.add("GET", self.path + "/{job}/successfulResults", self.successful)
        resources.add("GET", self.path + "/{job}/failedResults", self.failed)
        for name in ("unprocessedrecords", "unprocessedRecords"):  # documents and clients spell it both ways
            resources.add("GET", self.path + f"/{{job}}/{name}", self.unprocessed)

    async def create(self, call: Call) -> web.Response:
        """A new job, Open; with its rows, and UploadComplete, where they come in the same request."""
        content: str | None = None
        if isinstance(call.request, web.Request) and call.request.content_type == "multipart/form-data":
            body, content = await _parts(call.request)
        else:
            body = read_object(await call.request.read())
        job = self._new(call, body)
        if content is not None:
            self.jobs.upload(job, content.encode())
            job = self.jobs.change(job, state=State.UPLOAD_COMPLETE)
            self.work.start(job)
        return json_reply(job.told(whole=False))

    async def upload(self, call: Call) -> web.Response:
        """201: the rows, all in one request. They are run when the job is closed, not before."""
        job = self.job(call)
        if job.state is not State.OPEN:
            raise invalid_state(f"Job is not in the Open state: {job.state}")
        content = await call.request.read()
        if not self.jobs.upload(job, content):
            message = (
                f"Found multiple contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the current Job"
                " then create a new Job and make sure you only do 'PUT' once on a given Job."
            )
            raise SalesforceError("CLIENTINPUTERROR", f"ClientInputError : {message}")
        return web.Response(status=201)

    async def change(self, call: Call) -> web.Response:
        """UploadComplete, or Aborted."""
        job, state = self.job(call), await wanted_state(call)
        if state == State.ABORTED:
            job = self.abort(job)
        elif state == State.UPLOAD_COMPLETE:
            if job.state is not State.OPEN:
                raise invalid_state(f"Closing already {job.state} job not allowed")
            job = self.jobs.change(job, state=State.UPLOAD_COMPLETE)
            self.work.start(job)
        else:
            raise invalid_job(f"a job cannot be set to {state}")
        return json_reply(job.told(whole=False))

    async def successful(self, call: Call) -> web.Response:
        """Rows that were run, each under its record's id."""
        return self._results(call, Kept.SUCCESSFUL)

    async def failed(self, call: Call) -> web.Response:
        """Rows that were refused, each with why."""
        return self._results(call, Kept.FAILED)

    async def unprocessed(self, call: Call) -> web.Response:
        """Rows that were never run."""
        return self._results(call, Kept.UNPROCESSED)

    def _results(self, call: Call, kept: Kept) -> web.Response:
        job = self.job(call)
        if job.state not in ENDED:
            raise invalid_state(f"The job's results are not there yet: {job.state}")
        return csv_reply(job, (*_OWN_COLUMNS[kept], *job.columns), self.jobs.lines(job, kept))

    def _new(self, call: Call, body: dict[str, Any]) -> Job:
        operation = str(body.get("operation", ""))
        if operation not in _OPERATIONS:
            raise invalid_job(f"operation is none that is known: {operation}")
        definition = call.org.objects.get(str(body.get("object", "")))
        if definition is None:
            raise SalesforceError("INVALIDENTITY", f"InvalidEntity : Unable to find object: {body.get('object')}")
        dialect = dialect_of(body)
        if call.org.bulk_batches.left() == 0:
            raise SalesforceError("LIMIT_EXCEEDED", "ApiBatchItems Limit exceeded.")
        return self.jobs.add(
            type="V2Ingest",
            operation=operation,
            object=definition.name,
            version=call.version,
            client=call.client,
            user_id=call.user.id,
            username=call.user.username,
            state=State.OPEN,
            external_id=_external_id(definition, operation, body),
            line_ending=dialect.line_ending,
            delimiter=dialect.delimiter,
        )


def _external_id(definition: ObjectDefinition, operation: str, body: dict[str, Any]) -> str:
    if operation != "upsert":
        return ""
    field = definition.field(str(body.get("externalIdFieldName", "")))
    if field is None or not (field.external_id or field.name == "Id"):
        raise invalid_job(f"External ID was blank or is no external id: {body.get('externalIdFieldName')}")
    return field.name


async def _parts(request: web.Request) -> tuple[dict[str, Any], str | None]:
    parts: dict[str, bytes] = {}
    reader = await request.multipart()
    async for part in reader:
        if isinstance(part, BodyPartReader) and part.name:
            parts[part.name] = bytes(await part.read())
    content = parts.get("content", b"").decode()
    if len(content) > _MOST_IN_ONE_REQUEST:
        raise invalid_job(f"at most {_MOST_IN_ONE_REQUEST} characters come with the job itself")
    return read_object(parts.get("job", b"")), content or None
