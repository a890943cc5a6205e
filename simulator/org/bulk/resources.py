"""What both kinds of job have in common over HTTP."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from aiohttp import web

from simulator.org.bulk.dialect import DELIMITERS, LINE_ENDINGS, Dialect
from simulator.org.bulk.jobs import ENDED, Job, Jobs, State
from simulator.org.bulk.work import Work
from simulator.org.errors import SalesforceError, not_found
from simulator.org.replies import empty_reply, json_reply, read_object
from simulator.org.rest.call import Call, Resources

_LINES_A_CHUNK = 1_000
_JOBS_A_PAGE = 1_000


class JobResources:
    """Listing, showing, aborting and deleting jobs of one type."""

    def __init__(self, jobs: Jobs, work: Work, kind: Literal["V2Ingest", "V2Query"], path: str) -> None:
        self.jobs = jobs
        self.work = work
        self._kind = kind
        self.path = path

    def add_resources(self, resources: Resources) -> None:
        """Serve them."""
        resources.add("GET", self.path, self.listed)
        resources.add("GET", self.path + "/{job}", self.show)
        resources.add("DELETE", self.path + "/{job}", self.delete)

    async def listed(self, call: Call) -> web.Response:
        """Jobs, oldest first, 1,000 on a page."""
        after = call.request.query.get("queryLocator", "0")
        if not after.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        wanted = call.request.query.get("jobType", self._kind)
        found = self.jobs.page(self._kind, int(after), _JOBS_A_PAGE + 1) if wanted == self._kind else []
        page = found[:_JOBS_A_PAGE]
        more = len(found) > len(page)
        following = f"{call.root}{self.path}?queryLocator={page[-1][0]}" if more else None
        records = [job.told(whole=False) | {"jobType": job.type} for _, job in page]
        return json_reply({"done": not more, "nextRecordsUrl": following, "records": records})

    async def show(self, call: Call) -> web.Response:
        """A job and what has become of it."""
        return json_reply(self.job(call).told(whole=True))

    async def delete(self, call: Call) -> web.Response:
        """204; its results go with it."""
        job = self.job(call)
        if job.state in {State.OPEN, State.IN_PROGRESS}:
            raise invalid_state(f"Deleting an {job.state} job is not allowed")
        self.work.stop(job)
        self.jobs.remove(job)
        return empty_reply()

    def job(self, call: Call) -> Job:
        """The job that the path names.

        Raises:
            SalesforceError: there is none of this type.
        """
        job = self.jobs.get(call.request.match_info["job"])
        if job is None or job.type != self._kind:
            raise not_found()
        return job

    def abort(self, job: Job) -> Job:
        """End a job that has not ended.

        Raises:
            SalesforceError: it has.
        """
        if job.state in ENDED:
            raise invalid_state(f"Aborting already {job.state} job not allowed")
        return self.work.abort(job)


async def wanted_state(call: Call) -> str:
    """The state that a PATCH asks for."""
    return str(read_object(await call.request.read()).get("state", ""))


def dialect_of(body: Mapping[str, Any]) -> Dialect:
    """The CSV that a new job asks for.

    Raises:
        SalesforceError: there is none of that kind.
    """
    dialect = Dialect(str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF")))
    if dialect.delimiter not in DELIMITERS or dialect.line_ending not in LINE_ENDINGS:
        raise invalid_job("columnDelimiter or lineEnding is none that is known")
    if body.get("contentType", "CSV") != "CSV":
        raise invalid_job("contentType must be CSV")
    return dialect


def csv_reply(
    job: Job, header: Sequence[str], lines: Iterator[str], headers: Mapping[str, str] | None = None
) -> web.Response:
    """Lines of CSV under a header, sent piece by piece."""

    async def pieces() -> AsyncIterator[bytes]:
        yield job.dialect.line(header).encode()
        while chunk := list(islice(lines, _LINES_A_CHUNK)):
            yield "".join(chunk).encode()

    return web.Response(body=pieces(), content_type="text/csv", charset="UTF-8", headers=headers)


def invalid_job(message: str) -> SalesforceError:
    """400: the job cannot be made as it is asked for."""
    return SalesforceError("INVALIDJOB", f"InvalidJob : {message}")


def invalid_state(message: str) -> SalesforceError:
    """400: not in the state that the job is in."""
    return SalesforceError("INVALIDJOBSTATE", f"InvalidJobState : {message}")
