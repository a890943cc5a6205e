"""That an object's definition has changed: the subscriber hears it with a change event, the writer has to know."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from ops.processes.frame import Frame
from schemas.unavailable import Unavailable

LOOK_SECONDS: Final = 5.0


class Schemas(Protocol):
    """Where the schemas' ids are kept: `adapters.mongo.schema_ids.SchemaIds`."""

    async def heard(self, sobject: str, schema: str) -> None:
        """Keep one."""

    async def all(self) -> Mapping[str, str]:
        """By object."""


class SchemasHeard:
    """In the subscriber: keeps what its events bear, once for each change."""

    def __init__(self, schemas: Schemas, heard: Mapping[str, str], frame: Frame) -> None:
        """`heard` is kept up by the subscriber."""
        self._schemas = schemas
        self._heard = heard
        self._frame = frame
        self._kept: dict[str, str] = {}

    async def keep(self) -> None:
        """What is new; while MongoDB is away it stays so."""
        for sobject, schema in list(self._heard.items()):
            if self._kept.get(sobject) == schema:
                continue
            try:
                await self._schemas.heard(sobject, schema)
            except Unavailable as error:
                self._frame.log.warning("unavailable", what="schemas", reason=str(error))
                return
            self._kept[sobject] = schema

    async def follow(self) -> None:
        """Without end."""
        while True:
            await self.keep()
            await asyncio.sleep(LOOK_SECONDS)


class SchemasWatched:
    """In the writer: says which objects have another schema than before. What is there at first is no change."""

    def __init__(self, schemas: Schemas, changed: Callable[[str], None], frame: Frame) -> None:
        self._schemas = schemas
        self._changed = changed
        self._frame = frame
        self._seen: Mapping[str, str] | None = None

    async def look(self) -> None:
        """Once; while MongoDB is away nothing is known to have changed."""
        try:
            found = await self._schemas.all()
        except Unavailable as error:
            self._frame.log.warning("unavailable", what="schemas", reason=str(error))
            return
        if self._seen is not None:
            for sobject, schema in found.items():
                if self._seen.get(sobject, schema) != schema:
                    self._changed(sobject)
        self._seen = found

    async def follow(self) -> None:
        """Without end."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)
