"""Erasures as the API's routes ask for them."""

from collections.abc import Callable, Mapping
from typing import Any

from adapters.mongo.erasures import MongoErasures
from consumers.catalog import Catalog


class AskedErasures:
    """Satisfies `listener.api.erasures.ErasureDesk`."""

    def __init__(self, erasures: MongoErasures | None, catalog: Callable[[], Catalog]) -> None:
        self._erasures = erasures
        self._catalog = catalog

    @property
    def set_up(self) -> bool:
        """As the port."""
        return self._erasures is not None

    def knows(self, kind: str) -> bool:
        """As the port."""
        return kind in self._catalog().kinds

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> None:
        """As the port."""
        if self._erasures is not None:
            await self._erasures.ask(kind, document_id, now, by)

    async def certificate(self, kind: str, document_id: str) -> Mapping[str, Any] | None:
        """As the port."""
        return None if self._erasures is None else await self._erasures.certificate(kind, document_id)
