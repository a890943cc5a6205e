"""An org that costs little, in a process of its own: it takes rows and gives rows, and keeps no rule of Salesforce's.

It is what volumes are measured against; the simulated org is the witness of behaviour. `python -m benchmarks.cheap_org`
prints its address and ends with its standard input.
"""

import asyncio
import csv
import io
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvloop
from aiohttp import web

from schemas.record_id import to_18

ROWS_A_BLOCK = 1_000
LONGEST_LINE = 16_384
_MODIFIED = "2026-11-22T10:00:00.000+0000"
REFUSED = "refused"
"""A row whose title begins so is refused for good when it is updated, as by a validation rule."""


def contact(number: int) -> str:
    """A line of a query's results: a contact of some 150 bytes."""
    return (
        f'"{record_id(number)}","customer{number}@example.com","Ioana","Georgescu-{number}",'
        f'"+40721{number % 10**6:06d}","Head of Events","Cluj-Napoca","","{_MODIFIED}"\n'
    )


def record_id(number: int) -> str:
    """A contact's id."""
    return to_18(f"0035g{number:010d}")


def _first(soql: str) -> int:
    """The number of the first contact behind the id that the query names, if it names one."""
    named = re.search(r"Id > '0035g(\d{10})", soql)
    return int(named[1]) + 1 if named else 0


def _refused(row: dict[str, Any]) -> dict[str, Any] | None:
    if not str(row.get("Title") or "").startswith(REFUSED):
        return None
    why = {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No such title.", "fields": ["Title"]}
    return {"id": row["id"], "success": False, "errors": [why]}


HEADER = '"Id","Email","FirstName","LastName","Phone","Title","MailingCity","Tandem_Customer_Id__c","SystemModstamp"\n'


class CheapOrg:
    """What it was told, by job and by record."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._jobs: dict[str, dict[str, Any]] = {}
        self._results: dict[str, bytes] = {}
        self._rows: dict[str, dict[str, Any]] = {}
        self._ids: dict[str, str] = {}
        self._made_up = sys.maxsize
        """How many contacts a query of them finds, as far as its LIMIT goes."""

    def app(self) -> web.Application:
        """Its resources."""
        root = "/services/data/{version}"
        app = web.Application(middlewares=[self._count], client_max_size=1 << 30)
        app.router.add_post("/services/oauth2/token", self.token)
        app.router.add_get("/calls", self.told)
        app.router.add_post("/contacts/{count}", self.make_up)
        app.router.add_post("/hook", self.hook)
        app.router.add_get(f"{root}/query", self.query)
        app.router.add_patch(f"{root}/composite/sobjects", self.update)
        app.router.add_patch(f"{root}/composite/sobjects/{{sobject}}/{{key}}", self.upsert)
        app.router.add_post(f"{root}/composite/sobjects/{{sobject}}", self.read)
        app.router.add_post(f"{root}/jobs/{{kind}}", self.open)
        app.router.add_get(f"{root}/jobs/{{kind}}/{{job}}", self.job)
        app.router.add_patch(f"{root}/jobs/ingest/{{job}}", self.close)
        app.router.add_delete(f"{root}/jobs/{{kind}}/{{job}}", self.discard)
        app.router.add_put(f"{root}/jobs/ingest/{{job}}/batches", self.upload)
        app.router.add_get(f"{root}/jobs/ingest/{{job}}/{{list}}", self.results)
        app.router.add_get(f"{root}/jobs/query/{{job}}/results", self.page)
        return app

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if request.path.startswith("/services/data/") and resource is not None:
            self.calls[f"{request.method} {resource.canonical.removeprefix('/services/data/{version}')}"] += 1
        reply: web.StreamResponse = await handler(request)
        return reply

    async def token(self, request: web.Request) -> web.Response:
        """A login that lasts."""
        host = f"http://{request.host}"
        told = {
            "access_token": "00Dx!1",
            "instance_url": host,
            "id": f"{host}/id/00DTd0000000OrgMAA/0055g000001MnOpAAK",
        }
        return _json(told | {"token_type": "Bearer", "issued_at": str(int(time.time() * 1000)), "signature": "x"})

    async def told(self, _request: web.Request) -> web.Response:
        """How often each resource was called."""
        return _json(dict(self.calls))

    async def make_up(self, request: web.Request) -> web.Response:
        """So many contacts are to be found."""
        self._made_up = int(request.match_info["count"])
        return web.Response(status=204)

    async def hook(self, request: web.Request) -> web.Response:
        """A webhook of the platform's: taken."""
        await request.read()
        return web.Response(status=204)

    async def query(self, request: web.Request) -> web.Response:
        """A count finds those that are made up; nothing else is ever found."""
        soql = request.query.get("q", "")
        count = self._made_up - _first(soql) if "COUNT()" in soql.upper() else 0
        return _json({"totalSize": count, "done": True, "records": []})

    async def update(self, request: web.Request) -> web.Response:
        """Rows by id, each done."""
        rows = orjson.loads(await request.read())["records"]
        for row in rows:
            if not _refused(row):
                self._rows.setdefault(row["id"], {}).update(row)
        return _json([_refused(row) or {"id": row["id"], "success": True, "errors": []} for row in rows])

    async def upsert(self, request: web.Request) -> web.Response:
        """Rows by external id, each made."""
        key = request.match_info["key"]
        told = []
        for row in orjson.loads(await request.read())["records"]:
            known = self._ids.setdefault(row[key], record_id(len(self._ids)))
            self._rows.setdefault(known, {}).update(row)
            told.append({"id": known, "success": True, "created": True, "errors": []})
        return _json(told)

    async def read(self, request: web.Request) -> web.Response:
        """Rows by id, as they were written."""
        asked = orjson.loads(await request.read())
        found = [self._rows.get(one, {}) for one in asked["ids"]]
        rows = [
            {name: row.get(name) for name in asked["fields"]} | {"Id": one, "SystemModstamp": _MODIFIED}
            for one, row in zip(asked["ids"], found, strict=True)
        ]
        return _json(rows)

    async def open(self, request: web.Request) -> web.Response:
        """A job; a query's has run at once."""
        body = orjson.loads(await request.read())
        job_id = to_18(f"7505g{len(self._jobs):010d}")
        query = request.match_info["kind"] == "query"
        first = _first(body["query"]) if query else 0
        rows = min(int(body["query"].rpartition("LIMIT")[2]), self._made_up - first) if query else 0
        state = "JobComplete" if query else "Open"
        self._jobs[job_id] = body | {"id": job_id, "state": state, "rows": rows, "first": first}
        return _json(self._jobs[job_id])

    async def job(self, request: web.Request) -> web.Response:
        """Where it is: done as soon as it is closed."""
        return _json(self._jobs[request.match_info["job"]])

    async def upload(self, request: web.Request) -> web.Response:
        """A job's rows; each becomes or changes a record."""
        job = self._jobs[request.match_info["job"]]
        key = job.get("externalIdFieldName", "Id")
        told = io.StringIO()
        writer: Any = None
        for row in csv.DictReader(io.StringIO((await request.read()).decode())):
            known = row[key] if key == "Id" else self._ids.setdefault(row[key], record_id(len(self._ids)))
            values = {name: None if cell == "#N/A" else cell for name, cell in row.items() if cell}
            self._rows.setdefault(known, {}).update(values)
            if writer is None:
                writer = csv.DictWriter(told, ["sf__Id", "sf__Created", *row], lineterminator="\n")
                writer.writeheader()
            writer.writerow({"sf__Id": known, "sf__Created": "true", **row})
            job["rows"] += 1
        self._results[job["id"]] = told.getvalue().encode()
        return web.Response(status=201)

    async def close(self, request: web.Request) -> web.Response:
        """It has run."""
        job = self._jobs[request.match_info["job"]]
        state = orjson.loads(await request.read())["state"]
        job["state"] = "JobComplete" if state == "UploadComplete" else state
        job["numberRecordsProcessed"] = job["rows"]
        return _json(job)

    async def discard(self, request: web.Request) -> web.Response:
        """Forget it."""
        self._jobs.pop(request.match_info["job"], None)
        return web.Response(status=204)

    async def results(self, request: web.Request) -> web.Response:
        """Every row was done."""
        told = self._results[request.match_info["job"]]
        if request.match_info["list"] != "successfulResults":
            told = told[: told.index(b"\n") + 1]
        return web.Response(body=told, content_type="text/csv")

    async def page(self, request: web.Request) -> web.StreamResponse:
        """A page of made-up contacts, as fast as they are taken."""
        job = self._jobs[request.match_info["job"]]
        rows, behind = job["rows"], job["first"]
        start, most = int(request.query.get("locator", "0")), int(request.query["maxRecords"])
        end = min(start + most, rows)
        headers = {"Sforce-NumberOfRecords": str(end - start), "Sforce-Locator": str(end) if end < rows else "null"}
        reply = web.StreamResponse(headers=headers | {"Content-Type": "text/csv"})
        await reply.prepare(request)
        await reply.write(HEADER.encode())
        for first in range(start, end, ROWS_A_BLOCK):
            block = range(behind + first, behind + min(first + ROWS_A_BLOCK, end))
            await reply.write("".join(map(contact, block)).encode())
        await reply.write_eof()
        return reply


def _json(body: Any) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")


@asynccontextmanager
async def cheap_org() -> AsyncIterator[str]:
    """One in a process of its own; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.cheap_org", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _serve() -> None:
    runner = web.AppRunner(CheapOrg().app(), access_log=None, max_line_size=LONGEST_LINE)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve())
