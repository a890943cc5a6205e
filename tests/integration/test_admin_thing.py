"""What is done about one thing, the connection and the URL of deliveries on the admin page, on a real MongoDB."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.fake_salesforce import PERSON

from adapters.mongo.debug_marks import MongoDebugMarks
from ops.finding import Finding, State
from ops.sync_now import ASKED_FOR
from schemas.debugging import Debugged
from schemas.operators import Role
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}
SURE = {"sure": "yes", "why": "she called"}
SYNC = "/admin/customer/cust-1/sync"
DEBUG = "/admin/customer/cust-1/debug"
EXPORT = "/admin/customer/cust-1/export"


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With somebody in each role, and Ada."""
    async with open_admin(database) as world:
        for role in Role:
            await world.user(str(role), role)
        await world.operator.stage.post(ADA, type_="customer.created")
        await world.operator.stage.settle()
        yield world


async def test_sync_now_finds_what_nobody_told_of(admin: AdminWorld) -> None:
    """The record is read whole: an edit whose event never came is in the document; the audit has who and why."""
    stage = admin.operator.stage
    (record,) = stage.salesforce.rows["Contact"].values()
    stage.now += 3_600_000
    stage.salesforce.edit("Contact", record["Id"], {"Title": "Countess"})
    stage.salesforce.changes.clear()
    assert (await stage.document()).get("title") is None
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert SYNC in visitor.last
        assert await visitor.post(SYNC) == 200
        assert "read whole" in visitor.last
        assert "read" not in (await stage.document())["_sync"]
        assert await visitor.post(SYNC, {**SURE, "why": " "}) == 409
        await visitor.get("/admin/customer/cust-1")
        assert await visitor.post(SYNC, SURE) == 303
        assert (await stage.document())["_sync"]["read"] == ASKED_FOR
        stage.now += 600_000
        await stage.settle()
        document = await stage.document()
        assert (document["title"], "read" in document["_sync"]) == ("Countess", False)
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["by"], row["note"]) == ("sync now", "operator", "she called")
        assert "read whole" in row["result"]


async def test_who_edited_in_salesforce_is_in_the_story(admin: AdminWorld, database: AsyncDatabase[Any]) -> None:
    """By their id, for viewers too; a word that is no user's id is kept nowhere."""
    stage = admin.operator.stage
    (record,) = stage.salesforce.rows["Contact"].values()
    stage.salesforce.edit("Contact", record["Id"], {"Title": "Countess"})
    change = stage.salesforce.changes[-1]
    stage.salesforce.changes.append(change.model_copy(update={"commit_user": "ada@example.org"}))
    await stage.settle()
    async with admin.visit("viewer") as visitor:
        told = [entry["told"] for entry in (await visitor.json("/admin/customer/cust-1"))["story"]]
    assert any(line.endswith(f" by {PERSON}") for line in told)
    rows = await database["salesforce_sync_logs"].find({"record": record["Id"]}).to_list()
    assert PERSON in {row.get("user") for row in rows}
    assert "ada@example.org" not in str(rows)


async def test_sync_now_sends_a_refused_write_again(admin: AdminWorld) -> None:
    """As if it had never been refused, and at once."""
    stage = admin.operator.stage
    stage.salesforce.fail_rows(lambda _row: True, code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    await stage.post({"title": "Countess"}, changed=["title"])
    await stage.settle()
    assert (await stage.document())["salesforce"]["syncStatus"] == "error"
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert await visitor.post(SYNC, SURE) == 303
    stage.now += 600_000
    await stage.settle()
    (record,) = stage.salesforce.rows["Contact"].values()
    assert (record["Title"], (await stage.document())["salesforce"]["syncStatus"]) == ("Countess", "synced")


@pytest.mark.parametrize(
    "path", ["/admin/customer/nobody/sync", "/admin/planet/mars/sync", "/admin/planet/mars/export"]
)
async def test_what_is_not_there_is_not_synced_or_exported(admin: AdminWorld, path: str) -> None:
    """It is said, and no row is kept of it."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin")
        assert await visitor.post(path, SURE) == 409
        assert (await visitor.json("/admin/audit"))["rows"] == []


async def test_all_that_is_held_of_a_person_is_a_file_and_a_row_of_the_audit(admin: AdminWorld) -> None:
    """For admins, after a question; nothing is given where one side does not answer."""
    admin.org.holds = {"documents": {"customer:cust-1": ADA}}
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert await visitor.post(EXPORT) == 200
        assert "Lovelace" not in visitor.last
        assert (await visitor.json("/admin/audit"))["rows"] == []
        assert await visitor.post(EXPORT, SURE) == 200
        assert orjson.loads(visitor.last) == admin.org.holds
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["item"], row["note"], row["by"]) == (
            "export",
            "customer/cust-1",
            "she called",
            "admin",
        )
        await visitor.get("/admin/customer/cust-1")
        admin.org.holds = {}
        assert await visitor.post(EXPORT, SURE) == 409
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert EXPORT not in visitor.last
        assert await visitor.post(EXPORT, SURE) == 403


async def test_salesforce_away_gives_no_half_of_what_is_held(
    admin: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and no row says that anybody was told of her."""

    async def away(_kind: str, _id: str) -> dict[str, Any]:
        raise Unavailable("Salesforce did not answer within 60 seconds")

    monkeypatch.setattr(admin.org, "held", away)
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert await visitor.post(EXPORT, SURE) == 503
        assert (await visitor.json("/admin/audit"))["rows"] == []


async def test_the_connection_is_tried(admin: AdminWorld) -> None:
    """Only when somebody wants it: the page itself calls nobody."""
    missing = "customer: Contact.Tandem_Customer_Id__c is not there"
    admin.org.found.append(Finding("Salesforce", State.FAILED, missing))
    async with admin.visit("operator") as visitor:
        assert await visitor.get("/admin/connection") == 200
        assert missing not in visitor.last
        assert await visitor.post("/admin/connection") == 200
        assert missing in visitor.last
        assert (await visitor.json("/admin/connection"))["findings"] is None
    async with admin.visit("viewer") as visitor:
        await visitor.get("/admin/connection")
        assert "Try it" not in visitor.last


async def test_the_url_of_deliveries_is_set(admin: AdminWorld) -> None:
    """One that may be; an empty one leaves it to the settings; the audit has it."""
    to = "/admin/deliveries/url"
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/deliveries")
        assert await visitor.post(to, {"url": "http://127.0.0.1:8080/told"}) == 200
        assert await visitor.post(to, {"url": "http://127.0.0.1:8080/told", **SURE}) == 303
        assert (await visitor.json("/admin/deliveries"))["endpoint"]["url"] == "http://127.0.0.1:8080/told"
        for unfit in ("ftp://127.0.0.1/told", "http://10.0.0.1/told", "nowhere"):
            await visitor.get("/admin/deliveries")
            assert await visitor.post(to, {"url": unfit, **SURE}) == 409, unfit
        await visitor.get("/admin/deliveries")
        assert await visitor.post(to, {"url": "", **SURE}) == 303
        assert (await visitor.json("/admin/deliveries"))["endpoint"]["url"] == "https://platform.example/told"
        rows = (await visitor.json("/admin/audit"))["rows"]
        assert {(row["what"], row["note"]) for row in rows} == {("deliveries_url", "she called")}
        assert len(rows) == 2


async def test_debugging_is_switched_on_and_off_on_its_page(admin: AdminWorld) -> None:
    """It asks first and says for how long; the page says until when and who; the story has what was decided since."""
    stage = admin.operator.stage
    marks = MongoDebugMarks(admin.parts.database)
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert "Debug it" in visitor.last
        assert await visitor.post(DEBUG, {"minutes": "15"}) == 200
        assert "for 15 minutes" in visitor.last
        assert await marks.lasting(stage.now) == []
        for wrong in ({"minutes": "15", "why": " "}, {"minutes": "1441"}, {"minutes": "soon"}):
            await visitor.get("/admin/customer/cust-1")
            assert await visitor.post(DEBUG, {**SURE, **wrong}) == 409
        await visitor.get("/admin/customer/cust-1")
        assert await marks.lasting(stage.now) == []
        assert await visitor.post(DEBUG, {"minutes": "15", **SURE}) == 303
        (mark,) = await marks.lasting(stage.now)
        assert (mark.until - mark.at, mark.by, mark.why) == (900_000, "operator", "she called")
        stage.debugged = Debugged([mark])
        await stage.post({"title": "Countess"}, changed=["title"])
        await visitor.get("/admin/customer/cust-1")
        assert "by operator: she called" in visitor.last
        assert "title 8 characters, " in visitor.last
        assert (await visitor.json("/admin/customer/cust-1"))["debugged"]["until"] == mark.until
        assert await visitor.post(DEBUG, {"off": "off"}) == 200
        assert await visitor.post(DEBUG, {"off": "off", **SURE}) == 303
        assert await marks.lasting(stage.now) == []
        rows = (await visitor.json("/admin/audit"))["rows"]
        assert {(row["what"], row["by"]) for row in rows} == {("debug off", "operator"), ("debug on", "operator")}
    async with admin.visit("viewer") as visitor:
        await visitor.get("/admin/customer/cust-1")
        assert "Debug it" not in visitor.last
        assert "Countess" not in visitor.last
