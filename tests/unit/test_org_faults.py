"""Planted faults and limits of the org."""

import re
import time
from typing import Any

import aiohttp
import pytest
from support.org import KEY, OrgClient, org_client

from simulator.org.faults import Fault, FaultKind, FaultRegistry


async def plant(client: OrgClient, kind: str, **more: Any) -> dict[str, Any]:
    """Plant a fault."""
    return dict(await client.admin("POST", "/faults", {"kind": kind, **more}))


def test_a_fault_strikes_where_and_as_often_as_it_was_told() -> None:
    """By kind, path and verb, after those it lets by, so many times."""
    faults = FaultRegistry()
    faults.plant(Fault(kind=FaultKind.LIMIT, path="^/a", verb="patch", count=2, skip=1))
    calls = [("/b", "PATCH"), ("/a", "GET"), ("/a", "PATCH"), ("/a/1", "PATCH"), ("/a", "PATCH"), ("/a", "PATCH")]
    struck = [faults.take(FaultKind.LIMIT, *call) is not None for call in calls]
    assert struck == [False, False, False, True, True, False]
    assert faults.take(FaultKind.DELAY, "/a", "PATCH") is None
    assert faults.planted() == []


def test_chance_comes_from_the_seed() -> None:
    """The same seed strikes the same calls."""

    def struck(seed: int) -> list[bool]:
        faults = FaultRegistry(seed)
        faults.plant(Fault(kind=FaultKind.LIMIT, probability=0.3))
        return [faults.take(FaultKind.LIMIT) is not None for _ in range(200)]

    assert struck(7) == struck(7) != struck(8)
    assert 30 < sum(struck(7)) < 90


def test_a_bad_path_is_refused() -> None:
    """It is a regular expression."""
    with pytest.raises(re.error):
        FaultRegistry().plant(Fault(kind=FaultKind.DELAY, path="("))


async def test_faults_are_seen_and_taken_out() -> None:
    """With how often each has struck; a bad one is refused."""
    async with org_client() as client:
        fault = await plant(client, "limit", count=5)
        await client.call("GET", "/limits")
        (seen,) = await client.admin("GET", "/faults")
        assert (seen["id"], seen["count"], seen["taken"]) == (fault["id"], 4, 1)
        await plant(client, "delay")
        assert await client.admin("DELETE", f"/faults/{fault['id']}") == {"removed": 1}
        assert await client.admin("DELETE", "/faults") == {"removed": 1}
        for bad in ({"kind": "fire"}, {"kind": "delay", "path": "("}, {"kind": "delay", "count": 0}):
            async with client.http.post(f"{client.org.base_url}/admin/faults", json=bad) as reply:
                assert reply.status == 400


async def test_a_call_can_be_slow() -> None:
    """It runs all the same, later."""
    async with org_client() as client:
        await plant(client, "delay", delay_ms=80, count=1)
        began = time.perf_counter()
        assert (await client.call("GET", "/limits"))[0] == 200
        assert time.perf_counter() - began >= 0.08


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "unauthorized"}, 401, "INVALID_SESSION_ID"),
        ({"kind": "limit"}, 403, "REQUEST_LIMIT_EXCEEDED"),
        ({"kind": "server_error", "status": 500}, 500, "UNKNOWN_EXCEPTION"),
        ({"kind": "server_error", "status": 503}, 503, "SERVER_UNAVAILABLE"),
        ({"kind": "server_error", "status": 502, "body": "gateway"}, 502, None),
    ],
)
async def test_a_call_can_be_refused(fault: dict[str, Any], status: int, code: str | None) -> None:
    """With Salesforce's own body, or a gateway's page; nothing of it is done."""
    async with org_client() as client:
        await client.admin("POST", "/faults", fault | {"count": 1, "verb": "PATCH"})
        row = {"attributes": {"type": "Contact"}, KEY: "1", "LastName": "x"}
        sent = ("PATCH", f"/composite/sobjects/Contact/{KEY}", {"records": [row]})
        found, told = await client.call(*sent)
        assert found == status
        if code is None:
            assert told.startswith("<html>")
        else:
            assert told[0]["errorCode"] == code
        assert client.events() == []
        assert (await client.call(*sent))[0] == 200


async def test_a_failed_call_may_have_run() -> None:
    """A gateway's page says nothing about what was done behind it."""
    async with org_client() as client:
        await plant(client, "server_error", status=504, body="gateway", runs=True, verb="POST", count=1)
        status, _ = await client.call("POST", "/sobjects/Contact", {"LastName": "x"})
        assert status == 504
        assert len(client.events()) == 1


async def test_a_401_can_kill_the_token() -> None:
    """With `revoke` the token stays dead; without, it was a slip."""
    async with org_client() as client:
        await plant(client, "unauthorized", count=1)
        assert [(await client.call("GET", "/limits"))[0] for _ in range(2)] == [401, 200]
        await plant(client, "unauthorized", count=1, revoke=True)
        assert [(await client.call("GET", "/limits"))[0] for _ in range(3)] == [401, 401, 401]


@pytest.mark.parametrize(("kind", "done"), [("request_lost", 0), ("reply_lost", 1)])
async def test_a_connection_can_break(kind: str, done: int) -> None:
    """Before the call runs or after: the caller cannot tell, the log can."""
    async with org_client() as client:
        await plant(client, kind, verb="POST", path="/sobjects", count=1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.call("POST", "/sobjects/Contact", {"LastName": "x"})
        assert len(await client.admin("GET", "/commits")) == done
        assert (await client.call("POST", "/sobjects/Contact", {"LastName": "x"}))[0] == 201


async def test_rows_can_be_locked() -> None:
    """Row by row, the others are done; a single row's call fails with 400."""
    async with org_client() as client:
        await plant(client, "lock_row", count=1, skip=1)
        results = await client.upsert([{KEY: str(n), "LastName": "x"} for n in range(3)])
        assert [one["success"] for one in results] == [True, False, True]
        assert results[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
        assert len(client.events()) == 2
        await plant(client, "lock_row", count=1)
        status, told = await client.call("PATCH", f"/sobjects/Contact/{results[0]['id']}", {"FirstName": "x"})
        assert (status, told[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")


async def test_logins_can_fail_too() -> None:
    """Faults of the line strike OAuth as well."""
    async with org_client() as client:
        await plant(client, "server_error", path="/oauth2/token", count=1)
        async with client.http.post(f"{client.org.base_url}/services/oauth2/token", data={}) as reply:
            assert reply.status == 503


async def test_the_daily_allocation_runs_out_and_comes_back() -> None:
    """Each metered call tells the use; the one too many is refused, and a day later there is room again."""
    now = [1_735_787_045_000]
    async with org_client(lambda: now[0], daily_api_requests=3, token_lifetime_seconds=1e6) as client:
        for used in (1, 2, 3):
            status, _, headers = await client.full("GET", "/sobjects")
            assert (status, headers["Sforce-Limit-Info"]) == (200, f"api-usage={used}/3")
        status, told = await client.call("GET", "/limits")
        assert (status, told[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
        async with client.http.get(f"{client.org.base_url}/services/data/") as reply:
            assert reply.status == 200
            assert "Sforce-Limit-Info" not in reply.headers
        now[0] += 25 * 3600 * 1000
        assert (await client.call("GET", "/limits"))[1]["DailyApiRequests"] == {"Max": 3, "Remaining": 2}


async def test_calls_are_counted_by_resource_and_client() -> None:
    """So that a test can tell whose calls they were."""
    async with org_client() as client:
        await client.create()
        client.client = "Other; defaultNamespace=x"
        for _ in range(2):
            await client.create()
        told = await client.admin("GET", "/calls")
        assert told["used"] == 3
        assert [(one["verb"], one["resource"], one["client"], one["count"]) for one in told["calls"]] == [
            ("POST", "/sobjects/{sobject}", "Other", 2),
            ("POST", "/sobjects/{sobject}", "Tandem", 1),
        ]
