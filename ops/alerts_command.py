"""`tandem alerts`: what people were told, quiet for a while, and a message to see that they hear it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.mongo.alerts import MongoAlerts
from adapters.mongo.client import Database, Refused, open_database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.admin.sign import HOUR, Level
from ops.alerts.message import Message
from ops.alerts.rules import Alert
from ops.alerts.sender import sender_of
from ops.alerts.settings import AlertSettings
from ops.alerts.stored import StoredAlerts
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from ops.show_view import moment
from schemas.unavailable import Unavailable

TEST: Final = Message("Tandem: a test", "Alerts of Tandem reach you here. Nothing is wrong.", Level.WELL)

Answer = TypeVar("Answer")


def run_list() -> int:
    """Show them; the exit code."""

    async def read(database: Database) -> list[Alert]:
        return list((await StoredAlerts(MongoAlerts(database)).all()).values())

    return _run(lambda: _with_database(read), lambda found: Console().print(table(found, wall_ms())))


def run_silence(name: str, hours: float, why: str) -> int:
    """Ask for quiet about one; the exit code."""

    async def silence(database: Database) -> bool:
        now, by = wall_ms(), operator_name()
        until = now + int(hours * HOUR) if hours else 0
        there = await StoredAlerts(MongoAlerts(database)).silence(name, until, by)
        if there:
            what = "silence alert" if hours else "end silence of alert"
            row = {"_id": uuid.uuid4().hex, "what": what, "by": by, "at": now, "item": name}
            await MongoOperations(database).add([{**row, "note": why, "result": "done"}])
        return there

    failed: list[bool] = []

    def tell(there: bool) -> None:
        failed.append(not there)
        quiet = f"quiet about {name} for {hours:g} hours" if hours else f"no quiet about {name} any more"
        Console().print(Text(quiet if there else f"there is no alert {name}; `tandem alerts list` shows them"))

    code = _run(lambda: _with_database(silence), tell)
    return code or (EXIT_FAILED if any(failed) else 0)


def run_test() -> int:
    """Send a message to everybody; the exit code."""

    async def send() -> bool:
        (settings,) = read_settings(AlertSettings)
        if not settings.addresses():
            raise WrongSettings(["ALERT_URLS is not set: there is nobody to tell"])
        return await sender_of(settings).send(TEST)

    failed: list[bool] = []

    def tell(sent: bool) -> None:
        failed.append(not sent)
        Console().print(Text("sent to every address" if sent else "not every address of ALERT_URLS took it"))

    code = _run(send, tell)
    return code or (EXIT_FAILED if any(failed) else 0)


def table(alerts: Sequence[Alert], now: int) -> Table:
    """What is not well, the oldest first."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("alert", "is", "since (UTC)", "people were told", "what"):
        shown.add_column(column, overflow="fold")
    for alert in sorted(alerts, key=lambda each: (each.since, each.name)):
        if alert.silenced(now):
            heard = f"silenced until {moment(alert.silenced_until)} by {alert.silenced_by}"
        else:
            heard = moment(alert.told_at) if alert.told_at else "not yet"
        shown.add_row(Text(alert.name), alert.level, moment(alert.since), Text(heard), Text(alert.told))
    return shown


async def _with_database(work: Callable[[Database], Awaitable[Answer]]) -> Answer:
    (mongo,) = read_settings(MongoSettings)
    async with open_database(mongo) as database:
        return await work(database)


def _run(work: Callable[[], Awaitable[Answer]], tell: Callable[[Answer], None]) -> int:
    async def done() -> Answer:
        return await work()

    try:
        with quiet_libraries():
            answer = asyncio.run(done())
    except WrongSettings as wrong:
        Console(stderr=True).print(Text(str(wrong)))
        return EXIT_WRONG_SETTINGS
    except (Unavailable, Refused) as error:
        Console(stderr=True).print(Text(str(error)))
        return EXIT_FAILED
    tell(answer)
    return 0
