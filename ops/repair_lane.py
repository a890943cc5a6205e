"""Salesforce for a command that repairs or compares: its calls are of the repair lane, beside the running processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.client import Database
from adapters.salesforce.flows import Flow
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.slots import Slots
from consumers.budget import Budget
from consumers.rules.budget import BudgetLane
from consumers.settings import BudgetSettings
from ops.logins import connection_store, process_name
from ops.processes.budget import MISSED_TELLINGS, LaneGate
from ops.processes.parts import ended, wall_ms
from ops.settings import WrongSettings, read_settings
from ops.settings_groups import NO_KEYS
from schemas.unavailable import Unavailable


@asynccontextmanager
async def open_in_repair_lane(database: Database, settings: SalesforceSettings) -> AsyncIterator[Salesforce]:
    """The org, for as long as the block runs; what the other processes know of its allocation is known here too.

    Raises:
        WrongSettings: those of the budget or of the keys are wrong.
        Unavailable: MongoDB does not answer.
    """
    budgeting, encryption = read_settings(BudgetSettings, EncryptionSettings)
    if settings.flow is Flow.WEB_SERVER and encryption.keyring() is None:
        raise WrongSettings([NO_KEYS])
    budget = Budget(budgeting.policy(), now=wall_ms)
    allocations, name = MongoAllocations(database, settings.login_url), process_name()
    seconds = budgeting.share_seconds

    budget.share(*await allocations.exchange(name, budget.heard, seconds * MISSED_TELLINGS))
    sharing = asyncio.create_task(_share(budget, allocations, name, seconds))
    try:
        async with open_salesforce(
            settings,
            now=wall_ms,
            gate=LaneGate(budget, Slots(lambda: budget.slots(budgeting.calls_at_once)), BudgetLane.REPAIR),
            on_allocation=budget.hear,
            store=connection_store(database, encryption),
        ) as salesforce:
            yield salesforce
    finally:
        await ended(sharing)


async def _share(budget: Budget, allocations: MongoAllocations, name: str, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        # MongoDB away for a moment: what was heard last stands, as in a process, and every answer tells more.
        with suppress(Unavailable):
            budget.share(*await allocations.exchange(name, budget.heard, seconds * MISSED_TELLINGS))
