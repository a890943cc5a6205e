"""Debugging switched on and off by a person: for one thing or record, for a while, and audited."""

import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from schemas.debugging import HOUR_MS, LONGEST_MS, DebugMark, mark_name
from schemas.record_id import to_18

KEY_BYTES: Final = 32
SWITCHED_ON: Final = "debug on"
SWITCHED_OFF: Final = "debug off"
SHORTEST_MS: Final = 60_000


class CannotDebug(Exception):
    """Why not, in one line."""


class Marks(Protocol):
    """Where the marks are kept. Each method raises Unavailable where the store does not answer."""

    async def switch_on(self, mark: DebugMark) -> DebugMark:
        """Keep a mark; the one that holds now. One that lasts still keeps its key."""

    async def switch_off(self, name: str) -> bool:
        """Take a mark away; whether there was one."""

    async def lasting(self, now: int) -> list[DebugMark]:
        """Those that last at `now`, epoch milliseconds, the next to end first."""


class Audit(Protocol):
    """What people have done."""

    async def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep these; raises Unavailable where the store does not answer."""


class Documents(Protocol):
    """What is asked of the documents: the record that a thing has now."""

    async def read(self, collection: str, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The documents that exist, by id."""


class Switch:
    """Switches debugging on and off. `now` gives epoch milliseconds."""

    def __init__(self, marks: Marks, audit: Audit, documents: Documents, now: Callable[[], int]) -> None:
        self._marks = marks
        self._audit = audit
        self._documents = documents
        self._now = now

    async def on(
        self, collection: str, kind: str, document_id: str, *, by: str, why: str, lasts_ms: int = HOUR_MS
    ) -> DebugMark:
        """Look closely at a thing, which need not be there yet, and at the record that it has now.

        Raises:
            CannotDebug: it is to last less than a minute or more than a day.
            Unavailable: the store does not answer.
        """
        document = (await self._documents.read(collection, [document_id])).get(document_id, {})
        record_id = document.get("_sync", {}).get("link", {}).get("id", "")
        return await self._on(kind, document_id, record_id, by=by, why=why, lasts_ms=lasts_ms)

    async def on_record(self, record_id: str, *, by: str, why: str, lasts_ms: int = HOUR_MS) -> DebugMark:
        """Look closely at a Salesforce record, whether a document has it or not. Raises as `on`."""
        return await self._on("", "", _long(record_id), by=by, why=why, lasts_ms=lasts_ms)

    async def off(self, kind: str, document_id: str, *, by: str, why: str) -> bool:
        """Look no more at a thing; whether anybody did."""
        return await self._off(kind, document_id, "", by=by, why=why)

    async def off_record(self, record_id: str, *, by: str, why: str) -> bool:
        """Look no more at a record; whether anybody did. Raises as `on`."""
        return await self._off("", "", _long(record_id), by=by, why=why)

    async def lasting(self) -> list[DebugMark]:
        """What is looked at now, the next to end first."""
        return await self._marks.lasting(self._now())

    async def _on(self, kind: str, document_id: str, record_id: str, *, by: str, why: str, lasts_ms: int) -> DebugMark:
        if not SHORTEST_MS <= lasts_ms <= LONGEST_MS:
            raise CannotDebug("debugging lasts a minute at least and a day at most")
        now = self._now()
        key = secrets.token_bytes(KEY_BYTES)
        mark = DebugMark(kind, document_id, record_id, now + lasts_ms, by=by, why=why, at=now, key=key)
        await self._note(SWITCHED_ON, mark, by=by, why=why, result=f"for {lasts_ms // 60_000} minutes")
        return await self._marks.switch_on(mark)

    async def _off(self, kind: str, document_id: str, record_id: str, *, by: str, why: str) -> bool:
        gone = await self._marks.switch_off(mark_name(kind, document_id, record_id))
        if gone:
            now = self._now()
            mark = DebugMark(kind, document_id, record_id, now, by=by, why=why, at=now, key=b"")
            await self._note(SWITCHED_OFF, mark, by=by, why=why, result="")
        return gone

    async def _note(self, what: str, mark: DebugMark, *, by: str, why: str, result: str) -> None:
        about = {"kind": mark.kind, "document": mark.document_id} if mark.kind else {"record": mark.record_id}
        row = {"_id": uuid.uuid4().hex, "what": what, "item": mark.name, "by": by, "note": why, "at": self._now()}
        await self._audit.add([{**row, **about, **({"result": result} if result else {})}])


def _long(record_id: str) -> str:
    try:
        return to_18(record_id)
    except ValueError as error:
        raise CannotDebug(str(error)) from None
