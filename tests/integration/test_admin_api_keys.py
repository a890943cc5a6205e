"""The admin page's API keys, on a real MongoDB."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin

from adapters.encryption.secret_hash import SecretHashes
from schemas.api_key import Scope
from schemas.operators import Role

pytestmark = pytest.mark.integration

FORM = {"name": "ticket-shop", "scope-events": "yes", "scope-read": "yes", "days": "30"}
SURE = {**FORM, "sure": "yes", "why": "the shop is new"}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With an admin."""
    async with open_admin(database) as world:
        await world.user("admin", Role.ADMIN)
        yield world


async def test_a_key_is_shown_once_and_is_good(admin: AdminWorld) -> None:
    """What is shown opens the API; the list has neither it nor its hash; who made it is in the audit."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/api-keys")
        assert await visitor.post("/admin/api-keys", FORM) == 200
        assert "ticket-shop may with it: events, read" in visitor.last
        assert list(await admin.parts.api_keys.all()) == []
        assert await visitor.post("/admin/api-keys", {**FORM, "sure": "yes"}) == 409
        await visitor.get("/admin/api-keys")
        assert await visitor.post("/admin/api-keys", SURE) == 201
        shown = re.search(r"tdm_([0-9a-f]{12})_([\w-]+)", visitor.last)
        assert shown is not None
        stored = await admin.parts.api_keys.read(shown[1])
        assert stored is not None
        assert stored.scopes == (Scope.EVENTS, Scope.READ)
        assert (stored.made_by, stored.name) == ("admin", "ticket-shop")
        assert stored.ends_at is not None
        assert (stored.ends_at - stored.made_at).days == 30
        assert SecretHashes().verify(stored.hash, shown[2])
        await visitor.get("/admin/api-keys")
        assert shown[1] in visitor.last
        for secret in (shown[2], stored.hash):
            assert secret not in visitor.last
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["by"], row["item"]) == ("add api key", "admin", f"{shown[1]} of ticket-shop")
        assert (row["note"], row["result"]) == ("the shop is new", "it may events, read")
        assert shown[2] not in str(row)


async def test_a_key_is_rotated(admin: AdminWorld) -> None:
    """Another that may do the same for as long; the one before is good for a week more, and never for longer."""
    keys = admin.parts.api_keys
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/api-keys")
        await visitor.post("/admin/api-keys", SURE)
        (before,) = await keys.all()
        rotate = f"/admin/api-keys/{before.id}/rotate"
        await visitor.get("/admin/api-keys")
        assert await visitor.post(rotate) == 200
        assert len(list(await keys.all())) == 1
        assert await visitor.post(rotate, {"sure": "yes", "why": "the quarter is over"}) == 201
        shown = re.search(r"tdm_([0-9a-f]{12})_([\w-]+)", visitor.last)
        assert shown is not None
        ended, after = await keys.read(before.id), await keys.read(shown[1])
        assert ended is not None
        assert ended.ends_at is not None
        assert after is not None
        assert after.ends_at is not None
        assert (ended.ends_at - before.made_at).days == 7
        assert (after.scopes, after.name, (after.ends_at - after.made_at).days) == (before.scopes, before.name, 30)
        assert SecretHashes().verify(after.hash, shown[2])
        (row,) = [each for each in (await visitor.json("/admin/audit"))["rows"] if each["what"] == "rotate api key"]
        assert (row["by"], row["note"], row["result"]) == ("admin", "the quarter is over", f"by {after.id}")
        assert shown[2] not in str(row)
        admin.operator.stage.now += 6 * 86_400_000
        await visitor.sign_in("admin")
        await visitor.get("/admin/api-keys")
        assert await visitor.post(rotate, {"sure": "yes", "why": "again"}) == 201
        assert await keys.read(before.id) == ended
        admin.operator.stage.now += 2 * 86_400_000
        await visitor.sign_in("admin")
        await visitor.get("/admin/api-keys")
        assert await visitor.post(rotate, {"sure": "yes", "why": "too late"}) == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name": "x" * 101},
        {"days": "nan"},
        {"days": "-1"},
        {"days": "99999"},
        {"rate": "many"},
        {"scope-events": "", "scope-read": ""},
    ],
)
async def test_what_is_no_key_is_refused(admin: AdminWorld, wrong: dict[str, str]) -> None:
    """Nothing is kept."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/api-keys")
        assert await visitor.post("/admin/api-keys", {**SURE, **wrong}) == 409
    assert list(await admin.parts.api_keys.all()) == []


async def test_a_key_is_revoked_once(admin: AdminWorld) -> None:
    """After a question, for good."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/api-keys")
        await visitor.post("/admin/api-keys", SURE)
        (key,) = await admin.parts.api_keys.all()
        path = f"/admin/api-keys/{key.id}/revoke"
        for form, status in (({}, 200), ({"sure": "yes", "why": "it leaked"}, 303), ({"sure": "yes", "why": "x"}, 409)):
            assert await visitor.get("/admin/api-keys") == 200
            assert await visitor.post(path, form) == status
        (shown,) = (await visitor.json("/admin/api-keys"))["keys"]
        assert shown["revoked"]
        assert shown["state"].startswith("revoked ")
        await visitor.get("/admin/api-keys")
        assert await visitor.post("/admin/api-keys/none/revoke", {"sure": "yes", "why": "x"}) == 409
