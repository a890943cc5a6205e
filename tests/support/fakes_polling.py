"""What polling asks, in memory: records of any object with their stamps, and answers by script."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from listener.changes.ports import ModifiedPage, ModifiedRow, PollRefused, Unavailable

ROWS_A_PAGE = 3


@dataclass
class FakeModified:
    """`wall` is Salesforce's clock, epoch milliseconds. Stamps are cut to whole seconds, as a query tells them."""

    wall: Callable[[], int]
    rows: dict[str, dict[str, ModifiedRow]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """Each poll: the object, and since when."""
    away: bool = False
    away_after: int | None = None
    """Pages that the next poll brings before Salesforce is away."""
    refused: dict[str, str] = field(default_factory=dict)

    def modify(self, sobject: str, *ids: str, at: int | None = None, deleted: bool = False) -> None:
        """Records are modified now, or are seen from now on with an earlier stamp."""
        stamp = (self.wall() if at is None else at) // 1000 * 1000
        for record_id in ids:
            self.rows.setdefault(sobject, {})[record_id] = ModifiedRow(record_id, stamp, deleted)

    async def modified(self, sobject: str, since: int) -> AsyncGenerator[ModifiedPage, None]:
        self.asked.append((sobject, since))
        if sobject in self.refused:
            raise PollRefused(self.refused[sobject])
        if self.away:
            raise Unavailable("Salesforce: SERVER_UNAVAILABLE")
        begun = self.wall()
        found = [row for row in self.rows.get(sobject, {}).values() if row.modified >= since // 1000 * 1000]
        found.sort(key=lambda row: (row.modified, row.record_id))
        for number, start in enumerate(range(0, max(1, len(found)), ROWS_A_PAGE)):
            if self.away_after == number:
                self.away_after = None
                raise Unavailable("Salesforce: SERVER_UNAVAILABLE")
            yield ModifiedPage(tuple(found[start : start + ROWS_A_PAGE]), begun)
