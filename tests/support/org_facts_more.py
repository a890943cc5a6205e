"""More of what no document of Salesforce's says for sure: of signing in, and of Bulk jobs. As `support.org_facts`."""

import asyncio
from typing import Any

import aiohttp

from support.marked_records import EXTERNAL_ID
from support.org_facts import TOKEN_PATH, Answer, Asker, asked

_ENDED = ("JobComplete", "Failed", "Aborted")


@asked("9.2", "wrong secret by Basic: 400 or 401", "token request, client credentials, by header")
async def _wrong_by_basic(asker: Asker) -> str:
    async with asker.http.post(
        asker.session.instance_url + TOKEN_PATH,
        data={"grant_type": "client_credentials"},
        headers={"Authorization": aiohttp.encode_basic_auth(asker.client_id, "wrong")},
    ) as reply:
        return Answer(reply.status, reply.headers, await reply.read()).told()


@asked("9.C", "revoking by JSONP", "GET revoke with a callback and a token that never was")
async def _revoke_by_jsonp(asker: Asker) -> str:
    answer = await asker.call("GET", "/services/oauth2/revoke?token=never-was&callback=told", token="")
    return f"{answer.told()}; {'a call' if b'told(' in answer.body else 'no call'} of the callback"


async def _ended(asker: Asker, path: str) -> str:
    state = ""
    while state not in _ENDED:  # `ask_all` has a limit
        state = (await asker.call("GET", path)).json["state"]
        await asyncio.sleep(0.5)
    return state


@asked("9.C", "changeOrigin of a row of a Bulk job", "jobs/ingest, update, change event")
async def _bulk_origin(asker: Asker) -> str:
    record = await asker.new("bulk-origin")
    told: list[str] = []

    async def write() -> list[str]:
        wanted = {"object": "Contact", "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
        job = await asker.call("POST", "/jobs/ingest", wanted)
        if not isinstance(job.json, dict) or "id" not in job.json:
            told.append(job.told())
            return []
        path = f"/jobs/ingest/{job.json['id']}"
        await asker.call(
            "PUT", f"{path}/batches", f"Id,Title\n{record},a\n".encode(), headers={"Content-Type": "text/csv"}
        )
        await asker.call("PATCH", path, {"state": "UploadComplete"})
        told.append(await _ended(asker, path))
        await asker.call("DELETE", path)
        return [record]

    heard = await asker.listen(write)
    payload: dict[str, Any] = heard.get(record, {})
    origin = payload["ChangeEventHeader"]["changeOrigin"] if payload else "no event"
    return f"{', '.join(told)}; {origin}"


@asked("9.C", "a Bulk query's later page: its first row", "jobs/query, results by locator")
async def _later_page(asker: Asker) -> str:
    for number in range(2):
        await asker.new(f"page-{number}", Title=f"page {number}")
    query = f"SELECT Id, Title FROM Contact WHERE {EXTERNAL_ID} LIKE '{asker.mark}page-%'"
    job = await asker.call("POST", "/jobs/query", {"operation": "query", "query": query})
    if not isinstance(job.json, dict) or "id" not in job.json:
        return job.told()
    path = f"/jobs/query/{job.json['id']}"
    state = await _ended(asker, path)
    first = await asker.call("GET", f"{path}/results?maxRecords=1", headers={"Accept": "text/csv"})
    locator = first.headers.get("Sforce-Locator", "null")
    later = await asker.call("GET", f"{path}/results?maxRecords=1&locator={locator}", headers={"Accept": "text/csv"})
    await asker.call("DELETE", path)
    if locator == "null" or not later.body:
        return f"{state}; one page: {later.told()}"
    again = later.body.splitlines()[0] == first.body.splitlines()[0]
    return f"{state}; {'the header again' if again else 'no header'}, {len(later.body.splitlines())} lines"
