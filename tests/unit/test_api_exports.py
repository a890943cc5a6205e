"""`/api/privacy/exports`: who may ask, how often, and what is answered."""

from support.api_world import FakeExportDesk
from support.fakes_api import NOW, running_api

from listener.api.exports import PREFIX, ExportRoutes
from schemas.api_key import Scope


async def test_all_that_is_held_is_told_and_by_whose_key_is_handed_on() -> None:
    """Documents, records and rows; the answer is kept by no cache."""
    desk = FakeExportDesk()
    async with running_api([ExportRoutes(desk, per_hour=10).group()]) as api:
        status, told, response = await api.call("GET", f"{PREFIX}/customer/cust-42")
    assert status == 200
    assert told["documents"] == {"customer:cust-42": {"_id": "cust-42", "revision": 1}}
    assert [row["Email"] for row in told["salesforce"].values()] == ["ana@example.com"]
    assert told["salesforce_sync_logs"] == [{"kind": "customer", "document": "cust-42"}]
    assert response.headers["Cache-Control"] == "no-store"
    assert desk.asked == [("customer", "cust-42", NOW, "api key 0123456789ab")]


async def test_nothing_held_and_a_store_that_is_away_are_told_apart() -> None:
    """404 says that nothing is held; what cannot be read is a 503 and never half of it."""
    desk = FakeExportDesk()
    async with running_api([ExportRoutes(desk, per_hour=10).group()]) as api:
        assert (await api.call("GET", f"{PREFIX}/customer/nobody"))[0] == 404
        assert (await api.call("GET", f"{PREFIX}/robot/r2"))[0] == 404
        desk.away = True
        assert (await api.call("GET", f"{PREFIX}/customer/cust-42"))[0] == 503


async def test_no_other_scope_will_do() -> None:
    """Not even that of erasures, and all others together."""
    desk = FakeExportDesk()
    async with running_api([ExportRoutes(desk, per_hour=10).group()]) as api:
        key = api.keys.add(*(set(Scope) - {Scope.EXPORT}), id="aaaaaaaaaaaa")
        status, told, _ = await api.call("GET", f"{PREFIX}/customer/cust-42", key=key)
    assert (status, told["type"]) == (403, "urn:tandem:problem:out_of_scope")
    assert not desk.asked


async def test_a_key_has_so_many_in_an_hour() -> None:
    """By the clock, for each key by itself, and asking in vain counts: whoever guesses ids is stopped as well."""
    desk = FakeExportDesk()
    async with running_api([ExportRoutes(desk, per_hour=2).group()]) as api:
        other = api.keys.add(Scope.EXPORT, id="aaaaaaaaaaaa")
        assert [(await api.call("GET", f"{PREFIX}/customer/nobody"))[0] for _ in range(2)] == [404, 404]
        status, told, response = await api.call("GET", f"{PREFIX}/customer/cust-42")
        assert (status, told["type"]) == (429, "urn:tandem:problem:too_many")
        assert 1700 < int(response.headers["Retry-After"]) <= 1801
        assert (await api.call("GET", f"{PREFIX}/customer/cust-42", key=other))[0] == 200
        api.clock[0] += 1_801
        assert (await api.call("GET", f"{PREFIX}/customer/cust-42"))[0] == 200
        assert (await api.call("GET", f"{PREFIX}/customer/cust-42"))[0] == 429
    assert len(desk.asked) == 2
