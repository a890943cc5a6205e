"""The org that the settings name, as the pages ask for it: opened for a question, and closed again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Database
from adapters.salesforce.settings import SalesforceSettings
from consumers.catalog import Catalog
from listener.api.connection import CannotAsk, CannotConnect
from ops import check
from ops.consent import Consent
from ops.export_command import held_by_settings
from ops.finding import Finding, State
from ops.mapping_fit import Remembered, fit_of_change
from ops.settings import WrongSettings, read_each, read_settings
from ops.settings_groups import ALL
from schemas.connection import Connection
from schemas.mapping import Mapping
from schemas.unavailable import Unavailable

TRY_SECONDS: Final = 60.0
"""How long somebody waits for all that is missing in an org, or for all that it holds of one person."""


class OrgOfSettings:
    """Satisfies `ops.admin.parts.Org`."""

    def __init__(self, database: Database, catalog: Callable[[], Catalog], callback_url: str = "") -> None:
        """`callback_url` is where the browser comes back to whoever agrees that Tandem signs in; empty: nowhere."""
        self._database = database
        self._callback_url = callback_url
        self._catalog = catalog
        self._remembered = Remembered()

    async def misfits(self, before: Mapping, after: Mapping) -> tuple[list[str], str]:
        """As the port."""
        return await fit_of_change(self._remembered, before, after)

    async def findings(self, mapping: Mapping) -> list[Finding]:
        """As the port."""
        read, _wrong = read_each(*ALL)
        found: list[Finding] = []
        try:
            async with asyncio.timeout(TRY_SECONDS):
                async for finding in check.of_salesforce(read, mapping):
                    found.append(finding)  # noqa: PERF401 - what was told before the time is over counts
        except TimeoutError:
            told = f"no end of answers within {TRY_SECONDS:.0f} seconds; `tandem check` takes the time that it needs"
            found.append(Finding("Salesforce", State.FAILED, told))
        return found

    async def begin_consent(self, owner: str) -> str:
        """As the port."""
        if not self._callback_url:
            raise CannotAsk("ADMIN_CALLBACK_URL is not set: Salesforce could not send the browser back to this page")
        try:
            return await self._consent().begin(owner)
        except WrongSettings as wrong:
            raise CannotAsk(str(wrong)) from None

    async def finish_consent(self, answer: str, owner: str) -> Connection:
        """As the port."""
        try:
            connection, _before = await self._consent().finish(answer, owner)
        except WrongSettings as wrong:
            raise CannotConnect(str(wrong)) from None
        return connection

    def _consent(self) -> Consent:
        settings, encryption = read_settings(SalesforceSettings, EncryptionSettings)
        ours = settings.model_copy(update={"redirect_uri": self._callback_url})
        return Consent(ours, self._database, encryption.keyring())

    async def held(self, kind: str, document_id: str) -> dict[str, Any]:
        """As the port."""
        try:
            async with asyncio.timeout(TRY_SECONDS):
                return await held_by_settings(self._database, self._catalog(), kind, document_id)
        except WrongSettings as wrong:
            raise Unavailable(f"Salesforce cannot be asked: {wrong}") from None
        except TimeoutError:
            raise Unavailable(f"Salesforce did not answer within {TRY_SECONDS:.0f} seconds") from None
