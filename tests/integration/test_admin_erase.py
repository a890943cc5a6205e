"""Having somebody forgotten on the admin page, on a real MongoDB."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin

from ops.admin.app import application
from schemas.erasure import Removed
from schemas.operators import Role

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
FORM = {"kind": "customer", "person": "cust-1"}
SURE = {**FORM, "sure": "yes", "why": "her letter"}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With an admin, and Ada."""
    async with open_admin(database) as world:
        await world.user("admin", Role.ADMIN)
        await world.operator.stage.post(ADA, type_="customer.created")
        yield world


async def test_a_person_is_forgotten_after_a_question(admin: AdminWorld) -> None:
    """It says what goes, does nothing yet, then asks for it; the audit knows the reference and not the person."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/erase")
        assert await visitor.post("/admin/erase", FORM) == 200
        assert "a document is there" in visitor.last
        assert await admin.erased() == set()
        assert await visitor.post("/admin/erase", SURE) == 303
        assert await admin.erased() == {"customer:cust-1"}
        told = await visitor.json("/admin/erase?kind=customer&id=cust-1")
        assert (told["certificate"]["state"], told["certificate"]["by"], told["unfinished"]) == ("asked", "admin", 1)
        assert "cust-1" not in str(told["certificate"])
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["note"], row["item"]) == ("erase", "her letter", told["certificate"]["reference"])


async def test_it_is_worked_at_as_if_asked_for_by_api(admin: AdminWorld) -> None:
    """What works at erasures takes it up; asked for twice it is one."""
    async with admin.visit("admin") as visitor:
        for _ in range(2):
            await visitor.get("/admin/erase")
            assert await visitor.post("/admin/erase", SURE) == 303
    erasures, now = admin.parts.erasures, admin.operator.stage.now
    assert erasures is not None
    taken = await erasures.take(now, now + 60_000)
    assert taken is not None
    assert (taken.kind, taken.document_id) == ("customer", "cust-1")
    assert await erasures.take(now, now + 60_000) is None


async def test_the_certificate_is_shown_from_the_first_moment_to_the_last(admin: AdminWorld) -> None:
    """Asked for, and over with something left."""
    erasures, now = admin.parts.erasures, admin.operator.stage.now
    assert erasures is not None
    await erasures.ask("customer", "cust-1", now, "by API")
    path = "/admin/erase?kind=customer&id=cust-1"
    async with admin.visit("admin") as visitor:
        assert await visitor.get(path) == 200
        assert "Certificate" in visitor.last
        taken = await erasures.take(now, now + 60_000)
        assert taken is not None
        removed = Removed({"mongodb.customers": 1}, ["Contact: DELETE_FAILED"])
        await erasures.passed(taken, removed, {}, now=now, again_at=None)
        assert await visitor.get(path) == 200
        assert "Left: Contact: DELETE_FAILED" in visitor.last
        assert "Over" in visitor.last


@pytest.mark.parametrize("wrong", [{"kind": "planet"}, {"person": " "}, {"why": " "}])
async def test_nobody_is_forgotten_by_a_form_that_is_not_right(admin: AdminWorld, wrong: dict[str, str]) -> None:
    """It is said what is missing."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/erase")
        assert await visitor.post("/admin/erase", {**SURE, **wrong}) == 409
    assert await admin.erased() == set()


async def test_without_a_key_nobody_can_be_forgotten(admin: AdminWorld) -> None:
    """The page says which setting is missing, and refuses."""
    async with TestServer(application(replace(admin.parts, erasures=None))) as server:
        admin.url = str(server.make_url("/"))
        async with admin.visit("admin") as visitor:
            assert await visitor.get("/admin/erase") == 200
            assert "ERASED_KEY" in visitor.last
            assert await visitor.post("/admin/erase", SURE) == 409
