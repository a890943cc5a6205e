"""Alerts reach people: a real mail server and a webhook, kept in the real MongoDB, looked at by one process alone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import AdminWorld, open_admin
from support.fakes_changes import eventually

from adapters.mongo.alerts import MongoAlerts
from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.connection_notes import ConnectionNotes, SignedIn
from adapters.mongo.erasures import ERASURES, MongoErasures
from adapters.mongo.leases import MongoLeases
from adapters.mongo.samples import MongoSamples
from ops.admin import home
from ops.admin.rollup import RAW
from ops.admin.sign import Level, Sign
from ops.admin.untended import DAY, ERASING, FAILED_LATELY
from ops.alerts.keeping import AlertKeeper
from ops.alerts.message import Message
from ops.alerts.rules import AlertPolicy
from ops.alerts.sender import AppriseSender
from ops.alerts.stored import StoredAlerts
from ops.alerts.watch import STORE_AWAY, AlertWatch
from ops.settings import WrongSettings
from schemas import topics
from schemas.allocation import Allocation, AllocationHeard
from schemas.delivery import Answer, Delivery
from schemas.erasure import ErasureState
from schemas.process import OrgSeen, SignOfLife
from schemas.samples import LOOKUP_MS, LOOKUPS, Sample
from schemas.sync_run import Run, RunRequest, RunState
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

PARKED = Sign("parked", Level.LOOK, "3 parked records waiting for a person", "/admin/parked")
AWAY = Sign("away:kafka", Level.ILL, "kafka does not answer (Timeout)", "/admin/salesforce")
AT_ONCE = AlertPolicy(ill_after=0, look_after=0, resolved_after=2_000)


@dataclass
class Sink:
    """What came, and whether it is taken."""

    came: list[tuple[str, str]] = field(default_factory=list)
    takes: bool = True
    url: str = ""


@pytest.fixture
async def mail() -> AsyncIterator[Sink]:
    sink = Sink()

    class Handler:
        async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
            told = message_from_bytes(bytes(envelope.content or b""), policy=default)
            body = told.get_body(("plain", "html"))
            sink.came.append((str(told["Subject"]), body.get_content() if body is not None else ""))
            return "250 OK"

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), loop=loop, hostname="localhost"), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sink.url = f"mailto://127.0.0.1:{port}/?from=tandem@example.com&to=oncall@example.com&mode=insecure"
    yield sink
    server.close()
    await server.wait_closed()


@pytest.fixture
async def hook() -> AsyncIterator[Sink]:
    sink = Sink()

    async def take(request: web.Request) -> web.Response:
        if not sink.takes:
            return web.Response(status=500)
        told = await request.json()
        sink.came.append((told["title"], told["message"]))
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/alerts", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    sink.url = f"json://127.0.0.1:{port}/alerts"
    yield sink
    await runner.cleanup()


@dataclass
class Ops:
    """What is wrong now, and a watch that looks at it."""

    watch: AlertWatch
    signs: list[Sign]
    clock: list[int]
    not_sent: list[int]
    away: bool = False

    async def look(self) -> None:
        self.clock[0] += 1_000
        await self.watch.look()


def ops_of(database: AsyncDatabase[dict[str, Any]], *urls: str) -> Ops:
    signs: list[Sign] = []
    clock, not_sent = [1_796_000_000_000], list[int]()
    made: list[Ops] = []

    async def read() -> list[Sign]:
        if made[0].away:
            raise Unavailable("MongoDB does not answer")
        return list(signs)

    watch = AlertWatch(
        signs=read,
        store=StoredAlerts(MongoAlerts(database)),
        sender=AppriseSender(urls),
        policy=AT_ONCE,
        page="https://ops.example",
        now=lambda: clock[0],
        not_sent=not_sent.append,
    )
    made.append(Ops(watch, signs, clock, not_sent))
    return made[0]


async def test_mail_and_webhook_are_told_together_and_when_it_is_over(
    database: AsyncDatabase[dict[str, Any]], mail: Sink, hook: Sink
) -> None:
    ops = ops_of(database, mail.url, hook.url)
    ops.signs[:] = [PARKED, AWAY]
    await ops.look()
    await ops.look()
    ops.signs.clear()
    for _ in range(3):
        await ops.look()
    assert [title for title, _body in hook.came] == [
        "Tandem: not well: kafka does not answer (Timeout), and 1 more",
        "Tandem: over: kafka does not answer (Timeout), and 1 more",
    ]
    assert [title for title, _body in mail.came] == [title for title, _body in hook.came]
    for _title, body in (mail.came[0], hook.came[0]):
        assert "3 parked records waiting for a person" in body
        assert "https://ops.example/admin/parked" in body
    assert await MongoAlerts(database).rows() == []
    assert ops.not_sent == []


async def test_what_misses_its_target_is_read_judged_and_sent(
    database: AsyncDatabase[dict[str, Any]], mail: Sink, hook: Sink
) -> None:
    """As the process has it: from what is stored to what people read. Nobody runs a Prometheus."""
    async with open_admin(database) as world:
        ops = ops_of(database, mail.url, hook.url)
        now = world.parts.now()
        ops.watch._signs = lambda: signs_of(world)
        writes = {"write:applied": 90, "write:parked": 10, f"handled:{topics.SALESFORCE_WRITES}": 100}
        writes |= {LOOKUPS: 20, LOOKUP_MS: 14_000}
        at = now - now % RAW.width - RAW.width
        await MongoSamples(database).keep([(Sample(at, RAW.width, RAW.width, writes), RAW.kept)])
        heard = AllocationHeard(Allocation(13_600, 15_000, now), deliveries=Allocation(41_000, 50_000, now))
        await MongoAllocations(database, "00D").exchange("write", heard, 3_600)
        await world.parts.processes.tell(
            SignOfLife("host:write:8081", "write", ["write"], org=OrgSeen(4, 0, "invalid_grant"))
        )
        await ops.look()
    for _title, body in (mail.came[0], hook.came[0]):
        told = " ".join(body.split())
        assert "Salesforce took 90.0% of the last hour's writes; 95% is the target" in told
        assert "10.0% of the last hour's records were parked or put off" in told
        assert "look-ups of the last hour took 700 ms on average; 500 ms is the target" in told
        assert "91% of the day's API calls are used" in told
        assert "82% of the day's event deliveries are used" in told
        assert "Salesforce refuses our login (invalid_grant)" in told
        assert "no process does reconcile" in told
        assert "https://ops.example/admin/parked" in told
    assert {row["_id"] for row in await MongoAlerts(database).rows()} >= {"success_low", "gone:reconcile"}


async def test_what_stands_until_a_person_acts_is_read_and_told(database: AsyncDatabase[dict[str, Any]]) -> None:
    """With nothing else amiss 'all is well' would be untrue; what is over, younger or somebody's wish is not told."""
    async with open_admin(database) as world:
        now, parts = world.parts.now(), world.parts
        quiet = {sign.name for sign in await signs_of(world)}
        await parts.endpoints.disable("it has taken nothing for too long", now)
        told = Delivery("evt-1", "customer", "ada", "customer.changed", 1, b"{}", now)
        await parts.deliveries.keep([told], now)
        await parts.deliveries.given_up(told, Answer(500, "http_500"), now)
        for id_, state, ended_at in (
            ("fails", RunState.FAILED, now - 1_000),
            ("failed-long-ago", RunState.FAILED, now - FAILED_LATELY - 1),
            ("waits", RunState.PAUSED, 0),
            ("done", RunState.DONE, now - 1_000),
        ):
            request = RunRequest(id=id_)
            assert await parts.runs.add(Run(id=id_, request=request, state=state, asked_at=1, ended_at=ended_at))
        assert parts.erasures is not None
        await parts.erasures.ask("customer", "late", now - ERASING - 1, "a test")
        await parts.erasures.ask("customer", "just-now", now, "a test")
        old = SignedIn("app", "client_credentials", "", "", "00D", "005", (), "secret:x", now - 93 * DAY)
        await ConnectionNotes(database).signed_in(old)
        found = {sign.name: sign.told for sign in await signs_of(world)}
        assert found.keys() - quiet == {
            "deliveries_disabled",
            "deliveries_failed",
            "runs_failed",
            "runs_paused",
            "erasures_late",
            "credential_old",
        }
        assert (found["runs_failed"], found["erasures_late"]) == (
            "1 run failed within a day",
            "1 person to be forgotten for more than a day",
        )
        await parts.endpoints.enable("ana", now)
        await parts.deliveries.redeliver(["evt-1"], now)
        for id_ in ("fails", "waits"):
            assert await parts.runs.turn(id_, [RunState.FAILED, RunState.PAUSED], RunState.CANCELLED, ended_at=now)
        await database[ERASURES].update_many({}, {"$set": {"state": str(ErasureState.DONE)}})
        await parts.erasures.ask_again("customer", "late", now, "a test")
        await ConnectionNotes(database).signed_in(replace(old, credential="secret:y", at=now))
        assert {sign.name for sign in await signs_of(world)} == quiet


async def test_erasures_that_cannot_be_read_are_a_sign(
    database: AsyncDatabase[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be kept by a MongoDB of their own: all else is told as ever."""

    async def away(_erasures: MongoErasures, _before: int) -> int:
        raise Unavailable("MongoDB does not answer")

    monkeypatch.setattr(MongoErasures, "late", away)
    async with open_admin(database) as world:
        assert "away:erasures" in {sign.name for sign in await signs_of(world)}


async def signs_of(world: AdminWorld) -> Sequence[Sign]:
    return (await home.read(world.parts)).signs


async def test_what_was_told_is_known_to_the_process_that_looks_next(
    database: AsyncDatabase[dict[str, Any]], hook: Sink
) -> None:
    """Nobody hears it twice because a process was started again; whoever asked for quiet has it."""
    first = ops_of(database, hook.url)
    first.signs[:] = [PARKED]
    await first.look()
    second = ops_of(database, hook.url)
    second.signs[:] = [PARKED, AWAY]
    assert await StoredAlerts(MongoAlerts(database)).silence("away:kafka", 0, "ana") is False
    second.watch._policy = replace(AT_ONCE, ill_after=5_000)
    await second.look()
    assert await StoredAlerts(MongoAlerts(database)).silence("away:kafka", 1_897_000_000_000, "ana") is True
    for _ in range(8):
        await second.look()
    assert [title for title, _body in hook.came] == ["Tandem: look at this: 3 parked records waiting for a person"]
    (away, _parked) = await MongoAlerts(database).rows()
    assert (away["_id"], away["silenced_by"], away["told_at"]) == ("away:kafka", "ana", 0)


async def test_what_nobody_took_is_sent_again(database: AsyncDatabase[dict[str, Any]], hook: Sink) -> None:
    ops = ops_of(database, hook.url)
    ops.signs[:] = [PARKED]
    hook.takes = False
    await ops.look()
    assert (hook.came, ops.not_sent) == ([], [1])
    hook.takes = True
    await ops.look()
    await ops.look()
    assert len(hook.came) == 1


async def test_while_mongodb_is_away_people_are_told_that(database: AsyncDatabase[dict[str, Any]], hook: Sink) -> None:
    """And what was known before is neither told to be over nor forgotten."""
    ops = ops_of(database, hook.url)
    ops.signs[:] = [PARKED]
    await ops.look()
    ops.away = True
    for _ in range(4):
        await ops.look()
    ops.away = False
    for _ in range(4):
        await ops.look()
    assert [title for title, _body in hook.came] == [
        "Tandem: look at this: 3 parked records waiting for a person",
        f"Tandem: not well: {STORE_AWAY.told}",
        f"Tandem: over: {STORE_AWAY.told}",
    ]
    assert [row["_id"] for row in await MongoAlerts(database).rows()] == ["parked"]


async def test_of_many_processes_one_looks_and_another_goes_on(
    database: AsyncDatabase[dict[str, Any]], hook: Sink
) -> None:
    looks: list[int] = []
    turn = asyncio.Event()

    def keeper(number: int) -> AlertKeeper:
        ops = ops_of(database, hook.url)

        async def read() -> list[Sign]:
            looks.append(number)
            return []

        ops.watch._signs = read

        async def pause(_seconds: float) -> None:
            await turn.wait()
            await asyncio.sleep(0)

        return AlertKeeper(ops.watch, MongoLeases(database), 20, pause)

    first = asyncio.create_task(keeper(1).keep())
    await eventually(lambda: 1 in looks, 10)
    second = asyncio.create_task(keeper(2).keep())
    turn.set()
    seen = len(looks)
    await eventually(lambda: len(looks) > seen + 3, 10)
    assert set(looks) == {1}
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await eventually(lambda: 2 in looks, 10)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


def test_an_address_that_nobody_knows_is_told_by_its_place_and_without_its_secret() -> None:
    with pytest.raises(WrongSettings, match=r"^ALERT_URLS: address 2 \(slck\) is none that Apprise knows$") as wrong:
        AppriseSender(["json://127.0.0.1/a", "slck://token-of-ours/b"])
    assert "token-of-ours" not in str(wrong.value)


async def test_a_test_message_goes_everywhere(mail: Sink) -> None:
    assert await AppriseSender([mail.url]).send(Message("Tandem: a test", "It works.", Level.WELL))
    assert [title for title, _body in mail.came] == ["Tandem: a test"]
