"""The platform at work: it posts what its author decides, reads its documents, and keeps the log."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.platform.author import Author, Habits, Posting
from simulator.platform.journal import Journal, Posted, Seen, Sent
from simulator.platform.posting import NO_ANSWER, Verdict, body_of, judge, wait_before
from simulator.platform.signing import signed_headers, signing_key

ReadDocuments = Callable[[], AsyncIterator[tuple[str, int, Mapping[str, Any], int]]]
"""Each call reads the documents through the platform's view: (document id, revision, values by path, when it was read
in epoch milliseconds). The iterator may end, and is then asked for again, or follow changes without end."""

_RECENT = 64


@dataclass(slots=True)
class PlatformCounters:
    """What has happened so far."""

    created: int = 0
    edited: int = 0
    whole_records: int = 0
    posts: int = 0
    accepted: int = 0
    """Posts answered 2xx, duplicates among them."""
    duplicates: int = 0
    held_back: int = 0
    retries: int = 0
    refused: int = 0
    given_up: int = 0
    revisions_seen: int = 0


class PlatformActor:
    """Creates customers, then edits them, at `rate` events a second (as fast as `concurrency` allows at 0).

    An event is posted again on connection errors, 408, 429 and 5xx until it is taken or `deadline_seconds` are over.
    """

    def __init__(
        self,
        *,
        post_url: str,
        secret: str,
        journal: Journal,
        read_documents: ReadDocuments,
        seed: int,
        customers: int,
        events: int,
        rate: float = 0.0,
        habits: Habits | None = None,
        concurrency: int = 32,
        deadline_seconds: float = 60.0,
        post_seconds: float = 10.0,
        read_every_seconds: float = 0.5,
        prefix: str = "cust",
    ) -> None:
        self.counters = PlatformCounters()
        self.done = False
        self._url = post_url
        self._key = signing_key(secret)
        self._journal = journal
        self._read_documents = read_documents
        self._author = Author(seed, habits, prefix=prefix)
        self._customers = customers
        self._events = events
        self._rate = rate
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._deadline_seconds = deadline_seconds
        self._post_timeout = aiohttp.ClientTimeout(total=post_seconds)
        self._read_every_seconds = read_every_seconds
        self._jitter = random.Random(f"jitter of {seed}")
        self._recent: deque[tuple[str, str]] = deque(maxlen=_RECENT)

    def recent(self) -> list[tuple[str, str]]:
        """The latest edits, newest last: (document id, platform path)."""
        return list(self._recent)

    def document_ids(self) -> list[str]:
        """Every customer created so far, oldest first."""
        return self._author.document_ids

    async def run(self) -> None:
        """Return once every event is taken, refused or given up.

        Raises:
            ExceptionGroup: the documents could not be read.
        """
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=self._post_timeout) as http,
            asyncio.TaskGroup() as work,
        ):
            reader = work.create_task(self._read())
            await self._post_all(http, self._customers, self._author.create)
            await self._post_all(http, self._events, self._author.edit)
            reader.cancel()
        self.done = True

    async def _post_all(self, http: aiohttp.ClientSession, number: int, decide: Callable[[int], Posting]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as posts:
            for index in range(number):
                if self._rate:
                    await asyncio.sleep(began + index / self._rate - loop.time())
                await self._slots.acquire()
                posting = decide(_now_ms())
                self._note(posting)
                posts.create_task(self._carry_out(http, posting))

    def _note(self, posting: Posting) -> None:
        event = posting.event
        self._journal.sent(event)
        if event.type.endswith(".created"):
            self.counters.created += 1
            return
        self.counters.edited += 1
        self.counters.whole_records += event.changed is None
        self._recent.extend((event.document_id, path) for path in event.edits)

    async def _carry_out(self, http: aiohttp.ClientSession, posting: Posting) -> None:
        """Called with a slot taken; an event that is held back gives it up meanwhile."""
        try:
            if posting.delay_seconds:
                self._slots.release()
                try:
                    self.counters.held_back += 1
                    await asyncio.sleep(posting.delay_seconds)
                finally:
                    await self._slots.acquire()
            await self._post_until_taken(http, posting.event)
            for _ in range(posting.repeats):
                self.counters.duplicates += 1
                await self._post_until_taken(http, posting.event)
        finally:
            self._slots.release()

    async def _post_until_taken(self, http: aiohttp.ClientSession, event: Sent) -> None:
        body = body_of(event)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_seconds
        attempt = 0
        while True:
            attempt += 1
            status, retry_after = await self._post(http, event.event_id, body)
            self._journal.posted(event.event_id, Posted(_now_ms(), status))
            verdict = judge(status)
            if verdict is Verdict.TAKEN:
                self.counters.accepted += 1
                self._author.accepted(event)
                return
            if verdict is Verdict.REFUSED:
                self.counters.refused += 1
                return
            pause = wait_before(attempt, retry_after, self._jitter)
            if loop.time() + pause > deadline:
                self.counters.given_up += 1
                return
            self.counters.retries += 1
            await asyncio.sleep(pause)

    async def _post(self, http: aiohttp.ClientSession, event_id: str, body: bytes) -> tuple[int, str | None]:
        self.counters.posts += 1
        headers = signed_headers(self._key, event_id, int(time.time()), body)
        try:
            async with http.post(self._url, data=body, headers=headers) as response:
                await response.read()
                return response.status, response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError):
            return NO_ANSWER, None

    async def _read(self) -> None:
        while True:
            async for document_id, revision, fields, at in self._read_documents():
                seen = Seen(document_id, revision, at, fields)
                if self._author.saw(seen):
                    self.counters.revisions_seen += 1
                    self._journal.seen(seen)
            await asyncio.sleep(self._read_every_seconds)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
