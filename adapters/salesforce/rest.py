"""What is asked of the REST API: its versions, limits and objects, and queries page by page."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.salesforce.calls import ROOT, UNCHANGED, Calls
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.replies import Reply, object_of, objects_of, unexpected, without_attributes
from adapters.salesforce.soql import Select, name

_NEXT_PAGE: Final = re.compile(r"/services/data/v[0-9.]+(/tooling)?/query(All)?/[A-Za-z0-9_~.-]+")
FORGOTTEN: Final = "INVALID_QUERY_LOCATOR"
"""Two days have passed since a query began, or too many others were begun: its next page is not to be had."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a query, without their `attributes`; `total` counts those of all pages."""

    rows: list[dict[str, Any]]
    total: int
    following: str | None
    """Where the next page is: a path on the org's own host."""
    reply: Reply


@dataclass(frozen=True, slots=True)
class Described:
    """An object with all its fields; nothing where the org has no such object or the login may not see it, or where it
    is `unchanged` since an earlier answer. `last_modified` is the org's header, empty without one."""

    definition: dict[str, Any] | None
    last_modified: str = ""
    unchanged: bool = False


class Rest(Calls):
    """The resources of one org's REST API that several of ours ask for."""

    async def versions(self) -> list[dict[str, Any]]:
        """Every API version the org speaks: `label`, `url`, `version`."""
        return objects_of(await self.call("GET", ROOT))

    async def limits(self) -> dict[str, Any]:
        """Every allocation by name, with `Max` and `Remaining`."""
        return object_of(await self.call("GET", "limits"))

    async def describe(self, sobject: str) -> dict[str, Any] | None:
        """One object with all its fields; nothing where the org has no such object or the login may not see it."""
        return (await self.describe_since(sobject)).definition

    async def describe_since(self, sobject: str, since: str = "") -> Described:
        """The same, unless it has not changed since an earlier answer's `last_modified`."""
        try:
            reply = await self.call("GET", f"sobjects/{name(sobject)}/describe", since=since)
        except CallFailed as failed:
            if failed.fault.code == "NOT_FOUND":
                return Described(None)
            raise
        if reply.status == UNCHANGED:
            return Described(None, since, unchanged=True)
        return Described(object_of(reply), reply.headers.get("Last-Modified", ""))

    async def query(self, soql: Select | str, *, tooling: bool = False) -> AsyncIterator[dict[str, Any]]:
        """Rows of a query, page after page as they are asked for, without their `attributes`; of the Tooling API's too.

        Raises:
            CallFailed: a page could not be had; the rows before it stand.
        """
        async for page in self.pages(soql, tooling=tooling):
            for row in page.rows:
                yield row

    async def pages(self, soql: Select | str, *, tooling: bool = False) -> AsyncGenerator[Page, None]:
        """The pages of a query, each asked for when the one before has been taken: there is always a first.

        Where Salesforce has forgotten the query between two pages it is asked anew from the last row on, if its order
        tells which rows are still to come (`Select.after`). A text has been checked (`caller_soql`).

        Raises:
            CallFailed: a page could not be had; the pages before it stand.
        """
        last: dict[str, Any] | None = None
        page = await self._page(_resource(soql, tooling=tooling), {"q": str(soql)})
        while True:
            yield page
            if page.following is None:
                return
            last = page.rows[-1] if page.rows else last
            try:
                page = await self._page(page.following)
            except CallFailed as failed:
                rest = soql.after(last) if isinstance(soql, Select) and last is not None else None
                if failed.fault.code != FORGOTTEN or rest is None:
                    raise
                page = await self._page(_resource(rest, tooling=tooling), {"q": str(rest)})

    async def first_page(self, soql: Select) -> Page:
        """The first page of a query; of a count there are no rows, and `total` is the count.

        Raises:
            CallFailed: as `call`.
        """
        return await self._page(_resource(soql), {"q": str(soql)})

    async def next_page(self, following: str) -> Page:
        """The page that one before has told of.

        Raises:
            CallFailed: as `call`; its code is `FORGOTTEN` where Salesforce knows the query no more.
        """
        return await self._page(following)

    async def count(self, soql: Select) -> int:
        """How many rows `SELECT COUNT()` finds.

        Raises:
            CallFailed: as `call`.
        """
        return (await self.first_page(soql)).total

    async def _page(self, path: str, params: Mapping[str, str] | None = None) -> Page:
        reply = await self.call("GET", path, params=params)
        page = object_of(reply)
        records, total, following = page.get("records"), page.get("totalSize"), page.get("nextRecordsUrl")
        if not isinstance(records, list):
            raise unexpected("a page without records")
        if not all(isinstance(row, dict) for row in records):
            raise unexpected("a row that is no object")
        if page.get("done") is True:
            following = None
        elif not isinstance(following, str) or _NEXT_PAGE.fullmatch(following) is None:
            raise unexpected("no address of the next page")
        rows = [without_attributes(row) for row in records]
        return Page(rows, total if isinstance(total, int) else len(rows), following, reply)


def _resource(soql: Select | str, *, tooling: bool = False) -> str:
    if tooling:
        return "tooling/query"
    return "queryAll" if isinstance(soql, Select) and soql.deleted_too else "query"
