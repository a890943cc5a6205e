"""`tandem report weekly`: one week's report on the terminal, in a file, or sent."""

import asyncio
import json
import sys
import uuid
from dataclasses import asdict
from pathlib import Path

from adapters.mongo.client import Refused, open_database
from adapters.mongo.operations import MongoOperations
from adapters.mongo.settings import MongoSettings
from adapters.telemetry.logs import quiet_libraries
from ops.alerts.sender import report_sender_of
from ops.alerts.settings import AlertSettings
from ops.command_end import EXIT_FAILED, EXIT_WRONG_SETTINGS
from ops.operator_name import operator_name
from ops.processes.parts import wall_ms
from ops.settings import WrongSettings, read_settings
from ops.weekly import keeping
from ops.weekly.model import Report
from ops.weekly.reading import read
from ops.weekly.render import html, text
from ops.weekly.week import Week, week_named, week_of
from schemas.unavailable import Unavailable


def run(name: str, *, file: Path | None, send: bool, as_json: bool) -> int:
    """Show it; the exit code."""
    try:
        week = week_named(name) if name else week_of(wall_ms()).moved(-1)
    except ValueError as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    try:
        with quiet_libraries():
            report, taken = asyncio.run(_work(week, send=send))
        (settings,) = read_settings(AlertSettings)
        if file is not None:
            file.write_text(html(report, settings.page_url), encoding="utf-8")
    except WrongSettings as wrong:
        return _complain(str(wrong), EXIT_WRONG_SETTINGS)
    except (Unavailable, Refused) as error:
        return _complain(str(error), EXIT_FAILED)
    except OSError as error:
        return _complain(f"{file} cannot be written: {error.strerror}", EXIT_FAILED)
    sys.stdout.write(f"{json.dumps(asdict(report))}\n" if as_json else text(report, settings.page_url))
    if not taken:
        return _complain("not every address took it", EXIT_FAILED)
    return 0 if report.covered else EXIT_FAILED


async def _work(week: Week, *, send: bool) -> tuple[Report, bool]:
    mongo, alerts = read_settings(MongoSettings, AlertSettings)
    if send and not alerts.report_addresses():
        raise WrongSettings(["ALERT_REPORT_URLS and ALERT_URLS are not set: there is nobody to send it to"])
    async with open_database(mongo) as database:
        now = wall_ms()
        report = await read(database, week, now)
        if not send or not report.covered:
            return report, True
        taken = await keeping.send(report, report_sender_of(alerts), alerts.page_url)
        if taken:
            row = keeping.sent_row(week.name, by=operator_name(), at=now)
            await MongoOperations(database).add([{**row, "_id": uuid.uuid4().hex}])
        return report, taken


def _complain(told: str, code: int) -> int:
    sys.stderr.write(f"{told}\n")
    return code
