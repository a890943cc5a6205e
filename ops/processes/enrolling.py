"""Registrations as a process takes them: the parts of `consumers.enrichment` for the API and the background."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from adapters.encryption.settings import EncryptionSettings
from adapters.kafka.logs import EnrichmentRequests, EventLog
from adapters.kafka.producer import Producer
from adapters.mongo.identities import MongoIdentities
from adapters.mongo.lookups import MongoSlowLookups
from adapters.mongo.people_cache import MongoPeopleCache
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.people import SalesforcePeople
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.spans import document_headers
from adapters.telemetry.tracing import Tracing
from consumers.enrichment.enrolment import Enrolment
from consumers.enrichment.guarded import GuardedDocuments
from consumers.enrichment.lookups import Lookups
from consumers.enrichment.ports import People
from consumers.enrichment.settings import EnrichmentSettings
from consumers.enrichment.slow import SlowLookups
from consumers.ports import ErasedList
from consumers.rules.budget import BudgetLane
from consumers.settings import MergeSettings
from listener.api.participants import Participants
from listener.api.routes import Group
from ops.logins import connection_store, login_told
from ops.processes.budget import Account
from ops.processes.frame import Frame
from ops.processes.parts import Store, beside, wall_ms
from ops.processes.traced import RegistrationTraces, TracedPeople
from ops.settings import read_settings

LOGIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EnrichmentParts:
    """What both make use of."""

    people: People
    cache: MongoPeopleCache
    guarded: GuardedDocuments
    requests: EnrichmentRequests


def hasty(salesforce: SalesforceSettings, settings: EnrichmentSettings) -> SalesforceSettings:
    """The same org, for calls about people: whoever waits for them will not do so for minutes."""
    seconds = settings.call_seconds
    return salesforce.model_copy(
        update={
            "call_timeout": min(salesforce.call_timeout, seconds),
            "connect_timeout": min(salesforce.connect_timeout, seconds),
            "login_timeout": min(salesforce.login_timeout, LOGIN_SECONDS),
            "connections": max(salesforce.connections, 2 * settings.calls_at_once),
        }
    )


def enrichment_parts(
    store: Store,
    producer: Producer,
    salesforce: Salesforce,
    settings: SalesforceSettings,
    merge: MergeSettings,
    tracing: Tracing,
) -> EnrichmentParts:
    """Put together from what the process has open."""
    return EnrichmentParts(
        people=TracedPeople(SalesforcePeople(salesforce.rest, version=settings.version), tracing),
        cache=MongoPeopleCache(store.database),
        guarded=GuardedDocuments(store.documents, now=wall_ms, timing=merge.timing()),
        requests=EnrichmentRequests(producer, headers=document_headers),
    )


@asynccontextmanager
async def open_enrolment(
    store: Store,
    producer: Producer,
    parts: EnrichmentParts,
    settings: EnrichmentSettings,
    erased: ErasedList | None,
    frame: Frame,
) -> AsyncIterator[Enrolment]:
    """Registrations for as long as the block runs; looks that are under way at its end are given up."""
    lookups = Lookups(
        parts.people,
        cache=parts.cache,
        now=wall_ms,
        policy=settings.lookups(),
        on_call=frame.metrics.people_asked,
        notice=frame.log.warning,
    )
    slow = SlowLookups(MongoSlowLookups(store.database), now=wall_ms, notice=frame.log.warning)

    def answered(end: str, seconds: float) -> None:
        frame.metrics.registration_answered(end, seconds)
        slow.hear(end, seconds)

    try:
        async with beside(slow.keep(), frame):
            yield Enrolment(
                catalog=store.mapping.current,
                documents=store.documents,
                guarded=parts.guarded,
                identities=MongoIdentities(store.database),
                log=EventLog(producer),
                requests=parts.requests,
                lookups=lookups,
                now=wall_ms,
                deadline=settings.deadline_seconds,
                on_answer=answered,
                notice=frame.log.warning,
                traces=RegistrationTraces(frame.tracing),
                erased=erased,
            )
    finally:
        await lookups.close()
        await slow.put_away()


@asynccontextmanager
async def open_participants(
    store: Store, producer: Producer, account: Account, erased: ErasedList | None, frame: Frame
) -> AsyncIterator[Group]:
    """The API's routes for who registers. Salesforce need not be there: nothing is asked of it before somebody is.

    Its calls are live work, which goes before all that the rest of the API asks; and it waits for none of them long.
    """
    salesforce_settings, encryption, settings, merge = read_settings(
        SalesforceSettings, EncryptionSettings, EnrichmentSettings, MergeSettings
    )
    org = hasty(salesforce_settings, settings)
    async with (
        open_salesforce(
            org,
            now=wall_ms,
            gate=account.gate(BudgetLane.LIVE),
            on_allocation=account.hear,
            on_call=frame.metrics.salesforce_called,
            on_login=login_told(frame),
            store=connection_store(store.database, encryption),
        ) as salesforce,
        open_enrolment(
            store,
            producer,
            enrichment_parts(store, producer, salesforce, org, merge, frame.tracing),
            settings,
            erased,
            frame,
        ) as enrolment,
    ):
        yield Participants(enrolment).group()
