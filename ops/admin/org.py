"""The org that the settings name, as the pages ask for it: opened for a question, and closed again."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from adapters.mongo.client import Database
from consumers.catalog import Catalog
from ops import check
from ops.export_command import held_by_settings
from ops.finding import Finding, State
from ops.mapping_fit import Remembered, fit_of_change
from ops.settings import WrongSettings, read_each
from ops.settings_groups import ALL
from schemas.mapping import Mapping
from schemas.unavailable import Unavailable

TRY_SECONDS: Final = 60.0
"""How long somebody waits for all that is missing in an org, or for all that it holds of one person."""


class OrgOfSettings:
    """Satisfies `ops.admin.parts.Org`."""

    def __init__(self, database: Database, catalog: Callable[[], Catalog]) -> None:
        self._database = database
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

    async def held(self, kind: str, document_id: str) -> dict[str, Any]:
        """As the port."""
        try:
            async with asyncio.timeout(TRY_SECONDS):
                return await held_by_settings(self._database, self._catalog(), kind, document_id)
        except WrongSettings as wrong:
            raise Unavailable(f"Salesforce cannot be asked: {wrong}") from None
        except TimeoutError:
            raise Unavailable(f"Salesforce did not answer within {TRY_SECONDS:.0f} seconds") from None
