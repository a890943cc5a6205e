"""What waits for a person, redriven and discarded on the admin page: what was shown, and nothing else."""

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, Visitor, open_admin

from adapters.mongo.parked import Wanted
from ops.admin import state, waiting
from schemas import topics
from schemas.operators import Role

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
REASON = "unknown_event_type"
SURE = {"sure": "yes", "why": "mapped now"}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With an operator."""
    async with open_admin(database) as world:
        await world.user("operator", Role.OPERATOR)
        yield world


async def park(admin: AdminWorld, *ids: str) -> None:
    """A record of each, of a type that no kind names; a moment lies between two."""
    stage = admin.operator.stage
    for each in ids:
        stage.now += 1_000
        await stage.reconciler.handle([stage.event(ADA, id_=each, type_="customer.promoted")])


async def refuse(admin: AdminWorld, *ids: str, code: str = "UNABLE_TO_LOCK_ROW") -> None:
    """A customer each, whose write is refused for good."""
    stage = admin.operator.stage
    for each in ids:
        stage.salesforce.fail_rows(lambda _update: True, code="INVALID_EMAIL_ADDRESS", times=1)
        await stage.post({**ADA, "email": f"{each}@example.org"}, id_=each)
        await stage.settle()
        at = {"_sync.refusal.code": code}
        assert (await admin.operator.database["customers"].update_one({"_id": each}, {"$set": at})).matched_count


def fields(visitor: Visitor, button: str) -> list[tuple[str, str]]:
    """What the form of this button sends, in a browser that ticks nothing, but for its token."""
    (form,) = [each for each in re.findall(r"(?s)<form.*?</form>", visitor.last) if f">{button}<" in each]
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    sent = [(name, unescape(value)) for name, value in hidden if name != "csrf"]
    named = re.search(rf'<button[^>]* name="(\w+)" value="([^"]*)"[^>]*>{button}<', form)
    return sent + ([(named[1], unescape(named[2]))] if named else [])


async def pressed(visitor: Visitor, to: str, button: str, *more: tuple[str, str]) -> int:
    """Send the form of this button."""
    token = re.search(r'name="csrf" value="([^"]+)"', visitor.last)
    assert token is not None
    sent = [*fields(visitor, button), *more, ("csrf", token[1])]
    async with visitor.http.post(to, data=sent, allow_redirects=False) as reply:
        return await visitor._take(reply)


async def left(admin: AdminWorld) -> set[str]:
    """Of whom something waits yet."""
    return {item.key for item in await admin.operator.items()}


async def test_all_like_this_is_all_that_was_shown(admin: AdminWorld) -> None:
    """By the filters of the page; what came since is in no question, and what came since that is not touched."""
    await park(admin, "ada", "bob")
    await refuse(admin, "eve", code=REASON)
    async with admin.visit("operator") as visitor:
        await visitor.get(f"/admin/parked?reason={REASON}&topic={topics.PLATFORM_EVENTS}&key=customer:ada")
        await park(admin, "ada")
        assert await pressed(visitor, "/admin/parked/discard", "Redrive all like this") == 200
        assert "Discard 1 for good" in visitor.last
        assert await pressed(visitor, "/admin/parked/discard", "Discard", *SURE.items()) == 303
        assert len([each for each in await admin.operator.items() if each.key == "customer:ada"]) == 1

        await visitor.get(f"/admin/parked?reason={REASON}&topic={topics.PLATFORM_EVENTS}")
        assert await pressed(visitor, "/admin/parked/discard", "Redrive all like this") == 200
        assert "Discard 2 for good" in visitor.last
        await park(admin, "carol")
        assert await pressed(visitor, "/admin/parked/discard", "Discard", *SURE.items()) == 303
        assert {item.document or item.key for item in await admin.operator.items()} == {"eve", "carol"}


async def test_a_part_of_many_is_told_as_one(admin: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of how many, the oldest; the others wait for the next time."""
    monkeypatch.setattr(waiting, "MOST_AT_ONCE", 2)
    await park(admin, "ada", "bob", "carol")
    async with admin.visit("operator") as visitor:
        await visitor.get(f"/admin/parked?reason={REASON}")
        assert await pressed(visitor, "/admin/parked/redrive", "Redrive all like this") == 200
        assert "Redrive 2 of 3, the oldest" in visitor.last
        assert await pressed(visitor, "/admin/parked/redrive", "Redrive", *SURE.items()) == 303
        assert [key for _topic, key, _value, _headers in admin.log.published] == [b"customer:ada", b"customer:bob"]
        await visitor.get(f"/admin/parked?reason={REASON}")
        assert "2 redriven" in visitor.last
        assert await pressed(visitor, "/admin/parked/redrive", "Redrive all like this") == 200
        assert "Redrive 1<" in visitor.last


async def test_what_is_not_as_it_was_shown_is_left(admin: AdminWorld) -> None:
    """One that was refused again since is another matter, and one that is refused no more is done; the rest is done."""
    await refuse(admin, "ada", "bob", "carol")
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/salesforce")
        assert await pressed(visitor, "/admin/parked/discard", "Retry all like this") == 200
        assert "Discard 3 for good" in visitor.last
        customers = admin.operator.database["customers"]
        again = {"_sync.refusal.at": admin.operator.stage.now + 1, "_sync.refusal.code": "STRING_TOO_LONG"}
        await customers.update_one({"_id": "ada"}, {"$set": again})
        await customers.update_one({"_id": "bob"}, {"$unset": {"_sync.refusal": ""}})
        assert await pressed(visitor, "/admin/parked/discard", "Discard", *SURE.items()) == 303
        await visitor.get("/admin/parked")
        assert "1 discarded; 2 not: " in visitor.last
        assert waiting.AGAIN in visitor.last
    assert await left(admin) == {"customer:ada"}


async def test_salesforce_shows_the_newest_that_was_refused(
    admin: AdminWorld, database: AsyncDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest first, where the queue has the oldest; and of many the newest are looked at."""
    monkeypatch.setattr(state, "ERRORS", 2)
    await refuse(admin, "ada", "bob", "carol")
    for place, each in enumerate(("carol", "ada", "bob")):
        at = {"_sync.refusal.at": admin.operator.stage.now - 1_000 * place}
        await database["customers"].update_one({"_id": each}, {"$set": at})
    async with admin.visit("operator") as visitor:
        shown = await visitor.json("/admin/salesforce")
        assert [item["document"] for item in shown["errors"]] == ["carol", "ada"]
        assert (shown["errors_in_all"], shown["errors_more"]) == (3, False)
        await visitor.get("/admin/salesforce")
        assert "The newest 2 of 3." in visitor.last
        waiting_ones = (await visitor.json("/admin/parked"))["items"]
        assert [item["document"] for item in waiting_ones] == ["bob", "ada", "carol"]
    some = await admin.parts.parking().find(Wanted(), 2, 2, newest=True)
    assert ([item.document for item in some.items], some.more) == (["carol", "ada"], True)


async def test_refused_writes_are_retried_one_some_or_all(admin: AdminWorld) -> None:
    """From the page that shows them; of other topics nothing is."""
    await refuse(admin, "ada", "bob", "carol", "dan")
    await park(admin, "eve")

    async def waiting_ones() -> set[str]:
        return {item.document or item.key for item in await admin.operator.items()}

    async with admin.visit("operator") as visitor:
        for more, gone in (
            ([("only", "customer:ada")], {"ada"}),
            ([("id", "customer:bob"), ("id", "customer:carol")], {"bob", "carol"}),
        ):
            before = await waiting_ones()
            await visitor.get("/admin/salesforce")
            assert await pressed(visitor, "/admin/parked/redrive", "Retry what is chosen", *more) == 200
            assert await pressed(visitor, "/admin/parked/redrive", "Redrive", *SURE.items()) == 303
            assert before - await waiting_ones() == gone
        await visitor.get("/admin/salesforce")
        assert await pressed(visitor, "/admin/parked/redrive", "Retry all like this") == 200
        assert await pressed(visitor, "/admin/parked/redrive", "Redrive", *SURE.items()) == 303
        await visitor.get("/admin/salesforce")
        assert "Nothing is refused" in visitor.last
    assert await waiting_ones() == {"eve"}
