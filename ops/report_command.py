"""`tandem report events`: what came of each event, from the documents and from Salesforce's own deals."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from adapters.encryption.settings import EncryptionSettings
from adapters.mongo.client import Refused, open_database
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from adapters.mongo.walks import MongoWalks
from adapters.salesforce import soql
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.opening import open_salesforce
from adapters.salesforce.rest import Rest
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from ops.campaigns.report import EventReport, NoEvents, collections_of, reports, shape_of
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.logins import connection_store
from ops.mapping_source import MappingSettings
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable

PAGE: Final = 1_000
DEAL_FIELDS: Final = ("Id", "CampaignId", "Amount", "ExpectedRevenue", "IsClosed", "IsWon")


def run(event: str, *, as_json: bool) -> int:
    """Show it; the exit code."""
    try:
        with quiet_libraries():
            found = asyncio.run(_reports())
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except CallFailed as failed:
        return _complain(f"Salesforce does not tell its deals: {failed.fault.code}", EXIT_FAILED)
    except (NoEvents, Unavailable, Refused, InvalidMapping) as error:
        return _complain(str(error), EXIT_FAILED)
    chosen = [each for each in found if event in ("", each.event)]
    if event and not chosen:
        return _complain(f"there is no event {event}", EXIT_FAILED)
    if as_json:
        sys.stdout.write(lines_of_json(chosen))
    else:
        Console().print(table(chosen))
    return 0


def lines_of_json(found: Sequence[EventReport]) -> str:
    """One object a line; amounts are numbers."""
    return "".join(f"{json.dumps({**asdict(each), **_amounts(each)})}\n" for each in found)


def table(found: Sequence[EventReport]) -> Table:
    """As people read it."""
    shown = Table(title="What came of each event", title_justify="left")
    shown.add_column("event", overflow="fold")
    for column in ("registered", "attended", "leads converted", "deals", "pipeline", "forecast", "won"):
        shown.add_column(column, justify="right")
    for each in found:
        amounts = [f"{amount:,.0f}" for amount in (each.pipeline, each.forecast, each.won)]
        counts = (each.registered, each.attended, len(each.converted), each.deals)
        shown.add_row(each.name or each.event, *map(str, counts), *amounts)
    return shown


def _amounts(each: EventReport) -> dict[str, float]:
    return {"pipeline": float(each.pipeline), "forecast": float(each.forecast), "won": float(each.won)}


async def _reports() -> list[EventReport]:
    mongo, salesforce_settings, encryption, seed = read_settings(
        MongoSettings, SalesforceSettings, EncryptionSettings, MappingSettings
    )
    async with open_database(mongo) as database:
        mapping = await MongoMappings(database).current() or seed.read()
        shape, walks = shape_of(mapping), MongoWalks(database)
        events, members, people = [
            [each async for page in walks.pages(kind.collection, "", PAGE) for each in page]
            for kind in collections_of(shape, mapping)
        ]
        campaigns = [record for each in events if (record := (each.get("salesforce") or {}).get("recordId"))]
        store = connection_store(database, encryption)
        async with open_salesforce(salesforce_settings, now=wall_ms, store=store) as salesforce:
            deals = await deals_of(salesforce.rest, campaigns)
    return reports(shape, events, members, people, deals)


async def deals_of(rest: Rest, campaigns: Sequence[str]) -> list[dict[str, Any]]:
    """The Opportunities that name these Campaigns.

    Raises:
        CallFailed: Salesforce does not answer, or does not give them.
    """
    queries = soql.select_where_in(DEAL_FIELDS, "Opportunity", "CampaignId", campaigns) if campaigns else ()
    return [row for query in queries async for row in rest.query(query)]


def _complain(told: str, code: int) -> int:
    sys.stderr.write(f"{told}\n")
    return code
