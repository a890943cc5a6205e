"""Several things at once, of which the first to end ends the others."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

CANCEL_AGAIN_SECONDS = 5.0
"""How long a task may take to clean up before it is cancelled once more."""


async def first_to_end(*works: Coroutine[Any, Any, object]) -> None:
    """Run all until one ends, then cancel the rest and wait for them.

    What went wrong is raised; where several did, the one named first, with a note of the others.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(tasks)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
    for other in errors[1:]:
        errors[0].add_note(f"meanwhile: {type(other).__name__}: {other}")
    if errors:
        raise errors[0]


async def end(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    """Cancel all and wait for them; cancel again where that did not do.

    Before Python 3.12 `asyncio.wait_for`, which the MongoDB driver uses, swallows a cancellation that comes in the very
    moment in which it is answered (bpo-42130): whoever has lost the lease would go on.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
