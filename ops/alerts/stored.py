"""Alerts as they are stored."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from adapters.mongo.alerts import MongoAlerts
from ops.admin.sign import Level
from ops.alerts.rules import Alert

_SILENCE: Final = ("silenced_until", "silenced_by")


class StoredAlerts:
    """Satisfies `ops.alerts.watch.AlertStore`. Raises `Unavailable` where MongoDB does not answer."""

    def __init__(self, rows: MongoAlerts) -> None:
        self._rows = rows

    async def all(self) -> dict[str, Alert]:
        """By name."""
        return {row["_id"]: _alert(row) for row in await self._rows.rows()}

    async def save(self, alerts: Iterable[Alert]) -> None:
        """Keep these. Who silenced them is not written: somebody may do that at the same moment."""
        await self._rows.keep(_row(alert) for alert in alerts)

    async def forget(self, names: Sequence[str]) -> None:
        """They are over."""
        await self._rows.remove(names)

    async def silence(self, name: str, until: int, by: str) -> bool:
        """Ask for quiet about one until then, epoch milliseconds, 0 for none; false where there is no such alert."""
        return await self._rows.set(name, {"silenced_until": until, "silenced_by": by})


def _row(alert: Alert) -> dict[str, Any]:
    row = {name: value for name, value in asdict(alert).items() if name not in ("name", *_SILENCE)}
    return {**row, "_id": alert.name, "level": str(alert.level), "told_level": str(alert.told_level)}


def _alert(row: dict[str, Any]) -> Alert:
    return Alert(
        name=row["_id"],
        level=Level(row["level"]),
        told=row["told"],
        to=row["to"],
        since=row["since"],
        seen_at=row["seen_at"],
        told_at=row["told_at"],
        told_level=Level(row["told_level"]),
        silenced_until=row.get("silenced_until", 0),
        silenced_by=row.get("silenced_by", ""),
    )
