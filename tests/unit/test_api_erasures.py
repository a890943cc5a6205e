"""`/api/privacy/erasures`: who may ask, what is answered, and that the answer names nobody."""

from support.api_world import FakeErasureDesk
from support.fakes_api import running_api

from listener.api.erasures import PREFIX, ErasureRoutes


async def test_a_person_is_asked_to_be_forgotten_and_the_certificate_names_nobody() -> None:
    """202, and the same again by GET; twice is as good as once."""
    desk = FakeErasureDesk()
    async with running_api([ErasureRoutes(desk).group()]) as api:
        for _time in range(2):
            status, told, _ = await api.call("POST", PREFIX, {"kind": "customer", "id": "cust-42"})
            assert (status, told["state"], told["reference"]) == (202, "removed", "a1b2")
        status, again, _ = await api.call("GET", f"{PREFIX}/customer/cust-42")
        assert (status, again) == (200, told)
    assert "cust-42" not in str(told)
    assert desk.asked[("customer", "cust-42")].startswith("api key ")


async def test_what_cannot_be_asked_is_told() -> None:
    """A kind that is not mapped, an erasure that nobody asked for, and no key to keep the list by."""
    desk = FakeErasureDesk()
    async with running_api([ErasureRoutes(desk).group()]) as api:
        assert (await api.call("POST", PREFIX, {"kind": "robot", "id": "r2"}))[0] == 404
        assert (await api.call("GET", f"{PREFIX}/customer/nobody"))[0] == 404
        desk.set_up = False
        status, told, _ = await api.call("POST", PREFIX, {"kind": "customer", "id": "cust-42"})
        assert (status, told["type"]) == (409, "urn:tandem:problem:erasure_not_set_up")
    assert not desk.asked
