"""`tandem users`: who may use the admin page."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from getpass import getpass

from rich.console import Console
from rich.table import Table

from adapters.encryption.passwords import hash_password
from adapters.mongo.client import Refused, open_database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.mongo.users import MongoSessions, MongoUsers
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.noting import Deed, Ending, noted
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from ops.show_view import moment
from ops.users import new_user, wrong_password
from schemas.operators import Role, User
from schemas.unavailable import Unavailable


class CannotDo(Exception):
    """Why it was not done, in one line."""


class Book:
    """The users, with a row for each change of who may do what."""

    def __init__(self, users: MongoUsers, sessions: MongoSessions, operations: MongoOperations) -> None:
        self.users = users
        self.sessions = sessions
        self._operations = operations

    def noted(self, what: str, name: str) -> AbstractAsyncContextManager[Ending]:
        """Keep who does this to whom, before the block does it."""
        deed = Deed(what, name, operator_name(), "by command", wall_ms(), {})
        return noted(self._operations, deed, refusals=(CannotDo,))


def run_add(name: str, role: Role) -> int:
    """Add one, with a password that is asked for, or read from standard input; the exit code."""
    password = _password()

    async def add(book: Book) -> str:
        user = await new_user(name, role, password, wall_ms())
        if isinstance(user, str):
            raise CannotDo(user)
        async with book.noted("add user", name):
            if not await book.users.add(user):
                raise CannotDo(f"there is a user {name} already")
        return f"{name} may sign in as {role}"

    return _run(add)


def run_list() -> int:
    """Show them; the exit code."""

    async def read(book: Book) -> list[User]:
        return await book.users.all()

    return _run(read)


def run_password(name: str) -> int:
    """Give one another password; the exit code."""
    password = _password()

    async def change(book: Book) -> str:
        if why := wrong_password(password):
            raise CannotDo(why)
        hashed = await hash_password(password)
        async with book.noted("set password", name):
            if not await book.users.set_password(name, hashed):
                raise CannotDo(f"there is no user {name}")
            await book.sessions.end_all_of(name)
        return f"{name} has another password; every visit of theirs has ended"

    return _run(change)


def run_role(name: str, role: Role) -> int:
    """Give one another role; the exit code."""

    async def change(book: Book) -> str:
        async with book.noted(f"make {role}", name):
            if not await book.users.set_role(name, role):
                raise CannotDo(f"there is no user {name}")
        return f"{name} is {role}"

    return _run(change)


def run_disable(name: str, *, disabled: bool) -> int:
    """Shut one out, or let them in again; the exit code."""

    async def change(book: Book) -> str:
        async with book.noted("disable" if disabled else "enable", name):
            if not await book.users.set_disabled(name, disabled=disabled):
                raise CannotDo(f"there is no user {name}")
            await book.sessions.end_all_of(name)
        return f"{name} is shut out" if disabled else f"{name} may sign in again"

    return _run(change)


def _password() -> str:
    """Typed twice on a terminal; the first line of standard input elsewhere."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if getpass("Once more: ") != password:
        return ""  # which is too short, and says so
    return password


def _run(work: Callable[[Book], Awaitable[str | list[User]]]) -> int:
    async def ask() -> str | list[User]:
        (mongo,) = read_settings(MongoSettings)
        async with open_database(mongo) as database:
            return await work(Book(MongoUsers(database), MongoSessions(database), MongoOperations(database)))

    try:
        with quiet_libraries():
            answer = asyncio.run(ask())
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        return EXIT_WRONG_SETTINGS
    except (CannotDo, Unavailable, Refused) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    if isinstance(answer, str):
        sys.stdout.write(f"{answer}\n")
    elif answer:
        Console().print(_table(answer))
    else:
        sys.stdout.write("there is no user yet; `tandem users add NAME --role admin` makes the first\n")
    return 0


def _table(users: list[User]) -> Table:
    shown = Table("name", "role", "last here (UTC)", "")
    for user in users:
        seen = moment(user.seen_at)[:16] if user.seen_at else "never"
        shown.add_row(user.name, str(user.role), seen, "shut out" if user.disabled else "")
    return shown
