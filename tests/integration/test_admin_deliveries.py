"""The admin page's deliveries, on a real MongoDB."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin

from schemas.delivery import Answer, Delivery, DeliveryState
from schemas.operators import Role

pytestmark = pytest.mark.integration

BODY = b'{"type":"customer.changed","data":{"id":"cust-1","fields":{"last_name":"Lovelace"}}}'


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With somebody in each role; one delivery was taken, one was given up."""
    async with open_admin(database) as world:
        for role in Role:
            await world.user(str(role), role)
        deliveries, now = world.parts.deliveries, world.operator.stage.now
        await deliveries.keep(
            [
                Delivery(f"evt-{number}", "customer", f"cust-{number}", "customer.changed", 3, BODY, now)
                for number in (1, 2)
            ],
            now,
        )
        taken, refused = sorted(await deliveries.take(now, 10, 60), key=lambda each: each.id)
        await deliveries.delivered([(taken, Answer(200, milliseconds=12))], now)
        await deliveries.given_up(refused, Answer(500, "http_500"), now)
        yield world


async def state_of(admin: AdminWorld, delivery: str) -> str:
    row = await admin.parts.deliveries.get(delivery)
    assert row is not None
    return str(row["state"])


async def test_what_was_told_and_how_it_went(admin: AdminWorld) -> None:
    """By state, by document; a viewer sees no values."""
    async with admin.visit("viewer") as visitor:
        told = await visitor.json("/admin/deliveries")
        assert told["counts"] == {"delivered": 1, "failed": 1}
        assert told["endpoint"]["url"] == "https://platform.example/told"
        (failed,) = (await visitor.json("/admin/deliveries?state=failed"))["deliveries"]
        assert (failed["id"], failed["answer"], failed["state"]) == ("evt-2", "500", "failed")
        (of_one,) = (await visitor.json("/admin/deliveries?kind=customer&document=cust-1"))["deliveries"]
        assert of_one["id"] == "evt-1"
        assert (failed["tries"], of_one["tries"]) == (1, 1)
        assert (await visitor.json("/admin/deliveries/one?id=evt-2"))["body"] is None
        assert await visitor.get("/admin/deliveries/one?id=evt-2") == 200
        assert "Lovelace" not in visitor.last
        assert await visitor.get("/admin/deliveries/one?id=nothing") == 404
    async with admin.visit("operator") as visitor:
        told = await visitor.json("/admin/deliveries/one?id=evt-2")
        assert told["body"]["data"]["fields"] == {"last_name": "Lovelace"}
        assert [each["why"] for each in told["attempts"]] == ["http_500"]


async def test_those_that_failed_are_posted_again(admin: AdminWorld) -> None:
    """After a question, with the reason in the audit; what was delivered is left alone."""
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/deliveries")
        assert await visitor.post("/admin/deliveries/redeliver") == 409
        await visitor.get("/admin/deliveries")
        assert await visitor.post("/admin/deliveries/redeliver", {"failed": "yes"}) == 200
        assert "evt-2" in visitor.last
        assert "evt-1" not in visitor.last
        assert await state_of(admin, "evt-2") == DeliveryState.FAILED
        sure = {"failed": "yes", "sure": "yes", "why": "the platform was down"}
        assert await visitor.post("/admin/deliveries/redeliver", sure) == 303
        assert await state_of(admin, "evt-2") == DeliveryState.PENDING
        assert await state_of(admin, "evt-1") == DeliveryState.DELIVERED
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["by"], row["note"]) == ("redeliver", "operator", "the platform was down")


async def test_one_is_posted_again_though_it_was_taken(admin: AdminWorld) -> None:
    """By its id."""
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/deliveries/one?id=evt-1")
        form = {"id": "evt-1", "sure": "yes", "why": "they lost it"}
        assert await visitor.post("/admin/deliveries/redeliver", form) == 303
        assert await state_of(admin, "evt-1") == DeliveryState.PENDING
        await visitor.get("/admin/deliveries")
        assert await visitor.post("/admin/deliveries/redeliver", {**form, "id": "evt-9"}) == 409


async def test_deliveries_are_held_back_and_go_on(admin: AdminWorld) -> None:
    """The reason stands beside the URL until it is enabled."""
    async with admin.visit("operator") as visitor:
        for what, enabled in (("disable", False), ("enable", True)):
            await visitor.get("/admin/deliveries")
            assert await visitor.post("/admin/deliveries/switch", {"what": what}) == 200
            sure = {"what": what, "sure": "yes", "why": "their release"}
            assert await visitor.post("/admin/deliveries/switch", sure) == 303
            endpoint = (await visitor.json("/admin/deliveries"))["endpoint"]
            assert endpoint["enabled"] is enabled
            assert endpoint["reason"] == ("" if enabled else "by operator: their release")
        await visitor.get("/admin/deliveries")
        assert await visitor.post("/admin/deliveries/switch", {"what": "explode"}) == 409
