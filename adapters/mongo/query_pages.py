"""Where the next page of a caller's query is (`tandem_query_pages`): Salesforce's own address stays with us."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import QUERY_PAGES

KEPT: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class KeptPage:
    """The page behind a cursor: of which query, and Salesforce's address of it."""

    soql: str
    sobject: str
    following: str


class MongoQueryPages:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._pages = database[QUERY_PAGES]

    async def add(self, page: KeptPage, owner: str) -> str:
        """Keep a page for a quarter of an hour; its cursor, good for this owner alone."""
        cursor = secrets.token_urlsafe(24)
        told = {"soql": page.soql, "sobject": page.sobject, "following": page.following}
        with answering():
            await self._pages.insert_one(
                {"_id": cursor, "owner": owner, **told, "expires_at": datetime.now(UTC) + KEPT}
            )
        return cursor

    async def read(self, cursor: str, owner: str) -> KeptPage | None:
        """The page; nothing where there is none, or it is another's, or its time is over."""
        wanted = {"_id": cursor, "owner": owner, "expires_at": {"$gt": datetime.now(UTC)}}
        with answering():
            row = await self._pages.find_one(wanted)
        return None if row is None else KeptPage(row["soql"], row["sobject"], row["following"])
