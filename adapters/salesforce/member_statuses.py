"""The statuses that members of a Campaign may have (`CampaignMemberStatus`): each Campaign has a list of its own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.salesforce import soql
from adapters.salesforce.collections import failed
from adapters.salesforce.errors import CallFailed, api_errors, row_fault
from adapters.salesforce.replies import unexpected
from adapters.salesforce.rest import Rest
from schemas.records import RowResult
from schemas.unavailable import Unavailable

STATUS: Final = "CampaignMemberStatus"
ROWS_A_CALL: Final = 200


class SalesforceMemberStatuses:
    """Satisfies `ops.campaigns.statuses.MemberStatuses`."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def of(self, campaign_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """By Campaign: its statuses with their places in the list.

        Raises:
            Unavailable: the org does not answer.
        """
        found: dict[str, dict[str, int]] = {}
        try:
            for query in soql.select_where_in(["CampaignId", "Label", "SortOrder"], STATUS, "CampaignId", campaign_ids):
                async for row in self._rest.query(query):
                    found.setdefault(str(row["CampaignId"]), {})[str(row["Label"])] = int(row["SortOrder"] or 0)
        except CallFailed as error:
            raise Unavailable(f"Salesforce does not tell the statuses of members: {error.fault.code}") from error
        return found

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[RowResult]:
        """Add these; each row's own outcome, DUPLICATE for one that another has added meanwhile.

        Raises:
            Unavailable: the org does not answer.
        """
        outcomes: list[RowResult] = []
        for start in range(0, len(rows), ROWS_A_CALL):
            records = [{"attributes": {"type": STATUS}, **row} for row in rows[start : start + ROWS_A_CALL]]
            try:
                reply = await self._rest.call(
                    "POST", "composite/sobjects", json={"allOrNone": False, "records": records}
                )
                outcomes += _outcomes(reply.json(), len(records))
            except CallFailed as error:
                raise Unavailable(f"Salesforce does not take statuses of members: {error.fault.code}") from error
        return outcomes


def _outcomes(parsed: object, count: int) -> list[RowResult]:
    if not isinstance(parsed, list) or len(parsed) != count or not all(isinstance(each, dict) for each in parsed):
        raise unexpected("not an answer for each status")
    return [
        RowResult() if each.get("success") else failed(row_fault(api_errors(each.get("errors") or ()), by_id=False))
        for each in parsed
    ]
