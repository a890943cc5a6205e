"""What has happened to one thing, in order of time: the end of `tandem show`; with `--story` by MongoDB alone."""

import asyncio
import sys

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from adapters.mongo.client import Database, Refused, open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.history import parked_of, story_rows
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.mapping_source import MappingSettings
from ops.settings import WrongSettings, read_settings
from ops.show_view import moment
from ops.story import Entry, Known, Row, story
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable


class NoKind(Exception):
    """The mapping has no such kind."""


def run(kind_name: str, document_id: str, *, rows: int, values: bool) -> int:
    """Tell it; 0 if anything is known, 1 if not, 2 for wrong settings."""
    try:
        with quiet_libraries():
            known = asyncio.run(_find(kind_name, document_id, rows))
    except WrongSettings as wrong:
        sys.stderr.write(f"{wrong}\n")
        return EXIT_WRONG_SETTINGS
    except (NoKind, Unavailable, Refused, InvalidMapping) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    if known.is_nothing:
        sys.stderr.write(f"nothing is known of {kind_name} {document_id}\n")
        return EXIT_FAILED
    console = Console(highlight=False)
    console.print(Text(heading(known)))
    console.print(told(known, rows=rows, values=values))
    return 0


def told(known: Known, *, rows: int, values: bool) -> RenderableType:
    """Its last entries, the newest at the end; and that there are more, where there are."""
    entries = story(known, values=values)
    shown = table(entries[-rows:])
    if len(entries) <= rows:
        return shown
    more = f"the last {rows:,} entries; {len(entries) - rows:,} earlier ones at least: --rows shows more"
    return Group(Text(more), shown)


def heading(known: Known) -> str:
    """Where it stands now."""
    document = known.document
    if document is None:
        return f"{known.kind} {known.id}: no document"
    status = document.get("salesforce", {}).get("syncStatus", "unknown")
    link = document.get("_sync", {}).get("link", {}).get("id", "none")
    return f"{known.kind} {known.id}: {status}, revision {document.get('revision')}, record {link}"


def table(entries: list[Entry]) -> Table:
    """An entry a row; times are UTC."""
    shown = Table(box=None, show_header=False, pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for entry in entries:
        shown.add_row(moment(entry.at), entry.what, Text(entry.told))
    return shown


async def _find(kind_name: str, document_id: str, rows: int) -> Known:
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mapping = await MongoMappings(database).current() or seed.read()
        kind = mapping.kinds.get(kind_name)
        if kind is None:
            raise NoKind(f'"{kind_name}" is no kind of the mapping; there are: {", ".join(mapping.kinds)}')
        document = (await MongoDocuments(database).read(kind.collection, [document_id])).get(document_id)
        return await known_of(database, kind_name, document_id, document, rows=rows)


async def known_of(
    database: Database, kind_name: str, document_id: str, document: Row | None, *, rows: int, record_id: str = ""
) -> Known:
    """What is stored about one thing, and one entry more than is shown; `record_id` where it is not linked yet."""
    link = (document or {}).get("_sync", {}).get("link", {})
    named = (link.get("id"), *link.get("former", ()), record_id)
    records = list(dict.fromkeys(each for each in named if each))
    return Known(
        kind=kind_name,
        id=document_id,
        document=document,
        log=await story_rows(database, kind_name, document_id, records, rows + 1),
        parked=await parked_of(database, kind_name, document_id, records, rows + 1),
        operations=await MongoOperations(database).of_document(kind_name, document_id, rows + 1),
    )
