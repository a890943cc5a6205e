"""Looks at Salesforce for people who wait: cached, shared by all who ask for one address, many in a call, and not made
while the org is ill.

One call at most is late for a person, since it is made a second time where its answer is slow (the few slow answers of
an org are slow by chance, not by what was asked).
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumers.enrichment.breaker import Admission, Breaker, BreakerPolicy
from consumers.enrichment.gathering import MOST, GatherPolicy, wait_for_company
from consumers.enrichment.ports import People, PeopleCache
from consumers.ports import Unavailable
from consumers.rules.enrichment import names_of, queries
from consumers.rules.kinds import Kind
from schemas.people import LookFailed, PeopleQuery, PersonRows, Row

ORG_ILL = "ORG_DOES_NOT_ANSWER"
TOO_LATE = "NO_ANSWER_IN_TIME"

Look = PersonRows | LookFailed


@dataclass(frozen=True, slots=True)
class LookupPolicy:
    """Seconds, and for the cache milliseconds."""

    gather: GatherPolicy = field(default_factory=GatherPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    late: float = 2.0
    """An answer that takes longer counts against the org's health."""
    again: float = 0.8
    """A call that takes longer is made a second time beside the first."""
    found_for: int = 15 * 60 * 1000
    missing_for: int = 60 * 1000


@dataclass(slots=True)
class _Asked:
    """One address that is being asked about."""

    email: str
    since: float
    answer: "asyncio.Future[Look]"


@dataclass(slots=True)
class _Line:
    """Of one kind: who waits for the next call, and what is under way."""

    kind: Kind
    waiting: list[_Asked] = field(default_factory=list)
    under_way: int = 0
    timer: asyncio.TimerHandle | None = None


class Lookups:
    """Of one process. Without a `cache` every address is asked about each time."""

    def __init__(
        self,
        people: People,
        *,
        cache: PeopleCache | None,
        now: Callable[[], int],
        policy: LookupPolicy | None = None,
        on_call: Callable[[str, int], None] = lambda _end, _people: None,
        notice: Callable[..., Any] = lambda *_words, **_more: None,
    ) -> None:
        """`now` is the wall clock, epoch milliseconds; `on_call` hears of each call: how it ended, and of how many."""
        self._people = people
        self._cache = cache
        self._now = now
        self._policy = policy or LookupPolicy()
        self._on_call = on_call
        self._notice = notice
        self._lines: dict[str, _Line] = {}
        self._asked: dict[tuple[str, str], _Asked] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.breaker = Breaker()

    @property
    def waiting(self) -> int:
        """How many addresses are asked about, or are about to be."""
        return len(self._asked)

    async def find(self, kind: Kind, email: str) -> Look:
        """What Salesforce knows of this address (in its comparable form). Raises nothing of Salesforce's.

        While the org is ill the answer is that, at once. Whoever gives up waiting spoils it for nobody else.
        """
        cached = await self._cached(kind, email)
        if cached is not None:
            return cached
        asked = self._asked.get((kind.name, email))
        if asked is not None and self.breaker.is_open:
            return LookFailed(ORG_ILL)
        if asked is None:
            admission, self.breaker = self.breaker.admit(self._clock())
            if admission is Admission.REFUSE:
                return LookFailed(ORG_ILL)
            asked = self._enqueue(kind, email)
            if admission is Admission.PROBE:
                return LookFailed(ORG_ILL)
        return await asyncio.shield(asked.answer)

    async def overtaken(self, email: str, told: PersonRows) -> bool:
        """Whether a change was heard after this was asked for, of which it may know nothing: it is to be asked again.

        To be called once it is stored: whoever hears of a change first says so, and then looks whose document has the
        record.

        Raises:
            Unavailable: the store does not answer.
        """
        return self._cache is not None and bool(await self._cache.overtaken({email: told}))

    async def close(self) -> None:
        """End what is under way: whoever waits is told that there was no answer."""
        for line in self._lines.values():
            if line.timer is not None:
                line.timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_result(LookFailed(TOO_LATE))
        self._asked.clear()

    async def _cached(self, kind: Kind, email: str) -> PersonRows | None:
        if self._cache is None:
            return None
        try:
            return (await self._cache.get(_cache_name(kind), [email], self._now())).get(email)
        except Unavailable as error:
            self._notice("enrichment_cache_away", reason=str(error))
            return None

    def _enqueue(self, kind: Kind, email: str) -> _Asked:
        asked = _Asked(email, self._clock(), asyncio.get_running_loop().create_future())
        self._asked[kind.name, email] = asked
        line = self._lines.setdefault(kind.name, _Line(kind))
        line.kind = kind
        line.waiting.append(asked)
        self._look_at(line)
        return asked

    def _look_at(self, line: _Line) -> None:
        """Make the next call of this line, or see when it is to be made."""
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        while line.waiting:
            wait = wait_for_company(
                oldest=line.waiting[0].since,
                waiting=len(line.waiting),
                under_way=line.under_way,
                policy=self._policy.gather,
                now=self._clock(),
            )
            if wait is None:
                return
            if wait > 0:
                line.timer = asyncio.get_running_loop().call_later(wait, self._look_at, line)
                return
            taken, line.waiting = line.waiting[:MOST], line.waiting[MOST:]
            line.under_way += 1
            task = asyncio.create_task(self._ask(line, line.kind, taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, line: _Line, kind: Kind, taken: Sequence[_Asked]) -> None:
        """One call, answered to all who wait for it."""
        ends: dict[str, Look] = {}
        try:
            ends = await self._answers(kind, [asked.email for asked in taken])
        finally:
            line.under_way -= 1
            for asked in taken:
                self._asked.pop((kind.name, asked.email), None)
                if not asked.answer.done():
                    asked.answer.set_result(ends.get(asked.email) or LookFailed(TOO_LATE))
            self._look_at(line)
        await self._keep(kind, {email: end for email, end in ends.items() if isinstance(end, PersonRows)})

    async def _answers(self, kind: Kind, emails: Sequence[str]) -> dict[str, Look]:
        asked = queries(kind)
        at = self._now()
        answer = await self._called(asked, emails)
        if isinstance(answer, LookFailed):
            self._missed(answer.code)
            self._on_call("failed", len(emails))
            return dict.fromkeys(emails, answer)
        if self.breaker.is_open:
            self._notice("enrichment_org_back")
        self.breaker = self.breaker.answered()
        self._on_call("answered", len(emails))
        by_email = [names_of(rows, query.by) for query, rows in zip(asked, answer, strict=True)]
        return {email: PersonRows([rows.get(email, []) for rows in by_email], at) for email in emails}

    async def _called(
        self, asked: Sequence[PeopleQuery], emails: Sequence[str]
    ) -> Sequence[Sequence[Row]] | LookFailed:
        """The first good answer of a call, and of a second one where that is slow. Late is told as it happens."""
        began = self._clock()
        calls = {asyncio.ensure_future(self._people.look(asked, emails))}
        told_late = False
        failed = LookFailed(TOO_LATE)
        try:
            while calls:
                limit = self._policy.again if len(calls) == 1 and not told_late else self._policy.late
                done, pending = await asyncio.wait(
                    calls, timeout=max(0.0, began + limit - self._clock()), return_when=asyncio.FIRST_COMPLETED
                )
                calls = set(pending)
                for call in done:
                    answer = call.result()
                    if not isinstance(answer, LookFailed):
                        return answer
                    failed = answer
                if done:
                    continue
                if self._clock() - began >= self._policy.late:
                    return failed
                told_late = True
                calls.add(asyncio.ensure_future(self._people.look(asked, emails)))
            return failed
        finally:
            for call in calls:
                call.cancel()
            for call in calls:
                with contextlib.suppress(asyncio.CancelledError):
                    await call

    def _missed(self, code: str) -> None:
        before = self.breaker
        self.breaker = before.missed(self._policy.breaker, self._clock())
        if self.breaker.is_open and not before.is_open:
            self._notice("enrichment_org_ill", reason=code)
            for line in self._lines.values():
                self._send_away(line)

    def _send_away(self, line: _Line) -> None:
        """Nobody waits for a call that is not made."""
        for asked in line.waiting:
            self._asked.pop((line.kind.name, asked.email), None)
            if not asked.answer.done():
                asked.answer.set_result(LookFailed(ORG_ILL))
        line.waiting.clear()

    async def _keep(self, kind: Kind, found: dict[str, PersonRows]) -> None:
        if self._cache is None or not found:
            return
        until = {
            email: self._now() + (self._policy.found_for if one.found else self._policy.missing_for)
            for email, one in found.items()
        }
        try:
            await self._cache.put(_cache_name(kind), found, until)
        except Unavailable as error:
            self._notice("enrichment_cache_away", reason=str(error))

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()


def _cache_name(kind: Kind) -> str:
    """Another version of the mapping may read other fields."""
    return f"{kind.name}:{kind.version}"
