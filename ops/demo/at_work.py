"""Whether a process of the demo does its work: it is ready, and what it works at is its own."""

import asyncio
import contextlib
import re
from typing import Final

import aiohttp

from ops.demo.cast import DemoFailed, ready
from ops.demo.plan import AT_WORK_SECONDS
from ops.demo.stage import Stage

LOOK_SECONDS = 0.1

SIGNS: Final = {
    "reconcile": re.compile(r"^tandem_lag_records\{", re.MULTILINE),
    "write": re.compile(r"^tandem_lag_records\{", re.MULTILINE),
    "deliver": re.compile(r"^tandem_lag_records\{", re.MULTILINE),
    "subscribe": re.compile(r"^tandem_subscriber_connected\{.*\} 1(\.0)?$", re.MULTILINE),
}
"""What its metrics show once it owns partitions, or the org's stream: one that stands by is ready too, since nothing is
wrong with it, but does nothing."""


def shows_work(name: str, metrics: str) -> bool:
    """Whether the metrics (Prometheus' text) of the process of this name show that it works."""
    sign = SIGNS.get(name)
    return sign is None or sign.search(metrics) is not None


async def at_work(stage: Stage, name: str) -> None:
    """Return once the process of this name works.

    Raises:
        DemoFailed: it did not in time; the message holds the end of its log.
    """
    child, url = stage.children[name], stage.ops_urls[name]
    await ready(child, stage.http, url, AT_WORK_SECONDS)
    try:
        async with asyncio.timeout(AT_WORK_SECONDS):
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with stage.http.get(f"{url}/metrics") as response:
                        if shows_work(name, await response.text()):
                            return
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        late = f"{name} was ready, but not at work within {AT_WORK_SECONDS:g} seconds"
        raise DemoFailed(f"{late}; the end of {child.log}:\n{child.tail()}") from None
