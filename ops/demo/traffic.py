"""The traffic of the demo: a pretend platform posts, salespeople edit the same records, triggers and locks answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp

from ops.demo.cast import DemoFailed
from ops.demo.plan import EXHAUSTED_SECONDS, LOCKS, TRIGGERS, Plan
from ops.demo.stage import Stage
from schemas.field_mapping import Direction, FieldMapping
from schemas.mapping import KindMapping
from schemas.mapping import Mapping as FieldsMapping
from schemas.transforms import compile_field
from simulator.back_office import BackOffice, Desk, OfficeCounters
from simulator.platform.actor import PlatformActor, PlatformCounters
from simulator.platform.journal import Journal
from simulator.platform.reading import open_views
from simulator.platform.scenario import Scenario, builders_of, play
from simulator.platform.sorts import Sort
from simulator.seller import OrgRefused, Seller, SellerCounters

PERSONS: Final = ("customer", "participant")
"""Kinds that are people."""
SHARES: Final[Mapping[str, float]] = {"company": 0.08, "event": 0.05, "deal": 0.12, "prospect": 0.06}
"""Of the edits in Salesforce, those of each kind; the rest are of people."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """All actors, not yet at work."""

    platform: PlatformActor
    sellers: Sequence[Seller]
    office: BackOffice
    births: int
    """How many things the platform makes at first."""
    script: Scenario
    person: str
    """The kind that is people."""
    stage: Stage
    lock: int
    """The fault by which rows are found locked."""

    @property
    def posted(self) -> PlatformCounters:
        """What the platform has done so far."""
        return self.platform.counters

    @property
    def edited(self) -> SellerCounters:
        """What the salespeople have done so far."""
        total = SellerCounters()
        for seller in self.sellers:
            total.add(seller.counters)
        return total

    @property
    def somebody(self) -> str:
        """The id of the first person; empty where there is none."""
        return next(iter(self.script.of(self.person)), "")

    @property
    def acts(self) -> OfficeCounters:
        """What was done in the org beside the daily edits."""
        return self.office.counters

    async def locked(self) -> int:
        """How many rows of ours have been found locked.

        Raises:
            aiohttp.ClientError: the org does not answer.
        """
        async with self.stage.http.get(f"{self.stage.org_url}/admin/faults") as response:
            response.raise_for_status()
            left = {fault["id"]: fault["taken"] for fault in await response.json()}
        return int(left.get(self.lock, LOCKS["count"]))

    async def run(self) -> None:
        """Return once all have done all they were to do.

        Raises:
            DemoFailed: one of them could not go on.
        """
        try:
            async with asyncio.TaskGroup() as actors:
                actors.create_task(self.platform.run())
                actors.create_task(self.office.run())
                for seller in self.sellers:
                    actors.create_task(seller.run())
        except* (OrgRefused, aiohttp.ClientError, OSError) as errors:
            raise DemoFailed(f"the traffic broke off: {_first(errors)}") from None


def person_kind(mapping: FieldsMapping) -> str:
    """The kind whose things are people; the first one where none is."""
    return next((name for name in PERSONS if name in mapping.kinds), next(iter(mapping.kinds)))


@contextlib.asynccontextmanager
async def open_traffic(
    stage: Stage, plan: Plan, mapping: FieldsMapping, *, look_seconds: float = 0.25, sight_seconds: float | None = None
) -> AsyncIterator[Traffic]:
    """Set up the org, open the platform's log and its eyes, and hand out the actors.

    The platform's people look at their documents every `look_seconds`; with `sight_seconds` nobody there edits what
    could not be looked at for so long.

    Raises:
        DemoFailed: the org does not take what is set up.
    """
    lock = await _set_up(stage)
    kinds, person = mapping.kinds, person_kind(mapping)
    office = BackOffice(
        stage.http,
        stage.org_url,
        seed=plan.seed,
        run=stage.run,
        persons=_desk(kinds[person]),
        companies=_desk(kinds["company"]) if "company" in kinds else None,
        leads=_lead_desk(kinds["prospect"] if "prospect" in kinds else kinds[person]),
        deals=_desk(kinds["deal"]) if "deal" in kinds else None,
        conversions=plan.conversions,
        merges=plan.merges,
        deletions=plan.deletions,
        exhausted_seconds=EXHAUSTED_SECONDS,
    )
    known = await _opened(office)
    script = play(kinds, plan.seed, plan.customers, stage.run, known)
    looked_at = {
        f"{kinds[name].collection}_public": [each.platform for each in kinds[name].fields] for name in script.sorts
    }
    view = open_views(stage.servers.mongodb_uri, stage.database, looked_at)
    with Journal(stage.journal) as journal:
        async with view as read_documents:
            platform = PlatformActor(
                post_url=stage.webhook_url,
                secret=stage.secret,
                journal=journal,
                read_documents=read_documents,
                script=script,
                births=script.births,
                edits=plan.events,
                seed=plan.seed,
                rate=plan.rate(script.births),
                read_every_seconds=look_seconds,
                sight_seconds=sight_seconds,
            )
            office.seconds = plan.spread(script.births)
            office.enough = lambda: platform.done
            office.awaited = builders_of(script.of_all(person)) if "project" in kinds else []
            sellers = list(_sellers(stage, plan, kinds, script.sorts, platform, script.births))
            yield Traffic(platform, sellers, office, script.births, script, person, stage, lock)


def _sellers(
    stage: Stage,
    plan: Plan,
    kinds: Mapping[str, KindMapping],
    sorts: Mapping[str, Sort],
    platform: PlatformActor,
    births: int,
) -> list[Seller]:
    """Somebody for each object of a kind that has fields to edit."""
    fields = {name: two_way(kinds[name], sort) for name, sort in sorts.items()}
    shares = {name: SHARES.get(name, 0.0) for name, found in fields.items() if found}
    rest = 1.0 - sum(shares.values())
    sellers = []
    for name, share in shares.items():
        places = kinds[name].places()
        edits = plan.edits * (share or rest) / len(places)
        for place in places:
            kept = [each for each in fields[name] if each.salesforce in place.names]
            seller = Seller(
                base_url=stage.org_url,
                seed=plan.seed,
                edits=round(edits),
                rate=max(0.5, edits / plan.spread(births)),
                recent=partial(platform.recent, name),
                sobject=place.sobject,
                external_id=place.external_id,
                fields={each.platform: place.names[each.salesforce] for each in kept},
                sort=sorts[name],
                written={each.platform: compile_field(each).push for each in kept if _has_words(each)},
                enough=lambda: platform.done,
            )
            sellers.append(seller)
    return sellers


def two_way(kind: KindMapping, sort: Sort) -> list[FieldMapping]:
    """What salespeople edit as the platform's people do; whom a record belongs to is changed on its own."""
    return [
        each
        for each in kind.fields
        if each.direction is Direction.BOTH and each.lookup is None and each.platform in sort.edited
    ]


def _has_words(field: FieldMapping) -> bool:
    """Whether Salesforce calls a value otherwise than the platform."""
    return bool(field.picklist) or "multi_select" in field.transform


def _desk(kind: KindMapping) -> Desk:
    there = kind.places()[0].names
    two_way_here = [each for each in kind.fields if each.direction is Direction.BOTH and each.salesforce in there]
    fields = [each.salesforce for each in two_way_here if each.lookup is None]
    return Desk(kind.sobject, kind.external_id, fields)


def _lead_desk(kind: KindMapping) -> Desk | None:
    """The leads in which people of this kind may be kept."""
    lead = next((place for place in kind.places() if place.is_lead), None)
    return None if lead is None else Desk(lead.sobject, lead.external_id)


async def _opened(office: BackOffice) -> list[dict[str, Any]]:
    try:
        return await office.open()
    except (OrgRefused, aiohttp.ClientError) as error:
        raise DemoFailed(f"the org could not be set up: {error}") from None


async def _set_up(stage: Stage) -> int:
    """The administrator's triggers, and others who hold locks: the id of that fault."""
    for rule in TRIGGERS:
        await _posted(stage, "/admin/triggers", rule)
    return int((await _posted(stage, "/admin/faults", LOCKS))["id"])


async def _posted(stage: Stage, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    async with stage.http.post(f"{stage.org_url}{path}", json=dict(body)) as response:
        if response.status != 201:
            raise DemoFailed(f"the org refused {path}: {response.status} {await response.text()}")
        planted: Mapping[str, Any] = await response.json()
        return planted


def _first(errors: BaseException) -> str:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return f"{type(errors).__name__}: {errors}"
