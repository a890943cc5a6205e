"""What people do is kept before it is done, so that of a change that was made it is known who made it, and why."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

BEGUN: Final = "begun"
"""What a row says whose end is not known: MongoDB or the process went away meanwhile."""


class Operations(Protocol):
    """The rows of the audit. Both methods raise Unavailable while the store does not answer."""

    async def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep these; their ids are new."""

    async def end(self, row_id: str, told: Mapping[str, Any]) -> None:
        """Say how something went."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody is about to do, and why; `at` is epoch milliseconds, `told` what the row holds beside it."""

    what: str
    item: str
    by: str
    why: str
    at: int
    told: Mapping[str, Any]


@dataclass(slots=True)
class Ending:
    """How it goes, as the row will say it."""

    result: str
    refused: str = ""
    """In the place of why it was not done."""


@asynccontextmanager
async def noted(
    operations: Operations, deed: Deed, result: str = "done", *, refusals: tuple[type[Exception], ...]
) -> AsyncIterator[Ending]:
    """Keep it before the block does it, and at the end how it went.

    `refusals` say that nothing was done, in words that hold no value of a field.

    Raises:
        Unavailable: the store does not answer; before the block nothing is done then.
    """
    row_id, ending = uuid.uuid4().hex, Ending(result)
    row = {"_id": row_id, "what": deed.what, "item": deed.item, "by": deed.by, "note": deed.why, "at": deed.at}
    await operations.add([{**row, **deed.told, "result": BEGUN}])
    try:
        yield ending
    except refusals as reason:
        await operations.end(row_id, {"result": ending.refused or f"not done: {reason}"})
        raise
    await operations.end(row_id, {"result": ending.result})
