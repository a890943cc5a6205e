"""Several things at once, of which the first to end ends the others."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def first_to_end(*works: Coroutine[Any, Any, object]) -> None:
    """Run all until one ends, then cancel the rest and wait for them.

    What went wrong is raised; where several did, the one named first, with a note of the others.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    for other in errors[1:]:
        errors[0].add_note(f"meanwhile: {type(other).__name__}: {other}")
    if errors:
        raise errors[0]
