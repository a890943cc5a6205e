"""The platform at work: it posts what its author decides, reads its documents, and keeps the log."""

import asyncio
import math
import random
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.platform.author import Posting
from simulator.platform.journal import Journal, Posted, Seen, Sent
from simulator.platform.posting import NO_ANSWER, Verdict, body_of, judge, wait_before
from simulator.platform.scenario import Script
from simulator.platform.signing import signed_headers, signing_key

ReadDocuments = Callable[[], AsyncIterator[tuple[str, int, Mapping[str, Any], int]]]
"""Each call reads the documents through the platform's view: (document id, revision, values by path, when it was read
in epoch milliseconds). The iterator may end, and is then asked for again, or follow changes without end."""

_RECENT = 64
REFUNDED = "order.refunded"


class CannotLook(Exception):
    """The documents cannot be read now; what was read before stays read."""


@dataclass(slots=True)
class PlatformCounters:
    """What has happened so far."""

    created: int = 0
    edited: int = 0
    whole_records: int = 0
    refunds: int = 0
    """Orders that were paid back, some to be paid again."""
    posts: int = 0
    accepted: int = 0
    """Posts answered 2xx, duplicates among them."""
    duplicates: int = 0
    held_back: int = 0
    retries: int = 0
    refused: int = 0
    given_up: int = 0
    revisions_seen: int = 0
    unread: int = 0
    """Readings that could not be made."""


class PlatformActor:
    """Plays a script: so many births, then so many edits, at `rate` events a second (as fast as `concurrency` allows at
    0).

    An event is posted again on connection errors, 408, 429 and 5xx until it is taken or `deadline_seconds` are over: a
    true sender goes on for hours, so by default that is longer than anything here is away.
    Where `sight_seconds` is given, nobody decides anything whose last whole reading of the documents is older: who
    cannot see the page does not edit it.
    """

    def __init__(
        self,
        *,
        post_url: str,
        secret: str,
        journal: Journal,
        read_documents: ReadDocuments,
        script: Script,
        births: int,
        edits: int,
        seed: int = 0,
        rate: float = 0.0,
        concurrency: int = 32,
        deadline_seconds: float = 300.0,
        post_seconds: float = 10.0,
        read_every_seconds: float = 0.5,
        sight_seconds: float | None = None,
    ) -> None:
        self.counters = PlatformCounters()
        self.done = False
        self._url = post_url
        self._key = signing_key(secret)
        self._journal = journal
        self._read_documents = read_documents
        self._script = script
        self._births = births
        self._edits = edits
        self._rate = rate
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._deadline_seconds = deadline_seconds
        self._post_timeout = aiohttp.ClientTimeout(total=post_seconds)
        self._read_every_seconds = read_every_seconds
        self._sight_seconds = sight_seconds
        self._looked_at = -math.inf
        self._looked = asyncio.Event()
        self._due: Callable[[], int] = lambda: 0
        self._jitter = random.Random(f"jitter of {seed}")
        self._recent: defaultdict[str, deque[tuple[str, str]]] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._born: set[str] = set()

    def recent(self, kind: str = "customer") -> list[tuple[str, str]]:
        """The latest edits of things of this kind, newest last: (document id, platform path)."""
        return list(self._recent[kind])

    @property
    def behind(self) -> int:
        """How many events should have been decided by now, at this rate, and were not: the webhook, or MongoDB, took no
        more."""
        return self._due()

    def document_ids(self) -> list[str]:
        """Every thing made so far, oldest first of its sort."""
        return self._script.document_ids

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
            await self._post_all(http, self._births, self._script.create)
            await self._post_all(http, self._edits, self._script.edit)
            reader.cancel()
        self.done = True

    async def _post_all(self, http: aiohttp.ClientSession, number: int, decide: Callable[[int], Posting]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = 0

        def due() -> int:
            return max(0, min(number, int((loop.time() - began) * self._rate)) - done)

        self._due = due
        async with asyncio.TaskGroup() as posts:
            for index in range(number):
                done = index
                if self._rate:
                    await asyncio.sleep(began + index / self._rate - loop.time())
                await self._slots.acquire()
                await self._in_sight()
                posting = decide(_now_ms())
                self._note(posting)
                posts.create_task(self._carry_out(http, posting))
            done = number

    async def _in_sight(self) -> None:
        loop = asyncio.get_running_loop()
        while self._sight_seconds is not None and loop.time() - self._looked_at > self._sight_seconds:
            await self._looked.wait()

    def _note(self, posting: Posting) -> None:
        event = posting.event
        self._journal.sent(event)
        if event.document_id not in self._born:
            self._born.add(event.document_id)
            self.counters.created += 1
            return
        self.counters.edited += 1
        self.counters.whole_records += event.changed is None
        self.counters.refunds += event.type == REFUNDED
        kind = event.type.partition(".")[0]
        self._recent[kind].extend((event.document_id, path) for path in event.edits)

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
                self._script.accepted(event)
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
            began = asyncio.get_running_loop().time()
            try:
                async for document_id, revision, fields, at in self._read_documents():
                    seen = Seen(document_id, revision, at, fields)
                    if self._script.saw(seen):
                        self.counters.revisions_seen += 1
                        self._journal.seen(seen)
            except CannotLook:
                self.counters.unread += 1
            else:
                self._looked_at = began
                looked, self._looked = self._looked, asyncio.Event()
                looked.set()
            await asyncio.sleep(self._read_every_seconds)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
