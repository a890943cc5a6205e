"""`tandem review`: the conflicts that wait for a person, and the person's choice.

It prints personal data, since a person with access to both sides asked for it; nothing of it is logged.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from adapters.mongo.client import open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.logs import MongoSyncLog
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from consumers.catalog import Catalog
from consumers.rules.state import Side
from consumers.settings import MergeSettings
from ops.command_end import exit_code
from ops.mapping_source import MappingSettings
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.reviews import CannotChoose, Reviews
from ops.reviews_view import lines_of_json, outcome, prompt, question_lines, queue_view
from ops.settings import read_settings
from schemas.unavailable import Unavailable

Answer = TypeVar("Answer")


_exit_code: Final = partial(exit_code, failures=(CannotChoose,))


def run_list(kind_name: str, path: str, limit: int, *, as_json: bool) -> int:
    """Show the queue, as a table or as lines of JSON; the exit code."""

    def show() -> None:
        queue = _with_reviews(lambda reviews: reviews.waiting(kind_name, path, limit))
        if as_json:
            sys.stdout.write(lines_of_json(queue))
        else:
            Console().print(queue_view(queue, wall_ms()))

    return _exit_code(show)


def run_choose(kind_name: str, document_id: str, path: str, side: Side, *, why: str, sure: bool) -> int:
    """Show the question, have it confirmed unless `sure`, and settle it; the exit code.

    Between the question and the answer no connection is open: a person may take an hour.
    """

    def choose() -> None:
        question = _with_reviews(lambda reviews: reviews.question(kind_name, document_id, path))
        console = Console(soft_wrap=True)
        for line in question_lines(question, wall_ms()):
            console.print(Text(line))
        if not sure and not typer.confirm(prompt(side)):
            raise CannotChoose("nothing was changed")
        try:
            chosen = _with_reviews(lambda reviews: reviews.choose(question, side, who=operator_name(), why=why))
        except Unavailable as error:
            raise CannotChoose(f"{error}. Choose again: if no question is open then, this choice was stored") from error
        console.print(Text(outcome(chosen)))

    return _exit_code(choose)


def _with_reviews(ask: Callable[[Reviews], Awaitable[Answer]]) -> Answer:
    async def asked() -> Answer:
        async with open_reviews() as reviews:
            return await ask(reviews)

    with quiet_libraries():
        return asyncio.run(asked())


@asynccontextmanager
async def open_reviews() -> AsyncIterator[Reviews]:
    """The reviews of the database that the settings name, by the mapping in force.

    Raises:
        WrongSettings, Unavailable, Refused, InvalidMapping.
    """
    mongo, merge, seed = read_settings(MongoSettings, MergeSettings, MappingSettings)
    async with open_database(mongo) as database:
        catalog = Catalog(await MongoMappings(database).current() or seed.read())
        yield Reviews(
            documents=MongoDocuments(database),
            log=MongoSyncLog(database),
            catalog=lambda: catalog,
            now=wall_ms,
            timing=merge.timing(),
        )
