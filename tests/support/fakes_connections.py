"""A fake of the store of connections with visible state."""

from dataclasses import replace

from schemas.connection import Connection
from schemas.unavailable import Unavailable


class FakeConnections:
    """Satisfies `adapters.salesforce.refresh.Connections`, and what `tandem connect` needs."""

    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}
        self.history: list[Connection] = []
        """Every version stored, oldest first."""
        self.away = False

    async def read(self, name: str) -> Connection | None:
        self._answer()
        return self.rows.get(name)

    async def connect(self, connection: Connection) -> None:
        self._answer()
        before = self.rows.get(connection.name)
        self._keep(replace(connection, version=before.version + 1 if before else 1))

    async def renew(self, connection: Connection, *, since: int) -> bool:
        self._answer()
        stored = self.rows.get(connection.name)
        if stored is None or stored.version != since:
            return False
        self._keep(replace(connection, version=since + 1))
        return True

    async def refuse(self, name: str, code: str, at: int, *, since: int) -> None:
        self._answer()
        if self.rows[name].version == since:
            self.rows[name] = replace(self.rows[name], refused=code, refused_at=at)

    def _keep(self, connection: Connection) -> None:
        self.rows[connection.name] = replace(connection, refused="", refused_at=0)
        self.history.append(self.rows[connection.name])

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("MongoDB does not answer")
