"""Row locks: which records a save locks besides the row's own, and how rows share calls because of that. Pure.

Salesforce locks the Account that a Contact or an Opportunity names while it saves it, and the Campaign, the Contact and
the Lead that a CampaignMember names. A row that has waited ten seconds for such a lock fails with UNABLE_TO_LOCK_ROW.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from consumers.rules.kinds import FieldRule, Kind
from consumers.rules.state import DocumentState
from schemas.lookup import named_by

ROW_LOCK: Final = "UNABLE_TO_LOCK_ROW"
IN_USE: Final = "PARENT_IN_USE"
"""Ours: another call is writing children of the same record."""
ROWS_A_CALL: Final = 200
HOT_ROWS: Final = 50
"""Rows of a hot parent in a call: a smaller transaction is sooner over."""
HOT_FOR: Final = 300_000
"""How long a parent stays hot after a row could not be locked, milliseconds."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row(Generic[Item]):
    """A row to be sent. `record` tells records apart; `parents` are the keys of what its save locks.

    One that is to go `by_call` is in no Bulk job.
    """

    item: Item
    record: str
    parents: frozenset[str]
    by_call: bool = False


@dataclass(slots=True)
class HotParents:
    """Parents for which a lock was waited for in vain not long ago. Times are epoch milliseconds."""

    _until: dict[str, int] = field(default_factory=dict)

    def heat(self, parents: Iterable[str], *, now: int) -> None:
        """A row that names these could not be locked: nobody says which of them was held."""
        self._until = {parent: until for parent, until in self._until.items() if now < until}
        self._until |= dict.fromkeys(parents, now + HOT_FOR)

    def are(self, now: int) -> frozenset[str]:
        """Those that are hot now."""
        return frozenset(parent for parent, until in self._until.items() if now < until)


def parent_kinds(kinds: Mapping[str, Kind]) -> frozenset[str]:
    """The kinds whose documents are named by lookups."""
    return frozenset(parent for kind in kinds.values() for rule in kind.lookups for parent in rule.lookup)


def parents_of(state: DocumentState, kind: Kind, values: Mapping[str, Any], named: Collection[str]) -> frozenset[str]:
    """Keys of what a save of these values locks: the parents named before and after it, and the record itself.

    The latter only where its kind is among those that are `named` by lookups: elsewhere nobody asks for it.
    """
    found = {_key(kind.name, state.id)} if kind.name in named else set[str]()
    for rule in kind.lookups:
        register = state.fields.get(rule.name)
        held = register.salesforce.value if register is not None and register.salesforce is not None else None
        found.update(_keys(rule, (values.get(rule.name), held)))
    return frozenset(found)


def calls(
    rows: Iterable[Row[Item]], hot: Collection[str] = (), *, most: int = ROWS_A_CALL, hot_most: int = HOT_ROWS
) -> list[list[Row[Item]]]:
    """Rows by the calls that carry them, `most` in each: a record once in a call, rows of one parent side by side.

    Rows of a hot parent go in calls of their own, of `hot_most` rows.
    """
    ordered = by_parent(rows)
    cold = [row for row in ordered if not row.parents & frozenset(hot)]
    warm = [row for row in ordered if row.parents & frozenset(hot)]
    return [*_packed(cold, most), *_packed(warm, min(most, hot_most))]


def by_parent(rows: Iterable[Row[Item]]) -> list[Row[Item]]:
    """Rows of one parent side by side; those without one first, each sort in its order.

    Of several parents of a row that counts which most rows have.
    """
    kept = list(rows)
    often: dict[str, int] = {}
    for row in kept:
        for parent in row.parents:
            often[parent] = often.get(parent, 0) + 1

    def leading(row: Row[Item]) -> tuple[int, str]:
        return max(((often[parent], parent) for parent in row.parents), default=(0, ""))

    return sorted(kept, key=leading)


def _packed(rows: Iterable[Row[Item]], most: int) -> list[list[Row[Item]]]:
    made: list[list[Row[Item]]] = []
    records: list[set[str]] = []
    for row in rows:
        for call, taken in zip(made, records, strict=True):
            if len(call) < most and row.record not in taken:
                call.append(row)
                taken.add(row.record)
                break
        else:
            made.append([row])
            records.append({row.record})
    return made


def _keys(rule: FieldRule, values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if rule.key(value) is not None:
            yield _key(*(named_by(rule.lookup, value) or ("", str(value))))


def _key(kind: str, id_: str) -> str:
    return f"{kind}:{id_}"
