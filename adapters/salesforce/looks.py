"""Which records of an object were changed since a moment: the look by which a gap is repaired."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from adapters.salesforce.errors import CallFailed
from adapters.salesforce.modified import STAMP, modified_since, row_of
from adapters.salesforce.rest import Rest
from schemas.polling import ModifiedRow
from schemas.unavailable import Unavailable


class SalesforceLooks:
    """Satisfies `consumers.repair.ports.Looks` by `queryAll`, whose rows include the recycle bin (15 days)."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def changed(
        self, sobject: str, since: int, after: ModifiedRow | None
    ) -> AsyncIterator[Sequence[ModifiedRow]]:
        """As the port. A page is what Salesforce gives at once, 2,000 rows.

        Raises:
            Unavailable: no answer, the org is down, over its limits or does not log us in, it refuses the query, or no
                call may be made now.
        """
        query = modified_since(sobject, since)
        if after is not None:
            at = datetime.fromtimestamp(after.modified // 1000, UTC).isoformat()
            query = query.after({"Id": after.record_id, STAMP: at}) or query
        try:
            async for page in self._rest.pages(query):
                yield [row_of(row) for row in page.rows]
        except CallFailed as error:
            raise Unavailable(str(error)) from error
