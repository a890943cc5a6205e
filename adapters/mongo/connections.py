"""Connections to orgs (`salesforce_connections`), their tokens sealed: a copy of the database opens nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from schemas.connection import Connection

CONNECTIONS: Final = "salesforce_connections"
SEALED: Final = ("access_token", "refresh_token")


class Seal(Protocol):
    """What seals and opens; `about` says where a text belongs, and it opens nowhere else."""

    def seal(self, text: str, about: str) -> str:
        """The sealed text."""

    def open(self, sealed: str, about: str) -> str:
        """The text.

        Raises:
            schemas.connection.CannotOpen: no key of ours opens it.
        """


class MongoConnections:
    """Satisfies `adapters.salesforce.refresh.Connections`. Each method raises Unavailable where MongoDB is away."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._connections = database[CONNECTIONS]
        self._seal = seal

    async def read(self, name: str) -> Connection | None:
        """The connection of this app, if its tokens are kept.

        Raises:
            CannotOpen: they are sealed with a key that we do not have.
        """
        with answering():
            found = await self._connections.find_one({"_id": name})
        return None if found is None or not has_tokens(found) else self._opened(found)

    async def connect(self, connection: Connection) -> None:
        """Put it in the place of any that there was."""
        await self._set(connection, {"_id": connection.name}, upsert=True)

    async def renew(self, connection: Connection, *, since: int) -> bool:
        """Replace the tokens where the stored version is still `since`; whether it was."""
        return await self._set(connection, {"_id": connection.name, "version": since})

    async def refuse(self, name: str, code: str, at: int, *, since: int) -> None:
        """Keep that Salesforce has ended it, if it is still the version `since`."""
        with answering():
            await self._connections.update_one(
                {"_id": name, "version": since}, {"$set": {"refused": code, "refused_at": at}}
            )

    async def _set(self, connection: Connection, which: dict[str, Any], *, upsert: bool = False) -> bool:
        fields = {
            "login_url": connection.login_url,
            "instance_url": connection.instance_url,
            "org_id": connection.org_id,
            "user_id": connection.user_id,
            "scopes": list(connection.scopes),
            "connected_at": connection.connected_at,
            "refreshed_at": connection.refreshed_at,
            "refused": "",
            "refused_at": 0,
        } | {name: self._seal.seal(getattr(connection, name), _about(connection.name, name)) for name in SEALED}
        update = {"$set": fields, "$inc": {"version": 1}}
        with answering():
            written = await self._connections.update_one(which, update, upsert=upsert)
        return bool(written.matched_count or written.upserted_id)

    def _opened(self, found: dict[str, Any]) -> Connection:
        name = found["_id"]
        access_token, refresh_token = (self._seal.open(found[each], _about(name, each)) for each in SEALED)
        return replace(without_tokens(found), access_token=access_token, refresh_token=refresh_token)


@dataclass(frozen=True, slots=True)
class SealedConnection:
    """A connection as it is stored: what anyone may see, and its sealed texts by field."""

    connection: Connection
    """Without its tokens."""
    sealed: dict[str, str]


async def sealed_connections(database: Database) -> AsyncIterator[SealedConnection]:
    """All that have tokens, unopened. Raises as `MongoConnections`."""
    with answering():
        found = await database[CONNECTIONS].find({}).to_list()
    for each in found:
        if has_tokens(each):
            yield SealedConnection(without_tokens(each), {name: each[name] for name in SEALED})


async def reseal(database: Database, stored: SealedConnection, seal: Seal) -> bool:
    """Seal its texts with the newest key, if they are still those that were read; whether they were.

    Raises:
        CannotOpen: one is sealed with a key that we do not have.
        Unavailable: MongoDB does not answer.
    """
    name = stored.connection.name
    anew = {
        each: seal.seal(seal.open(text, _about(name, each)), _about(name, each)) for each, text in stored.sealed.items()
    }
    with answering():
        written = await database[CONNECTIONS].update_one({"_id": name, **stored.sealed}, {"$set": anew})
    return bool(written.matched_count)


def has_tokens(row: dict[str, Any]) -> bool:
    """False for a row that only notes who signs in."""
    return all(row.get(name) for name in SEALED)


def without_tokens(row: dict[str, Any]) -> Connection:
    """What anyone may see of a stored row."""
    return Connection(
        name=row["_id"],
        login_url=row["login_url"],
        instance_url=row["instance_url"],
        org_id=row["org_id"],
        user_id=row["user_id"],
        scopes=tuple(row["scopes"]),
        access_token="",
        refresh_token="",
        connected_at=int(row.get("connected_at", 0)),
        refreshed_at=int(row["refreshed_at"]),
        version=int(row.get("version", 0)),
        refused=row.get("refused", ""),
        refused_at=int(row.get("refused_at", 0)),
        last_sync_at=int(row.get("last_sync_at", 0)),
        flow=row.get("flow", ""),
        credential_since=int(row.get("credential_since", 0)),
    )


def _about(name: str, field: str) -> str:
    return f"{CONNECTIONS}.{name}.{field}"
