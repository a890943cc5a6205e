"""The overview, once and live: how things are, in one look."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from typing import Final

import orjson
from aiohttp import web

from adapters.mongo.allocations import heard_by_all
from adapters.mongo.overview import MOST
from adapters.mongo.samples import MongoSamples
from ops.admin.answers import Answer, Asked, Page
from ops.admin.charts import over_span
from ops.admin.health import Facts, Flow, Overview, judge
from ops.admin.lately import Lately, lately
from ops.admin.parts import AdminParts
from ops.admin.rollup import RAW
from ops.admin.sign import HOUR
from ops.admin.untended import ERASING, FAILED_LATELY, Untended, credential_since
from schemas import topics
from schemas.connection import Connection
from schemas.process import ProcessSeen
from schemas.unavailable import Unavailable

PARTS: Final = ("signs", "flow", "waits", "org")
"""Of the page, each with its template."""
STAGES: Final = (
    (topics.PLATFORM_EVENTS, "the reconciler, from the platform"),
    (topics.SALESFORCE_CHANGES, "the reconciler, from Salesforce"),
    (topics.SALESFORCE_WRITES, "the writer"),
)
ALSO: Final = (
    ("deliver", topics.PLATFORM_CHANGES, "the deliveries, to the platform"),
    ("enrich", topics.ENRICHMENT_REQUESTS, "the enrichment"),
)
"""By the stage that works it off: where no process has it nobody reads the topic, and nothing of it waits."""


async def show(asked: Asked) -> Answer:
    """The first page: how things are, and below it how they were."""
    overview, charts = await asyncio.gather(read(asked.parts), over_span(asked))
    shown = {each.name: getattr(overview, each.name) for each in fields(overview)}
    return Page("overview.html", "Overview", shown | {"over": charts})


async def read(parts: AdminParts) -> Overview:
    """Everything that the overview shows. Where Kafka is away its numbers are unknown, and that is a sign.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    seen = parts.overview
    kinds = parts.catalog().kinds.values()
    away, (ends, kafka), hour, connections, heard, processes = await asyncio.gather(
        parts.ready(),
        _ends(parts),
        _lately(parts),
        seen.connections(),
        heard_by_all(parts.database),
        parts.processes.all(),
    )
    counts, parked, open_gaps, owners, positions, allocation = await asyncio.gather(
        asyncio.gather(*(seen.counts(kind.name, kind.collection) for kind in kinds)),
        seen.parked(),
        seen.open_gaps(),
        seen.owners(),
        seen.positions(),
        seen.allocation(),
    )
    untended, erasures = await _untended(parts, connections)
    return judge(
        Facts(
            kinds=counts,
            parked=parked,
            open_gaps=open_gaps,
            owners=owners,
            positions=positions,
            allocation=allocation,
            last_sync=max((each.last_sync_at for each in connections), default=0),
            flow=[_flow(topic, stage, ends.get(topic), hour.rates.get(topic)) for topic, stage in _in_use(processes)],
            away=kafka | erasures | away,
            now=parts.now(),
            processes=processes,
            refused=[each.refused for each in connections if each.refused],
            lately=hour,
            untended=untended,
            deliveries=heard.deliveries,
        )
    )


def _in_use(processes: Sequence[ProcessSeen]) -> list[tuple[str, str]]:
    known = {stage for seen in processes for stage in seen.stages}
    return [*STAGES, *((topic, told) for stage, topic, told in ALSO if stage in known)]


def _flow(topic: str, stage: str, ends: tuple[int, int] | None, rate: float | None) -> Flow:
    total, lag = ends or (None, None)
    return Flow(stage, topic, total, lag, rate)


async def _ends(parts: AdminParts) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    try:
        return await parts.stages.by_topic(), {}
    except Unavailable:
        return {}, {"kafka": "no answer"}


async def _lately(parts: AdminParts) -> Lately:
    now = parts.now()
    samples, parked = await asyncio.gather(
        MongoSamples(parts.database).between(RAW.width, now - HOUR, now),
        parts.overview.parked_since(now - HOUR),
    )
    return lately(samples, now=now, parked_since=parked)


async def _untended(parts: AdminParts, connections: Sequence[Connection]) -> tuple[Untended, dict[str, str]]:
    now = parts.now()
    endpoint, (failed, paused), (late, away) = await asyncio.gather(
        parts.endpoints.current(), parts.runs.stopped(now - FAILED_LATELY), _late(parts, now - ERASING)
    )
    untended = Untended(
        url_disabled=endpoint is not None and not endpoint.enabled,
        given_up=0 if endpoint is None else await parts.deliveries.failed(MOST),
        runs_failed=failed,
        runs_paused=paused,
        erasures_late=late,
        credential_since=credential_since(connections),
    )
    return untended, away


async def _late(parts: AdminParts, before: int) -> tuple[int, dict[str, str]]:
    """They may be kept by a MongoDB of their own."""
    if parts.erasures is None:
        return 0, {}
    try:
        return await parts.erasures.late(before), {}
    except Unavailable:
        return 0, {"erasures": "no answer"}


async def live(asked: Asked) -> Answer:
    """The overview again and again, as server-sent events, until the page is left or the visit ends."""
    parts = asked.parts
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(asked.request)
    while not parts.lasting.is_over(asked.session, parts.now()):
        try:
            event, told = "overview", orjson.dumps(_told(asked, await read(parts))).decode()
        except Unavailable as error:
            event, told = "away", orjson.dumps({"sentence": str(error)}).decode()
        try:
            await response.write(f"event: {event}\ndata: {told}\n\n".encode())
        except ConnectionResetError:
            return response
        await asyncio.sleep(parts.settings.refresh_seconds)
    return response


def _told(asked: Asked, overview: Overview) -> dict[str, object]:
    """What an open page shows in place of what it had: the sentence, and each of its parts as the page has it."""
    around = {"page": overview, "now": asked.parts.now()}
    return {
        "level": overview.level,
        "sentence": overview.sentence,
        "parts": {part: asked.render(f"overview_{part}.html", around) for part in PARTS},
    }
