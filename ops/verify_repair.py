"""`tandem verify --repair`: what is truly different is looked at again by the ordinary rules."""

from collections.abc import Callable, Iterable, Sequence, Set
from typing import Final, Protocol

from consumers.catalog import Catalog
from consumers.repair.ports import Changes
from consumers.rules.kinds import Kind
from consumers.rules.undocumented import is_made_of_records
from consumers.rules.verify_reasons import Why
from ops.verify_findings import Looked, Report
from schemas import gap_change

READ_AGAIN: Final = frozenset({Why.DIFFERENT, Why.MISSING, Why.ANOTHERS, Why.STUCK})
"""What reading the record again by the ordinary rules puts right."""


class Derives(Protocol):
    """Takes the totals of documents again, by kind and id."""

    async def derive(self, catalog: Catalog, owners: Iterable[tuple[str, str]]) -> object:
        """As `consumers.reconciler.derive.Deriver`."""


class Repair:
    """Asks the ordinary rules to look again at what is truly different; decides nothing by itself."""

    def __init__(
        self, *, catalog: Catalog, changes: Changes, deriver: Derives, org_id: str, now: Callable[[], int]
    ) -> None:
        self._catalog = catalog
        self._changes = changes
        self._deriver = deriver
        self._org_id = org_id
        self._now = now

    async def ask(self, kind: Kind, looked: Sequence[Looked], report: Report) -> None:
        """Have the records read whole, and totals taken, of what is truly different.

        Raises:
            Unavailable: Kafka or MongoDB does not answer.
        """
        whys = {_name(one): {difference.why for difference in one.found} for one in looked}
        read = [one for one in looked if one.record_id and _is_read_again(kind, whys[_name(one)])]
        now = self._now()
        await self._changes.append(
            [
                gap_change.record_of(
                    gap_change.differing(kind.place_of(one.record_id).sobject, one.record_id, one.modified or now),
                    self._org_id,
                    received_at=now,
                )
                for one in read
            ]
        )
        underived = [one for one in looked if Why.UNDERIVED in whys[_name(one)]]
        await self._deriver.derive(self._catalog, [(kind.name, one.document_id) for one in underived])
        asked = {_name(one) for one in [*read, *underived]}
        report.asked_again += len(asked)
        report.by_hand += sum(Why.BY_HAND in found or name not in asked for name, found in whys.items())


def _name(one: Looked) -> tuple[str, str]:
    return one.document_id, one.record_id


def _is_read_again(kind: Kind, whys: Set[Why]) -> bool:
    return bool(whys & READ_AGAIN) or (Why.NO_DOCUMENT in whys and is_made_of_records(kind))
