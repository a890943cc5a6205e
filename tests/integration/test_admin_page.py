"""The admin page over HTTP, on a real MongoDB."""

import asyncio
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import orjson
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import HASHED, PASSWORD, AdminWorld, open_admin
from support.review_stage import disagree
from support.running import until

from adapters.mongo.debug_marks import MongoDebugMarks
from adapters.mongo.gaps import MongoGaps, MongoLogGaps
from adapters.mongo.operations import MongoOperations
from ops.admin import login
from ops.admin.routes import ROUTES
from ops.gaps_view import handle
from ops.parked_view import MASK
from schemas import topics
from schemas.gap import GapState
from schemas.operators import Role
from schemas.process import SignOfLife
from schemas.stream import Gap, LostOffsets
from schemas.sync_run import RunState
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def admin(database: AsyncDatabase[dict[str, Any]]) -> AsyncIterator[AdminWorld]:
    """With somebody in each role."""
    async with open_admin(database) as world:
        for role in Role:
            await world.user(str(role), role)
        yield world


async def parked(admin: AdminWorld) -> str:
    """A record that waits for a person; its id."""
    await admin.operator.stage.reconciler.handle([admin.operator.stage.event(ADA, type_="customer.promoted")])
    (item,) = await admin.operator.items()
    return item.id


async def test_every_address_by_every_role(admin: AdminWorld) -> None:
    """Without a visit one is sent to the login, with too little one is refused, before anything is looked at."""
    paths = [
        (
            route,
            route.path.format(
                kind="customer",
                id="none",
                gap="none",
                name="none",
                run="none",
                key="none",
                replay="none",
                change="none",
                version="none",
            ),
        )
        for route in ROUTES
    ]
    async with admin.visit() as nobody:
        for route, path in paths:
            status = await (nobody.get(path) if route.method == "GET" else nobody.post(path))
            assert (status, nobody.sent_to.split("?")[0]) == (303, "/admin/login"), path
    for role in Role:
        async with admin.visit(str(role)) as visitor:
            for route, path in paths:
                if path in ("/admin/live", "/admin/logout"):
                    continue
                await visitor.get("/admin")
                status = await (visitor.get(path) if route.method == "GET" else visitor.post(path))
                assert (status == 403) is not role.may(route.role), (role, path, status)
                assert status < 500, (role, path, visitor.last)


async def test_a_form_of_another_visit_or_site_does_nothing(admin: AdminWorld) -> None:
    """Neither without the token, nor with it from another site."""
    row = await parked(admin)
    form = {"id": row, "sure": "yes", "why": "x"}
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin")
        assert await visitor.post("/admin/parked/redrive", form, csrf=False) == 403
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}):
            await visitor.get("/admin")
            assert await visitor.post("/admin/parked/redrive", form, **headers) == 403
    assert admin.log.published == []


async def test_every_answer_has_its_guards(admin: AdminWorld) -> None:
    """Pages, refusals and redirects alike; no page has a script of its own."""
    async with admin.visit("admin") as visitor:
        for path in ("/admin", "/admin/login", "/admin/customer/none", "/admin/nowhere/at/all", "/"):
            async with visitor.http.get(path, allow_redirects=False) as reply:
                assert "default-src 'none'" in reply.headers["Content-Security-Policy"], path
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
        async with visitor.http.get("/admin") as reply:
            assert not re.search(r"<script(?![^>]*src=)|style=|onclick", await reply.text())


async def test_in_and_out(admin: AdminWorld) -> None:
    """Wrong words say the same of a wrong name; out is out; who is shut out is out at once."""
    async with admin.visit() as visitor:
        assert await visitor.sign_in("nobody") == 403
        told = visitor.last
        assert await visitor.sign_in("viewer", "wrong") == 403
        assert visitor.last == told
        assert await visitor.sign_in("viewer") == 303
        assert await visitor.get("/admin") == 200
        assert await visitor.post("/admin/logout") == 303
        assert await visitor.get("/admin") == 303
        assert await visitor.sign_in("viewer") == 303
        await admin.parts.users.set_disabled("viewer", disabled=True)
        assert await visitor.get("/admin") == 303
        assert await visitor.sign_in("viewer") == 403


async def test_guessing_is_slow(admin: AdminWorld) -> None:
    """After a few wrong ones not even the right one is looked at, for a while."""
    async with admin.visit() as visitor:
        for _ in range(5):
            assert await visitor.sign_in("viewer", "wrong") == 403
        assert await visitor.sign_in("viewer") == 429
        admin.operator.stage.now += 2_000
        assert await visitor.sign_in("viewer") == 303


@pytest.mark.parametrize("name", ["viewer", "Viewer", "nobody"])
async def test_guessing_side_by_side_is_no_faster(admin: AdminWorld, name: str) -> None:
    """Of many at once five are looked at, also where there is no such user: which there are is not told by it."""
    async with admin.visit() as visitor:
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(visitor.sign_in(name, f"wrong {place}")) for place in range(20)]
        assert sorted(each.result() for each in tries) == [403] * 5 + [429] * 15
        admin.operator.stage.now += 2_000
        assert await visitor.sign_in(name, "wrong") == 403
        assert await visitor.sign_in(name, "wrong") == 429
        assert "Too many wrong passwords" in visitor.last
        admin.operator.stage.now += 25 * 3_600_000
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(visitor.sign_in(name, "wrong")) for _ in range(6)]
        assert sorted(each.result() for each in tries) == [403] * 5 + [429], "forgotten after a day"
    kept = str(await admin.operator.database["tandem_tries"].find().to_list())
    assert "viewer" not in kept.lower()
    assert "127.0.0.1" not in kept


async def test_an_address_that_tries_many_names_waits(admin: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for long: it may be that of everybody's proxy. Who signs in is not counted."""
    monkeypatch.setattr(login, "NO_ONE", HASHED)  # as cheap to look at as the tests' own
    async with admin.visit() as visitor:
        for place in range(30):
            assert await visitor.sign_in(f"nobody-{place}", "wrong") == 403
            if place < 10:
                assert await visitor.sign_in("viewer") == 303
        assert await visitor.sign_in("viewer") == 429
        admin.operator.stage.now += 1_001
        assert await visitor.sign_in("viewer") == 303


async def test_who_is_let_in_again_may_try_at_once(admin: AdminWorld) -> None:
    """And so may who was given another password."""
    users = admin.parts.users
    async with admin.visit() as visitor:
        for let_in in (
            partial(users.set_disabled, "viewer", disabled=False),
            partial(users.set_password, "viewer", HASHED),
        ):
            for _ in range(5):
                await visitor.sign_in("viewer", "wrong")
            assert await visitor.sign_in("viewer") == 429
            assert await let_in()
            assert await visitor.sign_in("viewer") == 303


async def test_few_passwords_are_looked_at_at_once(admin: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a core and 64 MiB; who comes while very many wait is sent away."""
    at_once, most, let = 0, 0, asyncio.Event()

    async def slow(_password: str, _stored: str) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await let.wait()
        at_once -= 1
        return False

    async def reply(place: int) -> int:
        async with admin.visit() as visitor:
            status = await visitor.sign_in(f"nobody-{place}")
            if status == 503:
                await until(lambda: at_once == login.AT_ONCE or let.is_set(), "as many as may be are looked at")
                let.set()
            return status

    monkeypatch.setattr(login, "is_password", slow)
    monkeypatch.setattr(login, "LOOKING", 10)
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(reply(place)) for place in range(15)]
    assert most == login.AT_ONCE
    assert {each.result() for each in tries} == {403, 503}


async def test_a_visit_ends_without_clicks(admin: AdminWorld) -> None:
    """After half an hour; a click within it holds it open."""
    async with admin.visit("viewer") as visitor:
        for _ in range(3):
            admin.operator.stage.now += 29 * 60_000
            assert await visitor.get("/admin") == 200
        admin.operator.stage.now += 31 * 60_000
        assert await visitor.get("/admin") == 303


async def test_redriving_asks_first_and_is_kept(admin: AdminWorld) -> None:
    """What would come of it, then why; then it is published again, and the audit has who and why."""
    row = await parked(admin)
    async with admin.visit("operator") as visitor:
        assert await visitor.get("/admin/parked") == 200
        assert row in visitor.last
        assert await visitor.post("/admin/parked/redrive", {"id": row}) == 200
        assert "would be parked again" in visitor.last
        assert admin.log.published == []
        assert await visitor.post("/admin/parked/redrive", {"id": row, "sure": "yes", "why": " "}) == 409
        await visitor.get("/admin/parked")
        assert await visitor.post("/admin/parked/redrive", {"id": row, "sure": "yes", "why": "mapped now"}) == 303
        assert len(admin.log.published) == 1
        assert await visitor.get("/admin/parked") == 200
        assert "1 redriven" in visitor.last
        (done,) = (await visitor.json("/admin/audit"))["rows"]
        assert (done["by"], done["what"], done["note"], done["result"]) == (
            "operator",
            "redrive",
            "mapped now",
            "redriven",
        )


async def test_a_question_is_json_too(admin: AdminWorld) -> None:
    """It says what answers it: sent back with why, and with the token of the visit, it is done as by the page."""
    row = await parked(admin)
    accept = {"Accept": "application/json"}
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/parked")
        token = re.search(r'name="csrf" value="([^"]+)"', visitor.last)
        assert token is not None
        assert await visitor.post("/admin/parked/redrive", {"id": row}, **accept) == 200
        asked = orjson.loads(visitor.last)
        assert (asked["question"], asked["to"], asked["say"]) == ("Redrive 1", "/admin/parked/redrive", ["why"])
        assert (asked["send"]["id"], asked["send"]["sure"], asked["dangerous"]) == ([row], ["yes"], False)
        assert any("would be parked again" in line for line in asked["lines"])
        assert admin.log.published == []
        answer = [(name, value) for name, values in asked["send"].items() for value in values]
        answer += [("why", "mapped now"), ("csrf", token[1])]
        async with visitor.http.post(asked["to"], data=answer, headers=accept) as reply:
            assert await reply.json() == {"told": "1 redriven"}
    assert len(admin.log.published) == 1


async def test_a_question_for_a_password_holds_none(admin: AdminWorld) -> None:
    """In JSON as on the page."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/users")
        form = {"name": "grace", "role": "viewer", "password": "a long enough one"}
        assert await visitor.post("/admin/users", form, Accept="application/json") == 200
        asked = orjson.loads(visitor.last)
        assert "a long enough one" not in visitor.last
        assert asked["send"] == {"sure": ["yes"], "name": ["grace"], "role": ["viewer"]}
        assert asked["say"] == ["why", "password"]


async def test_discarding_all_of_one_reason(admin: AdminWorld) -> None:
    """By its reason, without ticking each."""
    await parked(admin)
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/parked?reason=unknown_event_type")
        form = {"like": "unknown_event_type", "sure": "yes", "why": "test data"}
        assert await visitor.post("/admin/parked/discard", form) == 303
    assert await admin.operator.items() == []


async def test_a_conflict_is_settled_for_a_side(admin: AdminWorld) -> None:
    """Both values are shown; the chosen one is in the document, and the choice is in the audit."""
    await disagree(admin.operator.stage)
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/conflicts")
        assert "p-cust-1" in visitor.last
        assert "s-cust-1" in visitor.last
        form = {"kind": "customer", "document": "cust-1", "path": "phone", "side": "platform"}
        assert await visitor.post("/admin/conflicts/choose", form) == 200
        assert await visitor.post("/admin/conflicts/choose", {**form, "sure": "yes", "why": "called her"}) == 303
        assert (await admin.operator.stage.document())["phone"] == "p-cust-1"
        assert (await visitor.json("/admin/conflicts"))["number"] == 0
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["note"]) == ("choose", "called her")


async def test_a_gap_is_closed_by_hand(admin: AdminWorld) -> None:
    """With a reason, and the name of who did it."""
    lost = LostOffsets(5, 9, 12)
    gaps = MongoLogGaps(admin.operator.database)
    await gaps.record("tandem.reconcile", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", lost, 1_000)
    (gap,) = await admin.parts.gaps.unrepaired()
    async with admin.visit("operator") as visitor:
        assert await visitor.get(f"/admin/gaps/{handle(gap.id)}") == 200
        close = f"/admin/gaps/{handle(gap.id)}/close"
        assert await visitor.post(close) == 200
        assert await visitor.post(close, {"sure": "yes", "why": "sent again by the platform"}) == 303
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["by"], row["what"], row["note"]) == ("operator", "close gap", "sent again by the platform")
        assert handle(gap.id) in row["item"]
        assert row["result"] == "done"
    (closed,) = await admin.parts.gaps.rows()
    assert (closed.closed_by, closed.note) == ("operator", "sent again by the platform")


async def test_a_gap_is_repaired_now(admin: AdminWorld) -> None:
    """Whoever repairs it is asked, with a reason; one that no process can repair is not asked for."""
    stream = Gap("/data/ChangeEvents", "position_refused", 1_000, 2_000, 7)
    await MongoGaps(admin.operator.database, "00D").record(stream)
    lost = LostOffsets(5, 9, 12)
    await MongoLogGaps(admin.operator.database).record(
        "tandem.reconcile", topics.PLATFORM_EVENTS, 0, "offset_out_of_range", lost, 3_000
    )
    gap, by_hand = await admin.parts.gaps.unrepaired()
    await admin.parts.gaps.failed(gap, "Salesforce does not answer", admin.operator.stage.now - 1)
    repair = f"/admin/gaps/{handle(gap.id)}/repair"
    async with admin.visit("operator") as visitor:
        assert await visitor.get(f"/admin/gaps/{handle(gap.id)}") == 200
        assert await visitor.post(repair) == 200
        assert (await admin.parts.gaps.unrepaired())[0].asked_at == 0
        assert await visitor.post(repair, {"sure": "yes", "why": "the org is back"}) == 303
        told = await visitor.json(f"/admin/gaps/{handle(gap.id)}")
        assert told["asked_at"] == admin.operator.stage.now
        assert any("operator asked for it" in line for line in told["lines"])
        (row,) = (await visitor.json("/admin/audit"))["rows"]
        assert (row["what"], row["by"], row["note"]) == ("repair gap", "operator", "the org is back")
        assert await visitor.get(f"/admin/gaps/{handle(by_hand.id)}") == 200
        assert "Repair now" not in visitor.last
        assert await visitor.post(f"/admin/gaps/{handle(by_hand.id)}/repair") == 409
    asked = await admin.parts.gaps.read(gap.id)
    assert asked is not None
    assert (asked.asked_by, asked.state) == ("operator", GapState.OPEN)


async def test_one_thing_is_told_whole_and_masked_for_viewers(admin: AdminWorld) -> None:
    """Found by its id, its record's, or its e-mail; field by field; a viewer sees that there is something."""
    await admin.operator.stage.post(ADA, type_="customer.created")
    await admin.operator.stage.settle()
    record = (await admin.operator.stage.document())["salesforce"]["recordId"]
    async with admin.visit("operator") as visitor:
        for given in ("cust-1", record):
            found = (await visitor.json(f"/admin/find?q={given}"))["found"]
            assert found == [{"kind": "customer", "id": "cust-1"}]
        for path in ("/admin/customer/cust-1", "/admin/customers/cust-1"):
            told = await visitor.json(path)
            (row,) = [row for row in told["fields"] if row["path"] == "last_name"]
            assert (told["status"], row["document"], row["salesforce"], row["same"]) == (
                "synced",
                "Lovelace",
                "Lovelace",
                True,
            )
    async with admin.visit("viewer") as visitor:
        told = await visitor.json("/admin/customer/cust-1")
        assert "Lovelace" not in orjson.dumps(told).decode()
        (row,) = [row for row in told["fields"] if row["path"] == "last_name"]
        assert row["document"] == MASK
        assert await visitor.get("/admin/customer/cust-1") == 200
        assert "Lovelace" not in visitor.last


async def test_what_is_shown_is_never_a_tag(admin: AdminWorld) -> None:
    """Values of both sides, ids and what an address says are text."""
    await admin.operator.stage.post({"last_name": "<script>alert(1)</script>", "email": "x@example.org"}, id_="<b>")
    async with admin.visit("admin") as visitor:
        for path in (
            "/admin/customer/%3Cb%3E",
            "/admin/find?q=%3Cscript%3E",
            "/admin/parked?reason=%22%3E%3Cscript%3E",
        ):
            await visitor.get(path)
            assert "<script>" not in visitor.last, path
            assert "<b>" not in visitor.last


async def test_kafka_away_is_a_sign_and_no_error(admin: AdminWorld) -> None:
    """The page stands, its numbers are unknown, and it says so first."""
    admin.ends.away = True
    async with admin.visit("viewer") as visitor:
        told = await visitor.json("/admin")
        assert (told["level"], told["flow"][0]["lag"]) == ("ill", None)
        assert "kafka does not answer" in told["sentence"]


async def test_what_waits_for_deliveries_and_enrichment_is_in_the_flow_where_they_are_at_work(
    admin: AdminWorld,
) -> None:
    """Where nobody reads a topic all of it is unread, and none of it waits."""
    admin.ends.topics |= {topics.PLATFORM_CHANGES: (100, 20_007), topics.ENRICHMENT_REQUESTS: (50, 4)}
    async with admin.visit("viewer") as visitor:
        flow = (await visitor.json("/admin"))["flow"]
        assert [each["topic"] for each in flow] == list(topics.ALL)
        for stage in ("deliver", "enrich"):
            await admin.parts.processes.tell(SignOfLife(f"host:{stage}:8081", stage, [stage]))
        told = await visitor.json("/admin")
        assert [(each["topic"], each["lag"]) for each in told["flow"][3:]] == [
            (topics.PLATFORM_CHANGES, 20_007),
            (topics.ENRICHMENT_REQUESTS, 4),
        ]
        assert "lag:platform.changes" in [sign["name"] for sign in told["signs"]]
        await visitor.get("/admin")
        assert "4</span> to do by the enrichment" in visitor.last


async def test_an_open_page_is_told_anew(admin: AdminWorld) -> None:
    """By server-sent events."""
    async with admin.visit("viewer") as visitor, visitor.http.get("/admin/live") as reply:
        assert reply.content_type == "text/event-stream"
        assert await reply.content.readline() == b"event: overview\n"
        first = orjson.loads((await reply.content.readline()).removeprefix(b"data: "))
        assert first["level"] == "ill"
        assert first["sentence"].startswith("Not well")
        assert "12</span> to do by the writer" in first["parts"]["flow"]
        assert 'data-value="parked">0<' in first["parts"]["waits"]
        assert "not heard yet" in first["parts"]["org"]
        await parked(admin)
        while True:
            line = await reply.content.readline()
            if line.startswith(b"data: ") and "1 parked record waiting" in orjson.loads(line[6:])["parts"]["signs"]:
                break


async def test_users_are_added_changed_and_shut_out(admin: AdminWorld) -> None:
    """By an admin, not of themselves; a changed role holds at once."""
    async with admin.visit("admin") as visitor:
        await visitor.get("/admin/users")
        form = {"name": "grace", "role": "viewer"}
        sure = {**form, "password": "a long enough one", "sure": "yes", "why": "she is new"}
        assert await visitor.post("/admin/users", {**form, "password": "a long enough one"}) == 200
        assert "a long enough one" not in visitor.last, "no page holds a password"
        assert await visitor.post("/admin/users", {**sure, "why": ""}) == 409
        assert await admin.parts.users.find("grace") is None
        await visitor.get("/admin/users")
        assert await visitor.post("/admin/users", sure) == 303
        await visitor.get("/admin/users")
        assert "argon2" not in visitor.last
        for again in (form, sure):
            assert await visitor.post("/admin/users", again) == 409
            await visitor.get("/admin/users")
        change = {"what": "role:operator", "sure": "yes", "why": "on call"}
        assert await visitor.post("/admin/users/admin", change) == 409
        await visitor.get("/admin/users")
        assert await visitor.post("/admin/users/grace", change) == 303
    grace = await admin.parts.users.find("grace")
    assert grace is not None
    assert grace.role is Role.OPERATOR
    told = {(row["what"], row["note"], row["result"]) for row in await admin.operator.operations()}
    assert told == {
        ("add user", "she is new", "as viewer"),
        ("add user", "she is new", "not done: there is a user grace already"),
        ("role:operator", "on call", "done"),
    }


async def test_what_cannot_be_noted_is_not_done(admin: AdminWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every change that was made it is known who made it, and why: the audit has it first."""
    sure = {"sure": "yes", "why": "on call"}
    changes = {
        "/admin/users": {"name": "grace", "role": "viewer", "password": "a long enough one"},
        "/admin/users/viewer": {"what": "role:admin"},
        "/admin/users/operator": {"what": "disable"},
        "/admin/deliveries/url": {"url": "http://127.0.0.1:8080/told"},
        "/admin/deliveries/switch": {"what": "disable"},
        "/admin/api-keys": {"name": "shop", "scope-read": "yes"},
        "/admin/customer/cust-1/debug": {"minutes": "60"},
        "/admin/account": {"password": PASSWORD, "fresh": "another long password"},
    }
    endpoint = await admin.parts.endpoints.current()

    async def away(_self: MongoOperations, _rows: Any) -> None:
        raise Unavailable("MongoDB does not answer")

    async with admin.visit("admin") as visitor:
        seen = await admin.parts.users.all()
        monkeypatch.setattr(MongoOperations, "add", away)
        for path, form in changes.items():
            await visitor.get("/admin/users")
            assert await visitor.post(path, {**form, **sure}) == 503, path
    assert await admin.parts.users.all() == seen
    assert await admin.parts.endpoints.current() == endpoint
    assert list(await admin.parts.api_keys.all()) == []
    assert await MongoDebugMarks(admin.parts.database).lasting(admin.operator.stage.now) == []


async def test_one_changes_ones_own_password(admin: AdminWorld) -> None:
    """By the one before; every visit ends."""
    async with admin.visit("viewer") as visitor:
        await visitor.get("/admin/account")
        fresh = "another long password"
        assert await visitor.post("/admin/account", {"password": "wrong", "fresh": fresh}) == 409
        await visitor.get("/admin/account")
        assert await visitor.post("/admin/account", {"password": "correct horse battery", "fresh": fresh}) == 303
        assert await visitor.get("/admin") == 303
        assert await visitor.sign_in("viewer", fresh) == 303


async def test_a_run_is_planned_before_it_is_begun(admin: AdminWorld) -> None:
    """The plan counts and changes nothing; of one plan there is one run, however often it is begun."""
    runs = admin.parts.runs
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/runs")
        assert await visitor.post("/admin/runs", {"what": "nothing", "direction": "both"}) == 409
        await visitor.get("/admin/runs")
        assert (
            await visitor.post("/admin/runs", {"what": "customer", "direction": "push", "since": "2026-01-02"}) == 303
        )
        (planned,) = await runs.newest(10)
        assert (planned.request.dry_run, planned.request.by, len(planned.steps)) == (True, "operator", 1)
        assert visitor.sent_to == f"/admin/runs/{planned.id}"
        assert await visitor.get(visitor.sent_to) == 200
        assert await visitor.post(f"/admin/runs/{planned.id}/begin") == 200
        for _ in range(2):
            await visitor.get(f"/admin/runs/{planned.id}")
            assert await visitor.post(f"/admin/runs/{planned.id}/begin", {"sure": "yes", "why": "new field"}) == 303
        (begun,) = [run for run in await runs.newest(10) if not run.request.dry_run]
        assert begun.request == planned.request.model_copy(update={"id": begun.id, "dry_run": False})


async def test_a_run_is_paused_and_goes_on(admin: AdminWorld) -> None:
    """One that nobody works at yet at once; what has ended cannot be paused."""
    async with admin.visit("operator") as visitor:
        await visitor.get("/admin/runs")
        await visitor.post("/admin/runs", {"what": "all", "direction": "pull"})
        path = visitor.sent_to
        for what, status in (("pause", 303), ("resume", 303), ("cancel", 303), ("pause", 409), ("dance", 409)):
            await visitor.get("/admin/runs")
            assert await visitor.post(path, {"what": what, "sure": "yes", "why": "a try"}) == status, what
        (run,) = await admin.parts.runs.newest(1)
        assert run.state is RunState.CANCELLED
