"""`tandem api-keys`: keys of the platform's API are made, listed and revoked."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.encryption.secret_hash import SecretHashes
from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.client import Refused, open_database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.noting import Deed, Ending, noted
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from schemas.api_key import KEY_PREFIX, ApiKey, Scope
from schemas.unavailable import Unavailable

Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class Book:
    """The keys, with a row of the audit for each change."""

    keys: MongoApiKeys
    operations: MongoOperations

    def noted(self, what: str, item: str, result: str = "done") -> AbstractAsyncContextManager[Ending]:
        """Keep who does this, before the block does it."""
        deed = Deed(what, item, operator_name(), "by command", wall_ms(), {})
        return noted(self.operations, deed, result, refusals=())


def new_key(
    name: str, scopes: Sequence[Scope], *, by: str, at: datetime, days: float | None = None, rate: float | None = None
) -> tuple[str, ApiKey]:
    """A key as it is handed over, and as it is stored."""
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    stored = ApiKey(
        id=key_id,
        name=name,
        hash=SecretHashes().hash(secret),
        scopes=tuple(scopes),
        made_at=at,
        made_by=by,
        ends_at=None if days is None else at + timedelta(days=days),
        rate=rate,
    )
    return f"{KEY_PREFIX}_{key_id}_{secret}", stored


def run_add(name: str, scopes: Sequence[Scope], *, days: float | None, rate: float | None) -> int:
    """Make a key and print it; the exit code."""
    text, key = new_key(name, scopes, by=operator_name(), at=datetime.now(UTC), days=days, rate=rate)

    async def add(book: Book) -> None:
        async with book.noted("add api key", f"{key.id} of {name}", f"it may {', '.join(scopes)}"):
            await book.keys.add(key)

    def told(_none: None) -> int:
        console = Console()
        # Not wrapped to the terminal's width: it has to be copied in one piece.
        console.print(Text(text), soft_wrap=True)
        console.print(
            Text(f"for {name}: {', '.join(key.scopes)}. It is not shown again; `tandem api-keys revoke {key.id}`")
        )
        return 0

    return _run(add, told)


def run_list() -> int:
    """Show all keys; the exit code."""

    def told(found: Iterable[ApiKey]) -> int:
        Console().print(table(list(found), datetime.now(UTC)))
        return 0

    return _run(lambda book: book.keys.all(), told)


def run_revoke(key_id: str) -> int:
    """End a key; the exit code."""
    wanted = key_id.removeprefix(f"{KEY_PREFIX}_").partition("_")[0]

    async def revoke(book: Book) -> bool:
        async with book.noted("revoke api key", wanted) as ending:
            done = await book.keys.revoke(wanted, datetime.now(UTC))
            ending.result = "done" if done else "not done: there is no such key that could be revoked"
        return done

    def told(done: bool) -> int:
        text = f"{wanted} is revoked" if done else f"there is no key {wanted} that could be revoked"
        Console().print(Text(text))
        return 0 if done else EXIT_FAILED

    return _run(revoke, told)


def table(keys: Sequence[ApiKey], now: datetime) -> Table:
    """The keys, the oldest first; no hash."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("key", "of", "may", "made (UTC)", "by", "is"):
        shown.add_column(column, overflow="fold")
    for key in keys:
        shown.add_row(
            key.id,
            Text(key.name),
            ", ".join(key.scopes),
            f"{key.made_at:%Y-%m-%d %H:%M}",
            Text(key.made_by),
            state(key, now),
        )
    return shown


def state(key: ApiKey, now: datetime) -> str:
    """`good`, or since when it is not."""
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.ends_at is None:
        return "good"
    return f"{'good until' if key.ends_at > now else 'over since'} {key.ends_at:%Y-%m-%d %H:%M}"


def _run(work: Callable[[Book], Coroutine[Any, Any, Given]], told: Callable[[Given], int]) -> int:
    async def opened() -> Given:
        (mongo,) = read_settings(MongoSettings)
        async with open_database(mongo) as database:
            return await work(Book(MongoApiKeys(database), MongoOperations(database)))

    try:
        with quiet_libraries():
            given = asyncio.run(opened())
    except WrongSettings as wrong:
        Console().print(Text(str(wrong)))
        return EXIT_WRONG_SETTINGS
    except (Unavailable, Refused) as error:
        Console().print(Text(str(error)))
        return EXIT_FAILED
    return told(given)
