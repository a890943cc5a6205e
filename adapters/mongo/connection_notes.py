"""What anyone may know of a connection (`salesforce_connections`): who signs in, since when, when it last did anything.

Kept for every flow. Of those that store no token it is all there is.
"""

from dataclasses import dataclass
from typing import Any

from pymongo import ReturnDocument

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.connections import CONNECTIONS, without_tokens
from schemas.connection import Connection


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A login as it went. `at` is epoch milliseconds; `credential` is a fingerprint, or empty."""

    name: str
    flow: str
    login_url: str
    instance_url: str
    org_id: str
    user_id: str
    scopes: tuple[str, ...]
    credential: str
    at: int


class ConnectionNotes:
    """Each method raises Unavailable where MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._connections = database[CONNECTIONS]

    async def read(self, name: str) -> Connection | None:
        """What is noted of this app's connection, without its tokens."""
        with answering():
            found = await self._connections.find_one({"_id": name})
        return None if found is None else without_tokens(found)

    async def signed_in(self, login: SignedIn) -> Connection:
        """Note a login; what is noted now. A credential that was not the one before is in use since now."""
        told: dict[str, Any] = {
            "login_url": login.login_url,
            "instance_url": login.instance_url,
            "org_id": login.org_id,
            "user_id": login.user_id,
            "scopes": list(login.scopes),
            "refreshed_at": login.at,
        }
        credential = {"$literal": login.credential}
        same = {"$eq": ["$credential", credential]}
        since = {"$cond": [same, "$credential_since", login.at if login.credential else 0]}
        # Beside stored tokens stands where they lead: a process with an older login must not point them elsewhere.
        stored = {"$gt": ["$refresh_token", ""]}
        kept = {
            name: {"$cond": [stored, {"$ifNull": [f"${name}", {"$literal": value}]}, {"$literal": value}]}
            for name, value in told.items()
        }
        # In one stage: all its expressions see the row as it was.
        noted = kept | {"flow": {"$literal": login.flow}, "credential": credential, "credential_since": since}
        with answering():
            row = await self._connections.find_one_and_update(
                {"_id": login.name},
                [{"$set": noted}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        if row is None:
            raise RuntimeError("an upsert gave no row")
        return without_tokens(row)

    async def synced(self, name: str, at: int) -> None:
        """Move the time of the last sync forward."""
        with answering():
            await self._connections.update_one({"_id": name}, {"$max": {"last_sync_at": at}})
