"""The traffic of the demo: a pretend ticket platform posts, a salesperson edits the same records, triggers answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp

from ops.demo.cast import DemoFailed
from ops.demo.plan import TRIGGERS, Plan
from ops.demo.stage import Stage
from schemas.mapping import KindMapping
from simulator.platform.actor import PlatformActor, PlatformCounters
from simulator.platform.journal import Journal
from simulator.platform.reading import open_view
from simulator.seller import OrgRefused, Seller, SellerCounters


@dataclass(frozen=True, slots=True)
class Traffic:
    """Both actors, not yet at work."""

    platform: PlatformActor
    seller: Seller

    @property
    def posted(self) -> PlatformCounters:
        """What the platform has done so far."""
        return self.platform.counters

    @property
    def edited(self) -> SellerCounters:
        """What the salesperson has done so far."""
        return self.seller.counters

    @property
    def document_ids(self) -> Sequence[str]:
        """The platform's customers."""
        return self.platform.document_ids()

    async def run(self) -> None:
        """Return once both have done all they were to do.

        Raises:
            DemoFailed: one of them could not go on.
        """
        try:
            async with asyncio.TaskGroup() as actors:
                actors.create_task(self.platform.run())
                actors.create_task(self.seller.run())
        except* (OrgRefused, aiohttp.ClientError, OSError) as errors:
            raise DemoFailed(f"the traffic broke off: {_first(errors)}") from None


@contextlib.asynccontextmanager
async def open_traffic(stage: Stage, plan: Plan, kind: KindMapping) -> AsyncIterator[Traffic]:
    """Set the org's triggers, open the platform's log and its eyes, and hand out the actors."""
    for rule in TRIGGERS:
        async with stage.http.post(f"{stage.org_url}/admin/triggers", json=dict(rule)) as response:
            if response.status != 201:
                raise DemoFailed(f"the org took no trigger: {response.status} {await response.text()}")
    paths = [field.platform for field in kind.fields]
    view = open_view(stage.servers.mongodb_uri, stage.database, f"{kind.collection}_public", paths)
    with Journal(stage.journal) as journal:
        async with view as read_documents:
            platform = PlatformActor(
                post_url=stage.webhook_url,
                secret=stage.secret,
                journal=journal,
                read_documents=read_documents,
                seed=plan.seed,
                customers=plan.customers,
                events=plan.events,
                rate=plan.rate,
                read_every_seconds=0.25,
                prefix=f"cust-{stage.run}",
            )
            seller = Seller(
                base_url=stage.org_url,
                seed=plan.seed,
                edits=plan.edits,
                rate=plan.edit_rate,
                recent=platform.recent,
                sobject=kind.sobject,
                external_id=kind.external_id,
            )
            yield Traffic(platform, seller)


def _first(errors: BaseException) -> str:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return f"{type(errors).__name__}: {errors}"
