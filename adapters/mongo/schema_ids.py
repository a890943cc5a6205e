"""The schemas that Salesforce's change events bear (`tandem_schemas`): the subscriber hears them, the writer asks."""

from collections.abc import Mapping
from typing import Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database

SCHEMAS: Final = "tandem_schemas"


class SchemaIds:
    """By object, the id that its last event bore. Each method raises Unavailable where MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._schemas = database[SCHEMAS]

    async def heard(self, sobject: str, schema: str) -> None:
        """Keep it. One that is there already moves no time."""
        same = {"$eq": ["$schema", {"$literal": schema}]}
        since = {"$cond": [same, "$since", "$$NOW"]}
        with answering():
            await self._schemas.update_one(
                {"_id": sobject}, [{"$set": {"since": since, "schema": {"$literal": schema}}}], upsert=True
            )

    async def all(self) -> Mapping[str, str]:
        """All that are kept."""
        with answering():
            return {str(row["_id"]): str(row["schema"]) async for row in self._schemas.find()}
