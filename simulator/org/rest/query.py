"""query, queryAll and query/<locator>: results in pages.

A result that does not fit one page is numbered whole at once, so later pages hold the same records whatever is created
or sorted otherwise meanwhile; their values are read when the page is.
"""

import re
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from simulator.org import ids
from simulator.org.errors import SalesforceError
from simulator.org.replies import json_reply
from simulator.org.rest.call import Call, Resources
from simulator.org.soql.compile import CompiledQuery, compile_query
from simulator.org.soql.parse import SoqlParser, malformed

LARGEST_PAGE, SMALLEST_PAGE = 2000, 200
_CURSOR_PREFIX = "01g"
_MOST_CURSORS = 200
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Cursor:
    query: CompiledQuery
    numbers: "array[int]"
    deleted: bool
    opened_at: int


class Queries:
    """The query resources of one org, and its open cursors."""

    def __init__(self) -> None:
        self._parser = SoqlParser()
        self._cursors: OrderedDict[str, _Cursor] = OrderedDict()
        self._opened = 0

    def add_resources(self, resources: Resources) -> None:
        """Serve them."""
        resources.add("GET", "/query", self._first_page(deleted=False))
        resources.add("GET", "/queryAll", self._first_page(deleted=True))
        resources.add("GET", "/query/{locator}", self.next_page)
        resources.add("GET", "/queryAll/{locator}", self.next_page)

    def _first_page(self, *, deleted: bool) -> Callable[[Call], Awaitable[web.Response]]:
        async def first_page(call: Call) -> web.Response:
            return json_reply(self._run(call, deleted=deleted))

        return first_page

    async def next_page(self, call: Call) -> web.Response:
        """The page that a locator names."""
        name, _, offset = call.request.match_info["locator"].rpartition("-")
        cursor = self._cursors.get(name)
        lifetime_ms = call.org.settings.cursor_seconds * 1000
        if cursor is None or not offset.isdigit() or cursor.opened_at + lifetime_ms < call.org.clock():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        self._cursors.move_to_end(name)
        return json_reply(self._page(call, name, cursor, int(offset)))

    def _run(self, call: Call, *, deleted: bool) -> dict[str, Any]:
        soql = call.request.query.get("q")
        if soql is None:
            raise malformed("A query string has to be specified")
        query = compile_query(
            soql,
            self._parser.parse(soql),
            call.org.objects,
            now=call.org.clock(),
            root=call.root,
            deleted=deleted,
        )
        database = call.org.store.connection
        if query.count:
            (count,) = database.execute(query.counting(), query.parameters).fetchone()
            found = max(0, count - query.offset)
            return {"totalSize": found if query.limit < 0 else min(found, query.limit), "done": True, "records": []}
        size = _page_size(call)
        window = size + 1 if query.limit < 0 else min(size + 1, query.limit)
        rows = database.execute(query.reading(), (*query.parameters, window, query.offset)).fetchall()
        if len(rows) <= size:
            return {"totalSize": len(rows), "done": True, "records": query.records(rows, database.execute)}
        numbers = array(
            "q",
            (n for (n,) in database.execute(query.numbering(), (*query.parameters, query.limit, query.offset))),
        )
        name = self._open(_Cursor(query, numbers, deleted, call.org.clock()))
        return self._page(call, name, self._cursors[name], 0)

    def _page(self, call: Call, name: str, cursor: _Cursor, offset: int) -> dict[str, Any]:
        size = _page_size(call)
        wanted = cursor.numbers[offset : offset + size].tolist()
        numbers = orjson.dumps(wanted).decode()
        alive = "" if cursor.deleted else ' AND "t"."IsDeleted" = 0'
        rows = call.org.store.connection.execute(cursor.query.rereading() + alive, (numbers,))
        found = rows.fetchall()
        whole = cursor.query.records([row[1:] for row in found], call.org.store.connection.execute)
        records = {row[0]: record for row, record in zip(found, whole, strict=True)}
        page: dict[str, Any] = {"totalSize": len(cursor.numbers), "done": offset + size >= len(cursor.numbers)}
        if not page["done"]:
            page["nextRecordsUrl"] = f"{call.root}/query/{name}-{offset + size}"
        page["records"] = [records[number] for number in wanted if number in records]
        return page

    def _open(self, cursor: _Cursor) -> str:
        self._opened += 1
        name = ids.encode(_CURSOR_PREFIX, self._opened)
        self._cursors[name] = cursor
        if len(self._cursors) > _MOST_CURSORS:
            self._cursors.popitem(last=False)
        return name


def _page_size(call: Call) -> int:
    found = _BATCH_SIZE.search(call.request.headers.get("Sforce-Query-Options", ""))
    return LARGEST_PAGE if found is None else min(max(int(found[1]), SMALLEST_PAGE), LARGEST_PAGE)
