"""Runs jobs beside the calls that make them, each in a task of its own."""

import asyncio

from simulator.org.bulk.extract import Extraction
from simulator.org.bulk.jobs import Job, Jobs, State
from simulator.org.bulk.load import abort, load
from simulator.org.org import Org


class Work:
    """The jobs under way. A failure of the org's own in one of them is raised when it closes."""

    def __init__(self, org: Org, jobs: Jobs) -> None:
        self._org = org
        self._jobs = jobs
        self.extraction = Extraction(org, jobs)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Start what was waiting or under way when the org ended."""
        for job in self._jobs.waiting():
            self.start(job)

    def start(self, job: Job) -> None:
        """Take a job up."""
        run = load(self._org, self._jobs, job.id) if job.type == "V2Ingest" else self.extraction.run(job.id)
        self._tasks[job.id] = asyncio.create_task(run)

    def abort(self, job: Job) -> Job:
        """End a job that has not ended."""
        self.stop(job)
        return abort(self._jobs, job) if job.type == "V2Ingest" else self._jobs.change(job, state=State.ABORTED)

    def stop(self, job: Job) -> None:
        """Run a job no further."""
        task = self._tasks.get(job.id)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop; jobs under way stay where they are."""
        for task in self._tasks.values():
            task.cancel()
        for result in await asyncio.gather(*self._tasks.values(), return_exceptions=True):
            if isinstance(result, Exception):
                raise result
