"""Which records of an object were modified since a moment: `SystemModstamp`, by queryAll, the recycle bin too.

Source: "System Fields" in the Object Reference: it moves with every change, also with those that leave
`LastModifiedDate` alone; it tells whole seconds.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.salesforce.error_codes import CODES, Remedy
from adapters.salesforce.errors import CallFailed, Fault
from adapters.salesforce.replies import unexpected
from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import Compare, Operator, Order, Select
from schemas.platform_event import epoch_ms
from schemas.polling import ModifiedPage, ModifiedRow, PollRefused
from schemas.record_id import is_id, to_18
from schemas.records import Failure
from schemas.unavailable import Unavailable

STAMP: Final = "SystemModstamp"
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


def modified_since(sobject: str, since: int) -> Select:
    """Rows from `since` on (epoch milliseconds, its whole second too), in an order that no two share."""
    at = Compare(STAMP, Operator.AT_LEAST, _BEGINNING + timedelta(seconds=since // 1000))
    order = (Order(STAMP), Order("Id"))
    return Select(("Id", STAMP, "IsDeleted"), sobject, at, order, deleted_too=True)


class ModifiedRecords:
    """Satisfies `listener.changes.ports.ModifiedRecords` on REST."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def modified(self, sobject: str, since: int) -> AsyncGenerator[ModifiedPage, None]:
        """Page after page as they are asked for; at least one, which may be empty.

        Raises:
            Unavailable: no answer, or the org is down or over its limits; the pages before it stand.
            PollRefused: Salesforce does not take the query: no such object or field, or not for us.
        """
        server_time: int | None = None
        try:
            async with aclosing(self._rest.pages(modified_since(sobject, since))) as pages:
                async for page in pages:
                    if server_time is None:
                        elapsed = self._rest.now() - page.reply.began_at
                        server_time = page.reply.server_time() - elapsed
                    yield ModifiedPage(tuple(map(row_of, page.rows)), server_time)
        except CallFailed as failed:
            if _for_good(failed.fault):
                raise PollRefused(failed.fault.code) from failed
            raise Unavailable(str(failed)) from failed


def _for_good(fault: Fault) -> bool:
    """Whether only a person can change it: the object, the field or our rights are not as they must be."""
    meaning = CODES.get(fault.code)
    ours = meaning is not None and meaning.remedy in (Remedy.WAIT_FOR_ADMIN, Remedy.PARK)
    return fault.failure is Failure.REJECTED or ours


def row_of(row: Mapping[str, Any]) -> ModifiedRow:
    """A row of such a query.

    Raises:
        CallFailed: it is none.
    """
    record_id, stamp = row.get("Id"), row.get(STAMP)
    if not isinstance(record_id, str) or not is_id(record_id) or not isinstance(stamp, str):
        raise unexpected("a row without its Id or SystemModstamp")
    try:
        modified = epoch_ms(datetime.fromisoformat(stamp))
    except ValueError:
        raise unexpected("a SystemModstamp that is no moment") from None
    return ModifiedRow(to_18(record_id), modified, deleted=row.get("IsDeleted") is True)
