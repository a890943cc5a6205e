"""Salesforce as the API's routes ask it: within the mapping, within the rows and the time that a query may have."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from adapters.mongo.query_pages import KeptPage, MongoQueryPages
from adapters.salesforce.caller_soql import QueryRefused as Faulty
from adapters.salesforce.caller_soql import built_query, checked_soql
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.query_scope import QueryScope
from adapters.salesforce.rest import FORGOTTEN, Page, Rest
from adapters.salesforce.soql import Select
from listener.api.queries import NotAnswered, QueryRefused, QueryTooSlow, Rows
from schemas.mapping import Mapping as FieldMappings
from schemas.record_query import RecordQuery
from schemas.records import Failure
from schemas.session import LoginFailed


class OrgQueries:
    """Satisfies `listener.api.queries.Queries`."""

    def __init__(
        self, rest: Rest, mapping: Callable[[], FieldMappings], pages: MongoQueryPages, *, rows: int, seconds: float
    ) -> None:
        self._rest = rest
        self._mapping = mapping
        self._pages = pages
        self._rows = rows
        self._seconds = seconds

    async def soql(self, text: str, owner: str) -> Rows:
        """As the port."""
        try:
            # Long texts are read in a thread: a hundred thousand characters take a while.
            select = await asyncio.to_thread(checked_soql, text, QueryScope(self._mapping()), most_rows=self._rows)
        except Faulty as faulty:
            raise QueryRefused(faulty.faults) from None
        return await self._first(select, owner)

    async def question(self, query: RecordQuery, owner: str) -> Rows:
        """As the port."""
        return await self._first(self._select(query), owner)

    def built(self, query: RecordQuery) -> str:
        """As the port."""
        return str(self._select(query))

    async def following(self, cursor: str, owner: str) -> Rows | None:
        """As the port."""
        kept = await self._pages.read(cursor, owner)
        if kept is None:
            return None
        try:
            page = await self._answered(self._rest.next_page(kept.following))
        except QueryRefused as refused:
            if FORGOTTEN in refused.faults[0]:
                return None
            raise
        return await self._told(kept.soql, kept.sobject, page, owner)

    def _select(self, query: RecordQuery) -> Select:
        try:
            return built_query(query, QueryScope(self._mapping()), most_rows=self._rows)
        except Faulty as faulty:
            raise QueryRefused(faulty.faults) from None

    async def _first(self, select: Select, owner: str) -> Rows:
        page = await self._answered(self._rest.first_page(select))
        return await self._told(str(select), select.sobject, page, owner)

    async def _answered(self, asking: Awaitable[Page]) -> Page:
        try:
            async with asyncio.timeout(self._seconds):
                return await asking
        except TimeoutError:
            raise QueryTooSlow from None
        except LoginFailed as failure:
            raise NotAnswered(failure.code or "login_failed") from None
        except CallFailed as failed:
            fault = failed.fault
            if fault.failure is Failure.REJECTED and not fault.org_wide:
                # Its message may quote a value of the query's own, which the caller has sent.
                raise QueryRefused([f"Salesforce: {fault.code}"]) from None
            raise NotAnswered(fault.code) from None

    async def _told(self, soql: str, sobject: str, page: Page, owner: str) -> Rows:
        cursor = None
        if page.following is not None:
            cursor = await self._pages.add(KeptPage(soql, sobject, page.following), owner)
        return Rows(soql, sobject, page.total, [_plain(row) for row in page.rows], cursor)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without the `attributes` of the records within it."""
    return {
        name: _plain(value) if isinstance(value, dict) else value for name, value in row.items() if name != "attributes"
    }
