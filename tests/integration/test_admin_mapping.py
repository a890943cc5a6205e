"""The mapping on the admin page: changed, planned, published, applied and rolled back, on a real MongoDB."""

import html
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, Visitor, open_admin

from ops.errands import mappings as errands
from schemas.operators import Role

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org", "title": "Countess"}
WITHOUT_TITLE = "customer: Title"


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With an admin, an operator, and Ada."""
    async with open_admin(database) as world:
        for role in (Role.OPERATOR, Role.ADMIN):
            await world.user(str(role), role)
        await world.operator.stage.post(ADA, type_="customer.created")
        await world.operator.stage.settle()
        yield world


async def yaml(visitor: Visitor) -> str:
    """The one in force."""
    return str((await visitor.json("/admin/mapping"))["yaml"])


def without(text: str, field: str) -> str:
    """Without the line of that Salesforce field."""
    lines = [line for line in text.splitlines() if f"salesforce: {field}," not in line]
    assert len(lines) == len(text.splitlines()) - 1
    return "\n".join(lines)


async def planned(admin: AdminWorld, visitor: Visitor, text: str) -> str:
    """The address of a change whose plan is made."""
    await visitor.get("/admin/mapping")
    assert await visitor.post("/admin/mapping", {"yaml": text}) == 303, visitor.last
    to = visitor.sent_to
    await admin.work()
    return to


async def published(admin: AdminWorld, visitor: Visitor, to: str, why: str) -> dict[str, Any]:
    """Bring it into force; how it stands then."""
    await visitor.get(to)
    assert await visitor.post(f"{to}/publish", {"sure": "yes", "why": why}) == 303, visitor.last
    await admin.work()
    told: dict[str, Any] = await visitor.json(to)
    return told


async def test_a_change_is_planned_published_applied_and_rolled_back(admin: AdminWorld) -> None:
    """Each shows first what differs and what would come of it; documents follow; the audit has who and why."""
    mappings = admin.parts.mappings
    async with admin.visit("admin") as visitor:
        to = await planned(admin, visitor, without(await yaml(visitor), "Title"))
        told = await visitor.json(to)
        assert told["state"] == "planned"
        assert any(line.startswith(WITHOUT_TITLE) for line in told["differences"])
        assert any("1 document looked at" in line for line in told["plan"])
        await visitor.get(to)
        assert await visitor.post(f"{to}/publish") == 200
        assert "1 document looked at" in visitor.last
        current = await mappings.current()
        assert current is not None
        assert current.version == 1
        told = await published(admin, visitor, to, "nobody reads titles")
        assert (told["state"], told["version"], told["moves"]) == ("done", 2, False)
        document = await admin.operator.database["customers"].find_one({})
        assert document is not None
        assert document["_sync"]["mapping"] == 2
        await visitor.get("/admin/mapping")
        assert await visitor.post("/admin/mapping/rollback", {"version": "1"}) == 303
        back = visitor.sent_to
        await admin.work()
        assert (await published(admin, visitor, back, "they do"))["version"] == 3
        current, first = await mappings.current(), await mappings.get(1)
        assert current is not None
        assert first is not None
        assert current.kinds == first.kinds
        versions = (await visitor.json("/admin/mapping"))["versions"]
        assert [(each["version"], each["by"], each["note"]) for each in versions[:2]] == [
            (3, "admin", "they do"),
            (2, "admin", "nobody reads titles"),
        ]
        rows = (await visitor.json("/admin/audit"))["rows"]
        assert {(row["what"], row["note"]) for row in rows} == {
            ("mapping", "they do"),
            ("mapping", "nobody reads titles"),
        }
        told = await visitor.json("/admin/mapping/versions/2")
        assert (told["in_force"], len(told["changed"]), len(told["differs"])) == (3, 1, 1)
        assert await visitor.get("/admin/mapping/versions/2") == 200
        assert await visitor.get("/admin/mapping/versions/9") == 404


async def test_what_cannot_be_used_is_said_line_by_line_and_kept_in_the_form(admin: AdminWorld) -> None:
    """Wrong in itself, made from another version, the same as before, or against the org: nothing is published."""
    async with admin.visit("admin") as visitor:
        text = await yaml(visitor)
        for wrong, said in (
            ("kinds: [", "not YAML"),
            (text.replace("salesforce: Title,", "salesforce: Title, policy: nobody_wins,"), "policy"),
            (text.replace("version: 1", "version: 7"), "made from version 7"),
            (text, "nothing differs"),
        ):
            await visitor.get("/admin/mapping")
            assert await visitor.post("/admin/mapping", {"yaml": wrong}) == 422
            assert said in visitor.last, said
            assert "Nothing was changed" in visitor.last
        admin.org.against = ["customer: Contact.Title is gone (as the org has it)"]
        await visitor.get("/admin/mapping")
        assert await visitor.post("/admin/mapping", {"yaml": without(text, "Title")}) == 422
        assert "as the org has it" in visitor.last
        assert (await visitor.json("/admin/mapping"))["changes"] == []


async def test_faults_of_every_sort_are_told_in_one_answer(admin: AdminWorld) -> None:
    """While it is written, and when it is sent."""
    admin.org.against = ["customer.fields.nickname: the object has no field Nickname__c (as the org has it)"]
    async with admin.visit("admin") as visitor:
        text = (await yaml(visitor)).replace("sobject: Contact", "sobject: Person__c")
        text = text.replace("version: 1", "version: 7")
        text += "\n      - {platform: skills, salesforce: Skills__c, policy: newest}"
        text += "\n      - {platform: home, salesforce: Email}"
        sorts = [
            'policy: "newest" is not allowed',
            '"Email" is already mapped by fields[',
            'sobject: cannot change from "Contact" to "Person__c"',
            "no field Nickname__c",
            "made from version 7",
        ]
        told = (await checked(visitor, text))["problems"]
        assert [said for said in sorts if not any(said in line for line in told)] == []
        await visitor.get("/admin/mapping")
        assert await visitor.post("/admin/mapping", {"yaml": text}) == 422
        assert [line for line in told if line not in html.unescape(visitor.last)] == []
        admin.org.against, admin.org.untold = [], "it is away"
        assert "not compared with the org: it is away" in (await checked(visitor, text))["problems"]


async def checked(visitor: Visitor, text: str) -> Any:
    """What is said of it while it is written."""
    await visitor.get("/admin/mapping")
    assert await visitor.post("/admin/mapping/check", {"yaml": text}, Accept="application/json") == 200
    return orjson.loads(visitor.last)


async def test_what_is_wrong_is_told_while_it_is_written(admin: AdminWorld) -> None:
    """In itself and by the org, or what it changes; nothing is kept of it."""
    async with admin.visit("admin") as visitor:
        text = await yaml(visitor)
        assert await checked(visitor, text) == {"problems": [], "differences": [], "notes": []}
        assert "not YAML" in (await checked(visitor, "kinds: ["))["problems"][0]
        told = await checked(visitor, without(text, "Title"))
        assert (told["problems"], len(told["differences"])) == ([], 1)
        admin.org.against = ["customer: Contact.Title is gone (as the org has it)"]
        assert (await checked(visitor, without(text, "Title")))["problems"] == admin.org.against
        assert (await visitor.json("/admin/mapping"))["changes"] == []


async def test_it_is_tried_on_one_document(admin: AdminWorld) -> None:
    """Field by field, with what could not be written, and what would become of it; nothing is changed."""
    before = await admin.operator.stage.document()
    async with admin.visit("admin") as visitor:
        text = await yaml(visitor)
        wanted = text.replace("transform: [trim, lower]", "transform: [number]").replace(
            "salesforce: Title,", "salesforce: Nickname__c,"
        )
        form = {"yaml": wanted, "kind": "customer", "document": "cust-1"}
        await visitor.get("/admin/mapping")
        headers = {"Accept": "application/json"}
        assert await visitor.post("/admin/mapping/try", form, **headers) == 200
        told = orjson.loads(visitor.last)["tried"]
        rows = {row["field"]: row for row in told["fields"]}
        assert (rows["LastName"]["written"], rows["LastName"]["salesforce"]) == ("Lovelace", "Lovelace")
        assert rows["Email"]["wrong"]
        assert (rows["Nickname__c"]["document"], rows["Nickname__c"]["salesforce"]) == ("Countess", "-")
        assert "to be read whole first" in told["lines"]
        await visitor.get("/admin/mapping")
        assert await visitor.post("/admin/mapping/try", form) == 200
        assert "nothing was changed" in visitor.last
        assert "Nickname__c, policy" in visitor.last
        for wrong, status in (({"document": "nobody"}, 422), ({"kind": "planet"}, 409), ({"yaml": "kinds: ["}, 422)):
            await visitor.get("/admin/mapping")
            assert await visitor.post("/admin/mapping/try", {**form, **wrong}) == status, wrong
    assert await admin.operator.stage.document() == before


async def test_an_org_that_is_away_forbids_nothing_and_is_told(admin: AdminWorld) -> None:
    """Beside the plan."""
    admin.org.untold = "it did not answer within 10 seconds"
    async with admin.visit("admin") as visitor:
        to = await planned(admin, visitor, without(await yaml(visitor), "Title"))
        assert (await visitor.json(to))["notes"] == [f"not compared with the org: {admin.org.untold}"]


async def test_of_two_changes_of_one_version_one_is_published(admin: AdminWorld) -> None:
    """Whoever comes second is told, whether before or after the question."""
    async with admin.visit("admin") as visitor:
        text = await yaml(visitor)
        one = await planned(admin, visitor, without(text, "Title"))
        other = await planned(admin, visitor, without(text, "Department"))
        await published(admin, visitor, one, "first")
        await visitor.get(other)
        assert await visitor.post(f"{other}/publish", {"sure": "yes", "why": "second"}) == 409
        assert "version 2 has been published since" in visitor.last
        begun = {"state": "begun", "work": errands.APPLY, "note": "second", "begun_at": 1}
        await admin.parts.operations.turn(other.rpartition("/")[2], ["planned"], begun)
        await admin.work()
        told = await visitor.json(other)
        assert (told["state"], told["may"]) == ("failed", ["resume"])
        assert "version 2" in told["reason"]


async def test_killed_between_publishing_and_its_note_it_is_found_to_be_published(admin: AdminWorld) -> None:
    """The next process applies it, and publishes nothing twice."""
    async with admin.visit("admin") as visitor:
        to = await planned(admin, visitor, without(await yaml(visitor), "Title"))
        row = await admin.parts.operations.get(to.rpartition("/")[2])
        assert row is not None
        await admin.parts.mappings.publish(errands.wanted(row), 1, by="admin", note="why")
        begun = {"state": "begun", "work": errands.APPLY, "note": "why", "begun_at": 1}
        assert await admin.parts.operations.turn(row["_id"], ["planned"], begun)
        await admin.work()
        told = await visitor.json(to)
        assert (told["state"], told["version"]) == ("done", 2)
        assert len(await admin.parts.mappings.publications()) == 2


async def test_a_change_that_nobody_wants_any_more_is_dropped(admin: AdminWorld) -> None:
    """And cannot be published then."""
    async with admin.visit("admin") as visitor:
        to = await planned(admin, visitor, without(await yaml(visitor), "Title"))
        for what, status in (("resume", 409), ("drop", 303), ("drop", 409)):
            await visitor.get(to)
            assert await visitor.post(to, {"what": what, "sure": "yes", "why": "a slip"}) == status, what
        await visitor.get(to)
        assert await visitor.post(f"{to}/publish", {"sure": "yes", "why": "x"}) == 409


async def test_an_operator_sees_and_does_not_change_it(admin: AdminWorld) -> None:
    """There is no form for them."""
    async with admin.visit("operator") as visitor:
        assert await visitor.get("/admin/mapping") == 200
        assert "<textarea" not in visitor.last
        assert await visitor.post("/admin/mapping", {"yaml": await yaml(visitor)}) == 403
        assert await visitor.post("/admin/mapping/rollback", {"version": "1"}) == 403
