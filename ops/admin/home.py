"""The overview, once and live: how things are, in one look."""

import asyncio
from typing import Final

import orjson
from aiohttp import web

from adapters.mongo.allocations import heard_by_all
from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.samples import MongoSamples
from ops.admin.answers import Answer, Asked, Page
from ops.admin.health import Facts, Flow, Overview, judge
from ops.admin.lately import Lately, lately
from ops.admin.parts import AdminParts
from ops.admin.rollup import RAW
from ops.admin.sign import HOUR
from schemas import topics
from schemas.unavailable import Unavailable

STAGES: Final = (
    (topics.PLATFORM_EVENTS, "the reconciler, from the platform"),
    (topics.SALESFORCE_CHANGES, "the reconciler, from Salesforce"),
    (topics.SALESFORCE_WRITES, "the writer"),
)


async def show(asked: Asked) -> Answer:
    """The first page."""
    return Page("overview.html", "Overview", await read(asked.parts))


async def read(parts: AdminParts) -> Overview:
    """Everything that the overview shows. Where Kafka is away its numbers are unknown, and that is a sign.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    away = await parts.ready()
    seen = parts.overview
    try:
        topic_ends = await parts.stages.by_topic()
    except Unavailable:
        topic_ends = {}
        away = {"kafka": "no answer", **away}
    connections, heard = await seen.connections(), await heard_by_all(parts.database)
    return judge(
        Facts(
            kinds=[await seen.counts(kind.name, kind.collection) for kind in parts.catalog().kinds.values()],
            parked=await seen.parked(),
            open_gaps=await seen.open_gaps(),
            owners=await seen.owners(),
            positions=await seen.positions(),
            allocation=await seen.allocation(),
            last_sync=max((each.last_sync_at for each in connections), default=0),
            flow=[Flow(stage, topic, *topic_ends.get(topic, (None, None))) for topic, stage in STAGES],
            away=away,
            now=parts.now(),
            processes=await parts.processes.all(),
            refused=[each.refused for each in connections if each.refused],
            lately=await _lately(parts),
            deliveries=None if heard.deliveries is None else (heard.deliveries.used, heard.deliveries.limit),
        )
    )


async def _lately(parts: AdminParts) -> Lately:
    now = parts.now()
    return lately(
        await MongoSamples(parts.database).between(RAW.width, now - HOUR, now),
        now=now,
        parked_since=await parts.overview.parked_since(now - HOUR),
        slow_lookups=await MongoSlowLookups(parts.database).count(now - HOUR, now),
    )


async def live(asked: Asked) -> Answer:
    """The overview again and again, as server-sent events, until the page is left or the visit ends."""
    parts = asked.parts
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(asked.request)
    while not parts.lasting.is_over(asked.session, parts.now()):
        try:
            event, told = "overview", orjson.dumps(_told(await read(parts))).decode()
        except Unavailable as error:
            event, told = "away", orjson.dumps({"sentence": str(error)}).decode()
        try:
            await response.write(f"event: {event}\ndata: {told}\n\n".encode())
        except ConnectionResetError:
            return response
        await asyncio.sleep(parts.settings.refresh_seconds)
    return response


def _told(overview: Overview) -> dict[str, object]:
    """What changes on an open page, by the names of its places."""
    told: dict[str, object] = {
        "level": overview.level,
        "sentence": overview.sentence,
        "parked": overview.parked,
        "open_gaps": overview.open_gaps,
        "reviews": overview.reviews,
        "due": overview.due,
        "refused": overview.refused,
        "api_used": overview.api_used,
    }
    for flow in overview.flow:
        told[f"total:{flow.topic}"] = flow.total
        told[f"lag:{flow.topic}"] = flow.lag
    return told
