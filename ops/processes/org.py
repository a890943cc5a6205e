"""The org as most processes open it: within its allocation, with its calls and logins told of."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from adapters.encryption.settings import EncryptionSettings
from adapters.salesforce.gate import Gate
from adapters.salesforce.opening import Salesforce, open_salesforce
from adapters.salesforce.settings import SalesforceSettings
from ops.logins import connection_store, login_told, warn_of_flow
from ops.processes.budget import Account
from ops.processes.frame import Frame
from ops.processes.parts import Store, wall_ms


@asynccontextmanager
async def open_org(
    settings: SalesforceSettings,
    encryption: EncryptionSettings,
    store: Store,
    account: Account,
    gate: Gate,
    frame: Frame,
    *,
    pace: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Salesforce]:
    """The org for as long as the block runs; what of its allocation is used is kept beside it.

    `pace` as for `open_salesforce`. Nothing is asked of the org before the first call.
    """
    async with (
        open_salesforce(
            settings,
            now=wall_ms,
            gate=gate,
            on_allocation=account.hear,
            on_call=frame.metrics.salesforce_called,
            on_login=login_told(frame),
            store=connection_store(store.database, encryption),
            pace=pace,
        ) as salesforce,
        account.kept(store.database, settings.login_url, salesforce.rest),
    ):
        warn_of_flow(frame, settings)
        frame.life.failures = lambda: frame.metrics.failures_in_a_row
        frame.life.refusals.append(lambda: "" if salesforce.login.refusal is None else salesforce.login.refusal.code)
        yield salesforce
