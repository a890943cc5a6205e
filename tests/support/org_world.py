"""A simulated org in which a mapping's metadata is deployed, and documents in memory that are kept the same with it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.salesforce.campaign_settings import event_key
from adapters.salesforce.member_statuses import SalesforceMemberStatuses
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from consumers.rules.retry import RetryPolicy
from consumers.writer.writer import Writer
from listener.changes.normalise import normalise
from ops.campaigns.named import NamedCampaigns
from ops.campaigns.statuses import StatusesAdded
from ops.metadata.simulated import schema_file
from schemas.mapping import Mapping
from schemas.outcome import Outcome
from support.fake_documents import FakeDocuments
from support.org import OrgClient, org_client
from support.sync_stage import TIMING, Stage

A_DAY = 86_400_000
ROUNDS = 60


@dataclass
class World:
    """Documents in memory, the real adapter, and an org whose change events are read and normalised as ever."""

    stage: Stage
    org: OrgClient
    heard: int = 0
    parked: list[str] = field(default_factory=list)
    salesforce: Salesforce | None = None

    def map(self, mapping: Mapping) -> None:
        """From now on this mapping is in force."""
        self.stage.catalog = Catalog(mapping)

    async def post(self, type_: str, id_: str, **fields: Any) -> None:
        result = await self.stage.post(fields, id_=id_, type_=type_)
        assert result.outcome is Outcome.APPLIED, (type_, result)

    async def change(self, type_: str, id_: str, **fields: Any) -> None:
        """The same, by an event that names what it changes."""
        result = await self.stage.post(fields, id_=id_, type_=type_, changed=list(fields))
        assert result.outcome is Outcome.APPLIED, (type_, result)

    async def settle(self) -> None:
        """Doorbells, change events and time, until nothing comes of them any more."""
        for _round in range(ROUNDS):
            if not await self._round() and not await self._due():
                return
        raise AssertionError("does not come to rest")

    async def pass_by(self, rounds: int) -> None:
        """The same for so long: where something is left that waits."""
        for _round in range(rounds):
            await self._round()

    async def _round(self) -> bool:
        """Whether anything was heard or answered."""
        self.stage.now += 3_000
        for event in self.org.org.org.bus.after(self.heard, None, 10_000):
            self.heard = event.replay_id
            self.stage.changes += normalise({"payload": event.payload}, event.replay_id)
        heard = await self.stage.hear()
        await self.stage.sweep.ring_due()
        answered = await self.stage.answer_doorbells()
        self.parked += [one.reason for one in [*heard, *answered] if one.outcome is Outcome.PARKED]
        return bool(heard or answered)

    async def _due(self) -> bool:
        soon = self.stage.now + 400_000
        collections = self.stage.catalog.mapping.collections()
        return any([await self.stage.documents.due(name, soon, 1) for name in collections])

    async def row(self, soql: str) -> dict[str, Any]:
        """The one record that the query finds."""
        (found,) = (await self.org.query(soql))["records"]
        return {name: value for name, value in found.items() if name != "attributes"}

    async def edit(self, sobject: str, record_id: str, **fields: Any) -> None:
        """A user's edit."""
        (result,) = await self.org.admin("POST", "/edits", {"object": sobject, "id": record_id, "fields": fields})
        assert result["success"], result

    async def document(self, collection: str, id_: str) -> dict[str, Any]:
        return await self.stage.document(id_, collection)


def nothing_refused(what: str, why: str) -> None:
    """Salesforce takes every status of a member's, and no setting names a Campaign."""
    raise AssertionError(f"{what}: {why}")


@asynccontextmanager
async def world_of(mapping: Mapping, folder: Path, stage: Stage | None = None, **settings: Any) -> AsyncIterator[World]:
    """A world, on documents in memory if the stage brings no others."""
    file = folder / "schema.yaml"
    file.write_text(schema_file(mapping), encoding="utf-8")
    stage = stage or Stage(FakeDocuments())
    stage.catalog = Catalog(mapping)
    stage.now = time.time_ns() // 1_000_000 - A_DAY
    entities = sorted(mapping.objects())
    settings |= {"schema_file": file, "cometd": {"entities": entities}}
    async with org_client(clock=lambda: stage.now, **settings) as org:
        values = {"client_id": org.org.client_id, "client_secret": org.org.client_secret, "login_url": org.org.base_url}
        async with open_salesforce(SalesforceSettings(**values), now=lambda: stage.now) as salesforce:
            stage.writer = Writer(
                catalog=lambda: stage.catalog,
                documents=stage.documents,
                records=NamedCampaigns(
                    salesforce.records,
                    StatusesAdded(salesforce.records, SalesforceMemberStatuses(salesforce.rest), nothing_refused),
                    {},
                    event_key,
                    nothing_refused,
                ),
                log=stage.log,
                parked=stage.parked,
                now=lambda: stage.now,
                timing=TIMING,
                retry=RetryPolicy(tries=5, org_wait=1_000),
            )
            yield World(stage, org, salesforce=salesforce)
