"""A request with an `Idempotency-Key` is done once: who sends it again hears what was answered the first time."""

import asyncio
from contextlib import suppress
from typing import Final

from listener.api import problem, reading
from listener.api.ports import KeptAnswer, KeptAnswers, Notice, Unavailable
from listener.api.problem import Problem
from listener.api.reading import Made
from listener.api.routes import Call, Route

REPLAYED: Final = "Idempotent-Replayed"


class Repeats:
    """Keeps answers, and gives them again."""

    def __init__(self, kept: KeptAnswers, notice: Notice) -> None:
        self._kept = kept
        self._notice = notice

    async def answer(self, name: str, fingerprint: str, route: Route, call: Call) -> Made:
        """The answer of the handler, or the one that was kept. `name` is the caller's key and theirs for the request.

        Only what was done is kept: a request that was refused may be mended, and come again under the same key. What
        was done is answered where it cannot be kept too: who sends it again is told that it runs, and after a while
        it is done again, as the same events.

        Raises:
            Problem: the key belongs to another request, or that one still runs; or what the handler raises.
            Unavailable: nobody can tell now what is kept under the key; nothing was done.
        """
        before = await self._kept.begin(name, fingerprint)
        if before is not None:
            return _again(before, fingerprint)
        try:
            made = reading.made(route, await route.handler(call))
        except BaseException:
            # The key lets itself go after a while; what the caller has to hear is the handler's own answer.
            with suppress(Unavailable):
                await asyncio.shield(self._kept.drop(name))
            raise
        try:
            await self._kept.finish(name, KeptAnswer(fingerprint, made.status, made.body, made.headers), made.about)
        except Unavailable as error:
            self._notice("answer_not_kept", route=route.path, request=call.request_id, reason=str(error))
        return made


def _again(before: KeptAnswer, fingerprint: str) -> Made:
    if before.fingerprint != fingerprint:
        raise Problem(problem.KEY_REUSED, "the first request with this key asked for something else")
    if not before.status:
        raise Problem(problem.KEY_IN_USE, "try again in a moment", headers={"Retry-After": "1"})
    return Made(before.status, before.body, {**before.headers, REPLAYED: "true"})
