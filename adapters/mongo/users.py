"""Users of the admin page (`tandem_users`) and their visits (`tandem_sessions`)."""

from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import SESSIONS, USERS
from adapters.mongo.tries import MongoTries, key_of_name
from schemas.operators import Role, Session, User


class MongoUsers:
    """Every method raises `Unavailable` while MongoDB does not answer."""

    def __init__(self, database: Database) -> None:
        self._users = database[USERS]
        self._tries = MongoTries(database)

    async def add(self, user: User) -> bool:
        """Keep a new user; false where the name is taken."""
        with answering():
            try:
                await self._users.insert_one(_dump(user))
            except DuplicateKeyError:
                return False
        return True

    async def find(self, name: str) -> User | None:
        """The user of this name."""
        with answering():
            row = await self._users.find_one({"_id": name})
        return None if row is None else _load(row)

    async def all(self) -> list[User]:
        """Everybody, by name."""
        with answering():
            return [_load(row) async for row in self._users.find().sort("_id", 1)]

    async def set_password(self, name: str, password_hash: str) -> bool:
        """Give them another password; false where there is no such user. Their wrong tries are forgotten."""
        await self._tries.forget(key_of_name(name))
        return await self._set(name, {"password_hash": password_hash})

    async def set_role(self, name: str, role: Role) -> bool:
        """Give them another role; false where there is no such user."""
        return await self._set(name, {"role": str(role)})

    async def set_disabled(self, name: str, *, disabled: bool) -> bool:
        """Shut them out, or let them in again; false where there is no such user. Their wrong tries are forgotten."""
        await self._tries.forget(key_of_name(name))
        return await self._set(name, {"disabled": disabled})

    async def came(self, name: str, at: int) -> None:
        """They have signed in."""
        await self._set(name, {"seen_at": at})

    async def _set(self, name: str, values: dict[str, Any]) -> bool:
        with answering():
            return bool((await self._users.update_one({"_id": name}, {"$set": values})).matched_count)


class MongoSessions:
    """Of sessions only a hash of what the browser holds is kept. Raises as `MongoUsers`."""

    def __init__(self, database: Database) -> None:
        self._sessions = database[SESSIONS]

    async def begin(self, session: Session, expires_at: int) -> None:
        """Keep a new one until then, epoch milliseconds."""
        row = {
            "_id": session.id,
            "user": session.user,
            "csrf": session.csrf,
            "began_at": session.began_at,
            "seen_at": session.seen_at,
            "expires_at": datetime.fromtimestamp(expires_at / 1000, UTC),
            "told": [],
        }
        with answering():
            await self._sessions.insert_one(row)

    async def find(self, session_id: str) -> Session | None:
        """The one of this id; whether it has run out is for the caller to say."""
        with answering():
            row = await self._sessions.find_one({"_id": session_id})
        return None if row is None else Session(row["_id"], row["user"], row["csrf"], row["began_at"], row["seen_at"])

    async def seen(self, session_id: str, at: int) -> None:
        """It was heard of."""
        with answering():
            await self._sessions.update_one({"_id": session_id}, {"$max": {"seen_at": at}})

    async def tell(self, session_id: str, told: str) -> None:
        """Have the next page say this."""
        with answering():
            await self._sessions.update_one({"_id": session_id}, {"$push": {"told": told}})

    async def told(self, session_id: str) -> list[str]:
        """What the next page is to say, once."""
        with answering():
            asked = {"_id": session_id, "told": {"$ne": []}}
            row = await self._sessions.find_one_and_update(asked, {"$set": {"told": []}})
        return list(row["told"]) if row else []

    async def end(self, session_id: str) -> None:
        """End it."""
        with answering():
            await self._sessions.delete_one({"_id": session_id})

    async def end_all_of(self, user: str) -> None:
        """End every one of this user's."""
        with answering():
            await self._sessions.delete_many({"user": user})


def _dump(user: User) -> dict[str, Any]:
    return {
        "_id": user.name,
        "role": str(user.role),
        "password_hash": user.password_hash,
        "disabled": user.disabled,
        "created_at": user.created_at,
        "seen_at": user.seen_at,
    }


def _load(row: dict[str, Any]) -> User:
    return User(
        name=row["_id"],
        role=Role(row["role"]),
        password_hash=row["password_hash"],
        disabled=row["disabled"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
    )
