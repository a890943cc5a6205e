"""Deliveries on the real MongoDB; and from an edit in Salesforce to the platform's URL, over the real Kafka."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from pymongo.asynchronous.database import AsyncDatabase
from standardwebhooks.webhooks import Webhook
from support.deliveries_behaviour import DeliveriesBehaviour, delivery
from support.fake_documents import FakeDocuments
from support.servers import TopicFactory
from support.sync_stage import Stage

from adapters.kafka.consumer import open_consumer
from adapters.kafka.logs import PlatformChanges
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.collections import prepare
from adapters.mongo.deliveries import MongoDeliveries
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.endpoints import MongoEndpoints
from adapters.mongo.logs import MongoParkedRecords
from adapters.platform.addresses import Guard, networks
from adapters.platform.poster import open_poster
from consumers.deliver.courier import Courier
from consumers.deliver.keeper import Keeper
from consumers.rules.deliveries import DeliveryPolicy
from listener.webhook.signature import decode_secret
from ops.api.deliveries import AuditedDeliveries
from ops.processes.parts import wall_ms
from schemas.delivery import Answer, DeliveryState
from schemas.unavailable import Unavailable

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class TestMongoDeliveries(DeliveriesBehaviour):
    """The same promises as the fake's."""

    @pytest.fixture
    async def deliveries(self, database: AsyncDatabase[dict[str, Any]]) -> MongoDeliveries:
        await prepare(database, ())
        return MongoDeliveries(database)


async def test_what_is_held_comes_back_when_its_holder_is_gone(database: AsyncDatabase[dict[str, Any]]) -> None:
    """A process was killed with a delivery in its hands."""
    deliveries = MongoDeliveries(database)
    await deliveries.keep([delivery("one")], now=10)
    assert len(await deliveries.take(10, 10, 60)) == 1
    assert await deliveries.take(10, 10, 60) == []
    await database["tandem_deliveries"].update_one({"_id": "one"}, [{"$set": {"held_until": "$$NOW"}}])
    assert len(await deliveries.take(10, 10, 60)) == 1


async def test_what_is_held_anew_is_held_for_longer(database: AsyncDatabase[dict[str, Any]]) -> None:
    """By MongoDB's clock, from now on."""
    deliveries = MongoDeliveries(database)
    await deliveries.keep([delivery("one")], now=10)
    await deliveries.take(10, 10, 0)
    await deliveries.hold(["one"], 60)
    assert await deliveries.take(10, 10, 60) == []


async def test_the_api_s_deliveries_come_in_pages_and_what_it_posts_again_is_audited(
    database: AsyncDatabase[dict[str, Any]],
) -> None:
    """Those of one moment too; what is not there leaves no row."""
    await prepare(database, ())
    desk = AuditedDeliveries(database, "https://platform.example/hooks")
    await MongoDeliveries(database).keep([delivery(f"told-{number}", f"c-{number}") for number in range(5)], now=10)
    everything = {"state": "", "kind": "", "document_id": ""}
    first = await desk.listed(**everything, limit=2)
    second = await desk.listed(**everything, limit=2, behind=first[-1])
    third = await desk.listed(**everything, limit=2, behind=second[-1])
    assert [row["_id"] for row in (*first, *second, *third)] == [f"told-{number}" for number in (4, 3, 2, 1, 0)]
    assert all("body" not in row for row in first)
    assert len(await desk.listed(**everything, limit=9, among=["customer", "order"])) == 5
    assert await desk.listed(**everything, limit=9, among=["order"]) == []
    assert await desk.redeliver(["nobody"], 30, "api key k") == 0
    assert await database["tandem_operations"].count_documents({}) == 0
    assert await desk.redeliver(["told-1", "nobody"], 30, "api key k (shop)") == 1
    (row,) = await database["tandem_operations"].find().to_list()
    assert (row["what"], row["by"], row["deliveries"], row["at"]) == ("redeliver", "api key k (shop)", ["told-1"], 30)
    there = await desk.endpoint()
    assert there is not None
    assert there.url == "https://platform.example/hooks"


async def test_a_person_has_one_delivered_anew(database: AsyncDatabase[dict[str, Any]]) -> None:
    """Given up or delivered: it is due again, and does not expire meanwhile."""
    deliveries = MongoDeliveries(database)
    await deliveries.keep([delivery("one")], now=10)
    (one,) = await deliveries.take(10, 10, 60)
    await deliveries.given_up(one, Answer(500, "http_500"), now=20)
    assert await deliveries.failed_ids(10) == ["one"]
    assert await deliveries.redeliver(["one"], now=30) == 1
    row = await deliveries.get("one")
    assert row is not None
    assert (row["state"], row["tries"], "expires_at" in row) == (DeliveryState.PENDING, 0, False)
    assert [each["why"] for each in row["attempts"]] == ["http_500"]


async def test_the_endpoint_is_what_was_set_last(database: AsyncDatabase[dict[str, Any]]) -> None:
    """By command over settings; disabled until somebody enables it."""
    assert await MongoEndpoints(database).current() is None
    endpoints = MongoEndpoints(database, "https://settings.example.com/")
    await endpoints.failed(5)
    failing = await endpoints.failed(9)
    assert failing is not None
    assert (failing.url, failing.failing_since) == ("https://settings.example.com/", 5)
    await endpoints.took()
    await endpoints.set_url("https://command.example.com/", "ana", 10)
    await endpoints.disable("by ana", 11)
    disabled = await endpoints.current()
    assert disabled is not None
    assert (disabled.url, disabled.enabled, disabled.reason) == ("https://command.example.com/", False, "by ana")
    await endpoints.enable("ana", 12)
    enabled = await endpoints.current()
    assert enabled is not None
    assert (enabled.enabled, enabled.failing_since) == (True, None)


@pytest.fixture
async def platform() -> AsyncIterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """The platform's URL, and what came there."""
    got: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/told", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}/told", got
    await runner.cleanup()


class Dying:
    """Tells nothing: the process is killed in the moment in which it would."""

    async def tell(self, rows: Any) -> None:
        raise Unavailable("killed")


async def test_an_edit_in_salesforce_reaches_the_platform_though_the_reconciler_is_killed_before_it_tells(
    kafka_bootstrap: str,
    topic: TopicFactory,
    database: AsyncDatabase[dict[str, Any]],
    platform: tuple[str, list[tuple[dict[str, str], bytes]]],
) -> None:
    """Stored, untold, swept into the topic, kept, posted once, and verified by a foreign library."""
    url, got = platform
    name = await topic()
    await prepare(database, ("customers",))
    stage = Stage(MongoDocuments(database))
    await stage.post({"email": "ana@example.com", "last_name": "Pop", "phone": "+40700000001"})
    await stage.settle()
    (record_id,) = stage.salesforce.rows["Contact"]
    stage.tellings = Dying()  # type: ignore[assignment]
    stage.reconciler = stage.new_reconciler()
    stage.salesforce.edit("Contact", record_id, {"Phone": "+40700000002"})
    with pytest.raises(Unavailable):
        await stage.hear()

    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap, delivery_timeout=30, request_timeout=30)
    deliveries, endpoints = MongoDeliveries(database), MongoEndpoints(database, url)
    keeper = Keeper(deliveries, endpoints, MongoParkedRecords(database), wall_ms)
    guard = Guard(networks("127.0.0.0/8"))
    async with (
        open_producer(settings) as producer,
        open_poster([decode_secret(SECRET)], guard, seconds=20, at_once=2, now=wall_ms) as poster,
    ):
        stage.sweep._tellings = PlatformChanges(producer, name)
        assert await stage.sweep.tell() == 1
        courier = Courier(
            deliveries=deliveries, endpoints=endpoints, poster=poster, now=wall_ms, policy=DeliveryPolicy()
        )
        records = await _read(settings, name)
        await keeper.handle(records)
        await keeper.handle(records)
        assert await courier.once() == 1
        assert await courier.once() == 0
    ((headers, body),) = got
    told = Webhook(SECRET).verify(body, headers)
    assert told["data"]["fields"] == {"phone": "+40700000002"}
    assert told["data"]["revision"] == (await stage.document())["revision"]
    assert not (await stage.document())["_sync"].get("told")


async def _read(settings: KafkaSettings, topic: str) -> Any:
    class Nobody:
        async def on_revoked(self, partitions: Any) -> None: ...
        async def on_assigned(self, partitions: Any) -> None: ...

    async def keep(_gap: Any) -> None: ...

    async with open_consumer(settings, f"group.{topic}", (topic,), Nobody(), keep) as stream, asyncio.timeout(60):
        while not (records := await stream.fetch(10, 0.2)):
            pass
    return records


def test_documents_double_keeps_what_the_real_ones_do() -> None:
    """The outbox has the same two methods in both."""
    assert {"untold", "clear_told"} <= set(dir(FakeDocuments)) & set(dir(MongoDocuments))
