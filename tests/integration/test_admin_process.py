"""`tandem admin` as a process has it: on the real Kafka and MongoDB, beside a reconciler, with a simulated org."""

import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from support.admin_page import HASHED, Visitor
from support.environment import where
from support.org import OrgClient, org_client
from support.running import Stages, until
from support.sync_stage import Stage

from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoParkedRecords, MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.retention import DEFAULT
from adapters.mongo.users import MongoUsers
from consumers.catalog import Catalog
from ops.admin.org import OrgOfSettings
from ops.finding import State
from ops.processes.parts import wall_ms
from schemas import topics
from schemas.operators import Role, User
from schemas.presets import preset
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
CALLBACK = "https://tandem.example.org/admin/connection/callback"
ADA = {"last_name": "Lovelace", "email": "ada@example.org"}


@pytest.fixture
async def org() -> AsyncIterator[OrgClient]:
    """A simulated org."""
    async with org_client() as client:
        yield client


@pytest.fixture
def settings(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kafka_bootstrap: str,
    mongodb_uri: str,
    org: OrgClient,
    database: Database,
) -> pytest.MonkeyPatch:
    """For all of it, as a person would set them."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        **where(kafka=kafka_bootstrap, mongodb=mongodb_uri, database=database.name, org=org.org),
        "MAPPING_PRESET": "customers",
        "ADMIN_PORT": "0",
        "ADMIN_SECURE_COOKIES": "false",
        "ADMIN_CALLBACK_URL": CALLBACK,
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@dataclass
class Running:
    """The processes, and somebody who has signed in."""

    stages: Stages
    visitor: Visitor


@pytest.fixture
async def running(settings: pytest.MonkeyPatch, database: Database) -> AsyncIterator[Running]:
    """The admin page and a reconciler."""
    assert settings
    admin = User("grace", Role.ADMIN, HASHED, created_at=wall_ms())
    assert await MongoUsers(database).add(admin)
    stages = Stages()
    try:
        stages.start("reconcile")
        stages.start("admin")
        notes = stages.stages["admin"].notes
        await until(lambda: notes.last("listening"), "the admin page listens")
        port = (notes.last("listening") or {})["port"]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            visitor = Visitor(http)
            assert await visitor.sign_in("grace") == 303
            yield Running(stages, visitor)
    finally:
        await stages.close()


async def test_a_lost_document_comes_back_by_a_replay(
    running: Running, kafka_bootstrap: str, database: Database
) -> None:
    """Planned, published and handled by processes that do nothing else."""
    began = wall_ms()
    stage = Stage(MongoDocuments(database), MongoSyncLog(database), MongoParkedRecords(database, DEFAULT.parked))
    event = stage.event(ADA, id_=f"ada-{began}", type_="customer.created")
    kafka = KafkaSettings(bootstrap_servers=kafka_bootstrap, delivery_timeout=30, request_timeout=30)
    async with open_producer(kafka) as producer:
        await producer.deliver(topics.PLATFORM_EVENTS, event.key, event.value, list(event.raw_headers))
    person = {"_id": f"ada-{began}"}

    async def there() -> bool:
        return await database["customers"].find_one(person) is not None

    await until(there, "the event is handled")
    await database["customers"].delete_one(person)
    visitor = running.visitor
    to = await _planned_to_publish(visitor, f"customer:ada-{began}")

    async def done() -> bool:
        return bool((await visitor.json(to))["state"] == "done")

    await visitor.get(to)
    assert await visitor.post(f"{to}/publish", {"sure": "yes", "why": "the backup was a day old"}) == 303
    await until(done, "the end")
    await until(there, "she is back")
    assert (await visitor.json(to))["published"] == 1


async def test_the_org_of_the_settings_is_asked(running: Running) -> None:
    """Whether a field is there, before a change is planned; and what is missing, when somebody tries the connection."""
    visitor = running.visitor
    text = (await visitor.json("/admin/mapping"))["yaml"]
    wrong = f"{text}      - {{platform: nickname, salesforce: Nickname__c}}\n"
    await visitor.get("/admin/mapping")
    assert await visitor.post("/admin/mapping", {"yaml": wrong}) == 422
    assert "the object has no field Nickname__c" in visitor.last
    await visitor.get("/admin/connection")
    assert await visitor.post("/admin/connection") == 200
    assert "logged in at http://127.0.0.1" in visitor.last
    await visitor.get("/admin")
    assert await visitor.post("/admin/customer/nobody/export", {"sure": "yes", "why": "x"}) == 409


async def test_an_admin_is_sent_to_salesforce_by_the_settings_of_the_process(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the address at which the browser comes back."""
    monkeypatch.setenv("SALESFORCE_OAUTH_FLOW", "web_server")
    monkeypatch.setenv("ENCRYPTION_KEYS", f"k1:{base64.b64encode(os.urandom(32)).decode()}")
    visitor = running.visitor
    await visitor.get("/admin/connection")
    assert await visitor.post("/admin/connection/sign-in", {"sure": "yes", "why": "the user has changed"}) == 200, (
        visitor.last
    )
    assert f"redirect_uri={quote(CALLBACK, safe='')}" in unescape(visitor.last)


async def test_without_settings_of_an_org_the_page_says_so(settings: pytest.MonkeyPatch, database: Database) -> None:
    """A change is not compared with it, nothing is tried, and nothing is given of a person."""
    for name in ("SALESFORCE_LOGIN_URL", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET"):
        settings.delenv(name)
    mapping = await MongoMappings(database).seed(preset("customers"))
    org = OrgOfSettings(database, lambda: Catalog(mapping))
    fewer = mapping.kinds["customer"].model_copy(update={"fields": mapping.kinds["customer"].fields[:-1]})
    after = mapping.model_copy(update={"kinds": {"customer": fewer}})
    assert await org.misfits(mapping, after) == ([], "the settings SALESFORCE_* name none")
    assert [each.state for each in await org.findings(mapping)] == [State.NOT_TRIED]
    with pytest.raises(Unavailable, match="Salesforce cannot be asked: SALESFORCE"):
        await org.held("customer", "ada")


async def _planned_to_publish(visitor: Visitor, key: str) -> str:
    """Where the plan is that publishes something. One made before the reconciler has committed what it handled has
    nothing to publish, since that record comes by itself, and is asked for again."""
    wanted = {"topic": topics.PLATFORM_EVENTS, "from": "10m", "to": "", "key": key}
    plan: dict[str, Any] = {}

    async def is_planned() -> bool:
        nonlocal plan
        plan = await visitor.json(visitor.sent_to)
        return bool(plan["state"] != "planning")

    async def publishes() -> bool:
        await visitor.get("/admin/replays")
        assert await visitor.post("/admin/replays", wanted) == 303, visitor.last
        await until(is_planned, "a plan")
        assert plan["state"] == "planned", plan
        return bool(plan["to_publish"])

    await until(publishes, "a plan that publishes something")
    return visitor.sent_to


async def test_which_processes_run_is_seen_and_which_are_missed(running: Running) -> None:
    """Without a metric of anybody's: each tells that it lives, and whoever stops in order that it ends."""

    async def states() -> dict[str, str]:
        page = await running.visitor.json("/admin/salesforce")
        return {each["name"]: each["state"] for each in page["processes"]}

    async def seen(wanted: dict[str, str]) -> bool:
        return await states() == wanted

    async def misses(name: str) -> bool:
        return name in {sign["name"] for sign in (await running.visitor.json("/admin"))["signs"]}

    await until(lambda: seen({"reconcile": "at work", "admin": "at work"}), "both are at work")
    await until(lambda: misses("gone:write"), "nobody writes")
    assert not await misses("gone:reconcile")
    await running.stages.stop("reconcile")
    await until(lambda: seen({"reconcile": "stopped", "admin": "at work"}), "one has stopped in order")
    assert not await misses("gone:reconcile")
