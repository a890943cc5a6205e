"""`tandem repair`: what may have been missed is looked for, and told to the ordinary path."""

import asyncio
import time
from contextlib import suppress
from typing import Final

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.backlog import open_backlog
from adapters.kafka.logs import ChangeLog
from adapters.kafka.producer import open_producer
from adapters.kafka.settings import KafkaSettings
from adapters.mongo.gap_rows import MongoGapRows
from adapters.mongo.leases import MongoLeases
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from consumers.repair.repairer import Repairer
from consumers.repair.rounds import Rounds
from consumers.rules.budget import BudgetLane
from consumers.rules.repair import next_look
from consumers.settings import BudgetSettings, RepairSettings
from listener.changes.ownership import Ownership
from listener.changes.racing import first_to_end
from ops.gaps_told import told_in
from ops.logins import login_ping, org_id_of, process_name
from ops.mapping_source import MappingSettings
from ops.processes import reconcile, write
from ops.processes.arriving import when_there
from ops.processes.budget import Account
from ops.processes.frame import Frame, run
from ops.processes.guarantees import topics_prepared
from ops.processes.org import open_org
from ops.processes.parts import open_store, wall_ms
from ops.settings import read_settings
from ops.sync_settings import SyncSettings
from schemas.stream import LeaseLost
from schemas.topics import SALESFORCE_CHANGES, SALESFORCE_WRITES
from schemas.unavailable import Unavailable

GROUPS: Final = {SALESFORCE_CHANGES: reconcile.GROUP, SALESFORCE_WRITES: write.GROUP}
"""Who has to handle what a gap waits for."""


async def stage(frame: Frame) -> None:
    """Repairs one org's gaps while it holds the lease; a second one stands by."""
    kafka, mongo, salesforce_settings, encryption = read_settings(
        KafkaSettings, MongoSettings, SalesforceSettings, EncryptionSettings
    )
    repairing, budgeting, mapping, switches = read_settings(
        RepairSettings, BudgetSettings, MappingSettings, SyncSettings
    )
    await topics_prepared(kafka, frame)
    account = Account(budgeting, frame)
    async with (
        open_store(mongo, mapping, frame, off=switches.switched_off()) as store,
        when_there("Kafka", lambda: open_producer(kafka), frame) as producer,
        when_there("Kafka", lambda: open_backlog(kafka, GROUPS), frame) as backlog,
        open_org(salesforce_settings, encryption, store, account, account.gate(BudgetLane.REPAIR), frame) as salesforce,
    ):
        frame.pings["kafka"] = producer.ping
        frame.pings["salesforce_login"] = login_ping(salesforce)
        org_id = await org_id_of(salesforce, frame.stop)
        if frame.stop.is_set():
            return
        gaps = MongoGapRows(store.database, org_id, mongo.retention().gaps)
        rounds = Rounds(
            gaps=gaps,
            repairer=Repairer(
                catalog=store.mapping.current,
                gaps=gaps,
                looks=salesforce.looks,
                changes=ChangeLog(producer, begun=frame.tracing.beginning),
                backlog=backlog,
                documents=store.documents,
                org_id=org_id,
                overlap=int(repairing.overlap_seconds * 1000),
                now=wall_ms,
            ),
            told=told_in(frame),
            first=repairing.look_seconds,
            longest=repairing.retry_cap_seconds,
            clock=time.monotonic,
        )
        ownership = Ownership(
            leases=MongoLeases(store.database),
            name=f"repair:{org_id}",
            owner=process_name(),
            seconds=repairing.lease_seconds,
            clock=time.monotonic,
            pause=asyncio.sleep,
        )
        frame.up.add("repair")
        while not frame.stop.is_set():
            await _tenure(ownership, rounds, repairing.look_seconds, frame)
            await _rest(repairing.look_seconds, frame.stop)


async def _tenure(ownership: Ownership, rounds: Rounds, seconds: float, frame: Frame) -> None:
    """Everything that happens under one lease, if it is to be had."""
    try:
        lease = await ownership.take()
    except Unavailable as error:
        frame.log.warning("unavailable", what="repair", reason=str(error))
        return
    if lease is None:
        return
    try:
        await first_to_end(ownership.hold(lease), _work(rounds, seconds, frame))
    except LeaseLost as lost:
        frame.log.warning("lease_lost", what="repair", reason=str(lost))
    finally:
        await ownership.release(lease)


async def _work(rounds: Rounds, seconds: float, frame: Frame) -> None:
    while not frame.stop.is_set():
        try:
            left = await rounds.once()
        except Unavailable as error:
            frame.log.warning("unavailable", what="repair", reason=str(error))
            left = []
        await _rest(next_look(left, seconds), frame.stop)


async def _rest(seconds: float, stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def main() -> int:
    """Run the process; its exit code."""
    return run("repair", [stage])
