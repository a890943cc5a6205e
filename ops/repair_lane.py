"""Salesforce for a command that repairs or compares: its calls are of the repair lane, beside the running processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Database
from adapters.salesforce.flows import Flow
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from adapters.salesforce.slots import Slots
from consumers.rules.budget import BudgetLane
from consumers.settings import BudgetSettings
from ops.logins import connection_store
from ops.processes.budget import LaneGate
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from ops.settings_groups import NO_KEYS
from ops.shared_budget import shared_budget


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
    async with (
        shared_budget(database, settings, budgeting) as budget,
        open_salesforce(
            settings,
            now=wall_ms,
            gate=LaneGate(budget, Slots(lambda: budget.slots(budgeting.calls_at_once)), BudgetLane.REPAIR),
            on_allocation=budget.hear,
            store=connection_store(database, encryption),
        ) as salesforce,
    ):
        yield salesforce
