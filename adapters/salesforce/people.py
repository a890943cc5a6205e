"""People by e-mail, from several objects in one call.

`/composite` takes up to 25 subrequests, five of them queries, and counts as one call of the day's; `/composite/batch`
would count each. Source: REST API guide, "Composite".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from adapters.salesforce.errors import CallFailed, call_fault
from adapters.salesforce.replies import unexpected, without_attributes
from adapters.salesforce.rest import Rest
from adapters.salesforce.soql import Compare, Operator, Select, select_where_in
from schemas.people import LookFailed, PeopleQuery
from schemas.record_id import is_id, to_18
from schemas.records import Failure

QUERIES_A_CALL: Final = 5
"""As many subrequests of a composite may be queries."""
IS_CONVERTED: Final = "IsConverted"


class SalesforcePeople:
    """`consumers.enrichment.ports.People` on the Composite resource."""

    def __init__(self, rest: Rest, *, version: str) -> None:
        """`version` is the API's, `v62.0`: subrequests have whole addresses."""
        self._rest = rest
        self._root = f"/services/data/{version}/query/?q="

    async def look(
        self, queries: Sequence[PeopleQuery], emails: Sequence[str]
    ) -> list[list[Mapping[str, Any]]] | LookFailed:
        """All rows whose address is one of these, by query, in as few calls as their length allows: mostly one."""
        selects = [(place, one) for place, query in enumerate(queries) for one in _selects(query, emails)]
        found: list[list[Mapping[str, Any]]] = [[] for _ in queries]
        try:
            for start in range(0, len(selects), QUERIES_A_CALL):
                part = selects[start : start + QUERIES_A_CALL]
                for (place, _), rows in zip(part, await self._call([one for _, one in part]), strict=True):
                    found[place] += [_flat(row) for row in rows]
        except CallFailed as failed:
            fault = failed.fault
            return LookFailed(fault.code, org_wide=fault.org_wide or fault.failure is not Failure.REJECTED)
        return found

    async def _call(self, selects: Sequence[Select]) -> list[list[Mapping[str, Any]]]:
        steps = [
            {"method": "GET", "url": self._root + quote(str(one), safe=""), "referenceId": f"q{number}"}
            for number, one in enumerate(selects)
        ]
        reply = await self._rest.call("POST", "composite", json={"allOrNone": False, "compositeRequest": steps})
        answers = _answers(reply.json(), len(selects))
        return [await self._rows(one, answer) for one, answer in zip(selects, answers, strict=True)]

    async def _rows(self, select: Select, answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        status, body = answer.get("httpStatusCode"), answer.get("body")
        if not isinstance(status, int):
            raise unexpected("a subrequest without a status")
        if not 200 <= status < 300:
            raise CallFailed(call_fault(status, orjson.dumps(body)))
        records = body.get("records") if isinstance(body, dict) else None
        if not isinstance(records, list) or not all(isinstance(row, dict) and is_id(_id(row)) for row in records):
            raise unexpected("a subrequest without records")
        if isinstance(body, dict) and body.get("done") is not True:
            # More than a page holds: two thousand people of a few addresses. Asked anew, page after page.
            return [row async for row in self._rest.query(select)]
        return [without_attributes(row) for row in records]


def _id(row: Mapping[str, Any]) -> str:
    found = row.get("Id")
    return found if isinstance(found, str) else ""


def _answers(parsed: Any, expected: int) -> list[Mapping[str, Any]]:
    answers = parsed.get("compositeResponse") if isinstance(parsed, dict) else None
    if not isinstance(answers, list) or len(answers) != expected or not all(isinstance(one, dict) for one in answers):
        raise unexpected("not an answer for each subrequest")
    return answers


def _selects(query: PeopleQuery, emails: Sequence[str]) -> Iterator[Select]:
    for select in select_where_in(query.fields, query.sobject, query.by, dict.fromkeys(emails)):
        yield select.also(Compare(IS_CONVERTED, Operator.EQUAL, value=False)) if query.only_unconverted else select


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of parents by their path: `Account.Name`. The record's own id has 18 characters."""
    return {**dict(_leaves(row, "")), "Id": to_18(str(row["Id"]))}


def _leaves(row: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name == "attributes":
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
