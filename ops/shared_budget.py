"""The org's allocations for a command, which shares what it hears with the running processes and knows what they do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from adapters.mongo.allocations import MongoAllocations
from adapters.mongo.client import Database
from adapters.salesforce.settings import SalesforceSettings
from consumers.budget import Budget
from consumers.settings import BudgetSettings
from ops.logins import process_name
from ops.processes.budget import MISSED_TELLINGS
from ops.processes.parts import ended, wall_ms
from schemas.unavailable import Unavailable


@asynccontextmanager
async def shared_budget(
    database: Database, salesforce: SalesforceSettings, settings: BudgetSettings
) -> AsyncIterator[Budget]:
    """A budget that is exchanged with those of the other processes while the block runs, and once before it.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    budget = Budget(settings.policy(), now=wall_ms)
    allocations, name = MongoAllocations(database, salesforce.login_url), process_name()
    seconds = settings.share_seconds

    async def exchange() -> None:
        budget.share(*await allocations.exchange(name, budget.heard, seconds * MISSED_TELLINGS))

    async def keep() -> None:
        while True:
            await asyncio.sleep(seconds)
            # MongoDB away for a moment: what was heard last stands, as in a process, and every answer tells more.
            with suppress(Unavailable):
                await exchange()

    await exchange()
    sharing = asyncio.create_task(keep())
    try:
        yield budget
    finally:
        await ended(sharing)
