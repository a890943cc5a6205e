"""`tandem check`: would it run? Settings, connections, topics, and the mapping against the org. Changes nothing."""

import asyncio
import difflib
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Final

from pydantic_settings import BaseSettings
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.kafka.settings import KafkaSettings
from adapters.kafka.topics import verify_topics
from adapters.mongo.client import Refused, open_database
from adapters.mongo.guarantees import verify_servers
from adapters.mongo.mappings import MongoMappings
from adapters.mongo.settings import MongoSettings
from adapters.salesforce.errors import CallFailed
from adapters.salesforce.settings import SalesforceSettings
from adapters.telemetry.logs import quiet_libraries
from listener.changes.settings import ChangesSettings
from ops import check_org
from ops.check_login import login_warnings
from ops.finding import Finding, State
from ops.logins import open_signed_in
from ops.mapping_source import MappingSettings
from ops.settings import WrongSettings, read_each, unknown_variables, variables
from ops.settings_groups import ALL, contradictions
from ops.sync_settings import SyncSettings
from schemas import mapping as contract
from schemas import topics
from schemas.mapping_checks import problems
from schemas.mapping_reading import InvalidMapping
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

Groups = Mapping[type[BaseSettings], BaseSettings]

_STYLES: Final = {State.GOOD: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.NOT_TRIED: "dim"}


def run() -> int:
    """Try everything and show it; 0 if everything can run, else 1."""
    console = Console()
    read, wrong = read_each(*ALL)
    found = [*of_settings([*wrong, *contradictions(read)], os.environ)]
    with quiet_libraries(), console.status("Trying the connections"):
        found += asyncio.run(_connections(read))
    console.print(table(found))
    return exit_code(found)


def exit_code(found: Iterable[Finding]) -> int:
    """1 if anything failed or could not be tried."""
    return int(any(finding.state in (State.FAILED, State.NOT_TRIED) for finding in found))


def table(found: Iterable[Finding]) -> Table:
    """The findings as they are shown."""
    shown = Table(show_lines=False)
    for column in ("part", "state", "finding"):
        shown.add_column(column, overflow="fold")
    for finding in found:
        shown.add_row(finding.part, Text(finding.state, _STYLES[finding.state]), Text(finding.text))
    return shown


def of_settings(wrong: list[str], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Each wrong setting, and each variable whose name looks like a misspelt one."""
    for line in wrong:
        yield Finding("settings", State.FAILED, line)
    known = [variable for group in ALL for name in group.model_fields for variable in variables(group, name)]
    for variable in unknown_variables(ALL, environment):
        close = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=0.9)
        if close:
            yield Finding("settings", State.WARNING, f"{variable} sets nothing; did you mean {close[0]}?")
    if not wrong:
        yield Finding("settings", State.GOOD, f"{len(known)} read")


async def _connections(read: Groups) -> list[Finding]:
    kafka, (mongodb, mapping) = await asyncio.gather(_kafka(read), _mongodb(read))
    return [*kafka, *mongodb, *[finding async for finding in of_salesforce(read, mapping)]]


async def _kafka(read: Groups) -> list[Finding]:
    settings = read.get(KafkaSettings)
    if not isinstance(settings, KafkaSettings):
        return [_not_tried("Kafka")]
    try:
        names = topics.EVERY
        complaints = await verify_topics(settings, names)
    except Unavailable as error:
        return [Finding("Kafka", State.FAILED, str(error))]
    return [*_topics(complaints)] or [Finding("Kafka", State.GOOD, "reached; topics are as the promises need them")]


def _topics(complaints: Iterable[str]) -> Iterator[Finding]:
    for line in complaints:
        if "KAFKA_PARTITIONS=" in line or "offsets.retention.minutes=" in line:  # nothing can be lost by these
            yield Finding("Kafka", State.WARNING, line)
        elif line.endswith("does not exist"):
            yield Finding("Kafka", State.WARNING, f"{line}; the first process to start makes it")
        else:
            yield Finding("Kafka", State.FAILED, line)


async def _mongodb(read: Groups) -> tuple[list[Finding], contract.Mapping | None]:
    settings = read.get(MongoSettings)
    if not isinstance(settings, MongoSettings):
        return [_not_tried("MongoDB"), *_seed(read)[0]], _seed(read)[1]
    try:
        async with open_database(settings) as database:
            wrong_servers = [Finding("MongoDB", State.FAILED, line) for line in await verify_servers(database)]
            found = wrong_servers or [Finding("MongoDB", State.GOOD, f"reached; database {settings.database}")]
            mapping = await MongoMappings(database).current()
    except (Unavailable, Refused) as error:
        return [Finding("MongoDB", State.FAILED, str(error)), *_seed(read)[0]], _seed(read)[1]
    except InvalidMapping as error:
        return [*found, *_invalid(error)], None
    if mapping is None:
        seed, mapping = _seed(read)
        return [*found, *seed], mapping
    wrong = [Finding("mapping", State.FAILED, line) for line in problems(mapping)]
    return [*found, *(wrong or [Finding("mapping", State.GOOD, f"version {mapping.version} holds together")])], mapping


def _seed(read: Groups) -> tuple[list[Finding], contract.Mapping | None]:
    """The mapping that the first process to start would publish."""
    settings = read.get(MappingSettings)
    if not isinstance(settings, MappingSettings):
        return [_not_tried("mapping")], None
    mapping = settings.read()
    source = str(settings.file) if settings.file else f"preset {settings.preset}"
    return [Finding("mapping", State.GOOD, f"{source} holds together; used where the database holds none")], mapping


def _invalid(error: InvalidMapping) -> list[Finding]:
    return [Finding("mapping", State.FAILED, line) for line in error.problems]


async def of_salesforce(read: Groups, mapping: contract.Mapping | None) -> AsyncIterator[Finding]:
    """The login, and what is missing in the org, by the settings that were read. Changes nothing."""
    settings = read.get(SalesforceSettings)
    if not isinstance(settings, SalesforceSettings):
        yield _not_tried("Salesforce")
        return
    changes = read.get(ChangesSettings)
    listening = changes if isinstance(changes, ChangesSettings) else None
    switches = read.get(SyncSettings)
    for warning in await login_warnings(settings, read):
        yield Finding("Salesforce", State.WARNING, warning)
    try:
        async with open_signed_in(settings) as salesforce:
            grant = await salesforce.login.grant()
            org = f"; org {grant.org_id}" if grant.org_id else ""
            yield Finding("Salesforce", State.GOOD, f"logged in at {grant.session.instance_url}{org}")
            async for finding in check_org.of_org(
                salesforce.rest,
                settings.api_version,
                mapping,
                listening.channels if listening else (),
                listening.polled if listening else (),
                poll_missing=listening is not None and listening.poll_missing,
                off=switches.switched_off() if isinstance(switches, SyncSettings) else frozenset(),
            ):
                yield finding
    except (LoginFailed, CallFailed, Unavailable, Refused, WrongSettings) as error:
        yield Finding("Salesforce", State.FAILED, str(error))


def _not_tried(part: str) -> Finding:
    return Finding(part, State.NOT_TRIED, "its settings are wrong")
