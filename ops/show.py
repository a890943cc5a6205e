"""`tandem show`: a document and its Salesforce record side by side, and what has happened to it, in order.

It prints personal data, since a person with access to both sides asked for it by id; nothing of it is logged.
"""

import asyncio
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from adapters.mongo.client import Refused, open_database
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.history import parked_records
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.logins import open_signed_in
from ops.mapping_source import MappingSettings
from ops.settings import WrongSettings, read_each, read_settings
from ops.show_story import known_of, told
from ops.show_view import Findings, Row, view
from ops.story import Known
from schemas.mapping import KindMapping
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable


class CannotShow(Exception):
    """Why there is nothing to show, in one line."""


def run(kind_name: str, document_id: str, *, rows: int = 100, values: bool = False) -> int:
    """Show it, marked fields masked unless their `values` are asked for.

    0 if a document, a record or anything that happened was found, 1 if not, 2 for wrong settings.
    """
    console = Console()
    try:
        with quiet_libraries():
            findings, known = asyncio.run(_find(kind_name, document_id, rows))
    except WrongSettings as wrong:
        console.print(Text(str(wrong)))
        return EXIT_WRONG_SETTINGS
    except (CannotShow, Unavailable, Refused, InvalidMapping) as error:
        console.print(Text(str(error)))
        return EXIT_FAILED
    console.print(view(replace(findings, values=values)))
    if not known.is_nothing:
        console.print(told(known, rows=rows, values=values))
    return 0 if findings.document or findings.record or not known.is_nothing else EXIT_FAILED


async def _find(kind_name: str, document_id: str, rows: int) -> tuple[Findings, Known]:
    mongo, seed = read_settings(MongoSettings, MappingSettings)
    async with open_database(mongo) as database:
        mapping = await MongoMappings(database).current() or seed.read()
        kind = mapping.kinds.get(kind_name)
        if kind is None:
            raise CannotShow(f'"{kind_name}" is no kind of the mapping; there are: {", ".join(mapping.kinds)}')
        documents = await MongoDocuments(database).read(kind.collection, [document_id])
        document = documents.get(document_id)
        link = (document or {}).get("_sync", {}).get("link", {}).get("id", "")
        record_id, record, away = await _record(kind, document_id, link)
        known = await known_of(database, kind_name, document_id, document, rows=rows, record_id=record_id)
        findings = Findings(
            kind_name=kind_name,
            kind=kind,
            id=document_id,
            document=document,
            record_id=record_id,
            record=record,
            record_away=away,
            log=known.log,
            parked=await parked_records(database, kind_name, document_id, rows),
        )
        return findings, known


async def _record(kind: KindMapping, document_id: str, link: str) -> tuple[str, Row | None, str]:
    """The record's id, the record, and why it could not be read; an unlinked one is looked up by external id."""
    read, wrong = read_each(SalesforceSettings)
    settings = read.get(SalesforceSettings)
    if not isinstance(settings, SalesforceSettings):
        return link, None, wrong[0]
    try:
        async with open_signed_in(settings) as salesforce:
            found = [link]
            for place in kind.places() if not link else ():
                by_external_id = await salesforce.records.find(place.sobject, place.external_id, [document_id])
                if found := by_external_id.get(document_id, []):
                    break
            if len(found) != 1:
                return "", None, f"{len(found)} records have this external id" if found else ""
            place = kind.place_of(found[0])
            names = list(dict.fromkeys(["LastModifiedDate", place.token, *place.names.values()]))
            answer = await salesforce.records.read(place.sobject, found, names)
            row = next(iter(answer.rows.values()), None)
            return found[0], None if row is None else dict(place.incoming(row)), ""
    except (Unavailable, Refused, WrongSettings) as error:
        return link, None, str(error)
