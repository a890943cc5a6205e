"""`tandem users` as a person runs it, on the real MongoDB: each change is in the audit, before it is made."""

import asyncio
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.encryption.passwords import is_password
from adapters.mongo.operations import MongoOperations
from adapters.mongo.users import MongoUsers
from ops import users_command
from ops.operator_name import operator_name
from schemas.operators import Role
from schemas.unavailable import Unavailable

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
PASSWORD = "correct horse battery"


@pytest.fixture
def run(database: Database, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs a command with a password on standard input; its exit code."""
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)

    async def ran(command: Callable[[], int], password: str = PASSWORD) -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return await asyncio.to_thread(command)

    return ran


async def test_each_change_of_a_user_is_in_the_audit(run: Callable[..., Any], database: Database) -> None:
    """Who did what to whom, and how it went."""
    changes = [
        (partial(users_command.run_add, "ada", Role.VIEWER), 0, "add user", "done"),
        (partial(users_command.run_add, "ada", Role.VIEWER), 1, "add user", "not done: there is a user ada already"),
        (partial(users_command.run_role, "ada", Role.ADMIN), 0, "make admin", "done"),
        (partial(users_command.run_disable, "ada", disabled=True), 0, "disable", "done"),
        (partial(users_command.run_disable, "ada", disabled=False), 0, "enable", "done"),
        (partial(users_command.run_password, "bob"), 1, "set password", "not done: there is no user bob"),
    ]
    for command, code, _what, _result in changes:
        assert await run(command) == code
    assert await run(partial(users_command.run_password, "ada"), "another long password") == 0
    rows = await database["tandem_operations"].find().sort("$natural", 1).to_list()
    assert [(row["what"], row["result"]) for row in rows] == [
        *((what, result) for _command, _code, what, result in changes),
        ("set password", "done"),
    ]
    assert {(row["by"], row["note"]) for row in rows} == {(operator_name(), "by command")}
    ada = await MongoUsers(database).find("ada")
    assert ada is not None
    assert (ada.role, ada.disabled) == (Role.ADMIN, False)
    assert await is_password("another long password", ada.password_hash)


async def test_what_cannot_be_noted_is_not_done(
    run: Callable[..., Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may sign in of whom the audit does not know who let them."""

    async def away(_self: MongoOperations, _rows: Any) -> None:
        raise Unavailable("MongoDB does not answer")

    monkeypatch.setattr(MongoOperations, "add", away)
    assert await run(partial(users_command.run_add, "ada", Role.ADMIN)) == 1
    assert await MongoUsers(database).all() == []
