"""Tells when a process has become ready, and when it is not any more."""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not listened on
"""Addresses to listen on that are none to ask at, and what to ask instead."""


class Readiness:
    """Which processes are ready, by their `/ready`. `urls` has the ops port of each by its name."""

    def __init__(self, urls: Mapping[str, str], log: Any) -> None:
        """`log` is a structlog logger."""
        self._urls = urls
        self._log = log
        self._ready = dict.fromkeys(urls, False)

    async def follow(self) -> None:
        """Look without end; each change is one line, and so is the first time that all are ready."""
        all_told = False
        async with _session() as http:
            while True:
                answers = await asyncio.gather(*(_asked(http, url) for url in self._urls.values()))
                for name, ready in zip(self._urls, answers, strict=True):
                    if ready != self._ready[name]:
                        event = "process_ready" if ready else "process_not_ready"
                        self._log.info(event, process=name, ops=self._urls[name])
                    self._ready[name] = ready
                if all(answers) and not all_told:
                    all_told = True
                    self._log.info("all_ready", processes=len(answers))
                await asyncio.sleep(LOOK_SECONDS)

    async def again(self, name: str, seconds: float) -> bool:
        """Wait until a process that has just begun anew is ready; False where it is not in time."""
        async with _session() as http:
            try:
                async with asyncio.timeout(seconds):
                    while not await _asked(http, self._urls[name]):  # noqa: ASYNC110 - another process sets no event
                        await asyncio.sleep(LOOK_SECONDS)
            except TimeoutError:
                return False
        return True


def ops_url(host: str, port: int) -> str:
    """Where to ask a process that listens there."""
    return f"http://{WILDCARDS.get(host, host)}:{port}"


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))


async def _asked(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/ready") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
