"""Derived fields brought up to date: read the owner, then take the totals, then write guarded by what was read first.

In that order a total can never be older than what it is guarded by: whoever else changes a document that counts
derives after that, and one of two who derive at once loses the guard and derives again.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.catalog import Catalog
from consumers.ports import Documents, DocumentsRefused, Unavailable
from consumers.reconciler.batch import document_write, mapping_name
from consumers.rules import derived
from consumers.rules.audit import Occasion
from consumers.rules.kinds import Kind
from consumers.rules.state import DocumentState
from consumers.rules.stored import load, value_at
from consumers.rules.timing import Timing
from consumers.rules.versions import bring_up
from consumers.rules.writes import due_at

ROUNDS = 50


@dataclass(slots=True)
class Derived:
    """Documents that the writer should look at, and those that the store will not write, with its reason."""

    due: dict[tuple[str, str], tuple[Kind, DocumentState]] = field(default_factory=dict)
    refused: dict[tuple[str, str], str] = field(default_factory=dict)


class Deriver:
    """Derives documents after others have changed."""

    def __init__(self, documents: Documents, timing: Timing, now: Callable[[], int], *, tells: bool = False) -> None:
        """With `tells`, what a new mapping shows of Salesforce's is told; the sweep takes it to its topic."""
        self._tells = tells
        self._documents = documents
        self._timing = timing
        self._now = now

    async def derive(self, catalog: Catalog, owners: Iterable[tuple[str, str]]) -> Derived:
        """Bring these up to date, by kind and id; those that do not exist yet are derived when they come.

        Raises:
            Unavailable: MongoDB did not answer, or others write the same documents without end.
        """
        end = Derived()
        by_kind: dict[str, set[str]] = {}
        for name, document_id in owners:
            by_kind.setdefault(name, set()).add(document_id)
        for name, ids in by_kind.items():
            left = ids
            for _round in range(ROUNDS):
                if not left:
                    break
                left = await self._derive(catalog.kinds[name], catalog, left, end)
            if left:
                raise Unavailable("the same documents are being written by others without end")
        return end

    async def _derive(self, kind: Kind, catalog: Catalog, ids: set[str], end: Derived) -> set[str]:
        """The ids of those that another took meanwhile."""
        found = await self._documents.read(kind.collection, sorted(ids))
        totals = await self._totals(kind, catalog, sorted(found))
        now = self._now()
        moved: list[DocumentState] = []
        for document_id, document in found.items():
            state = load(document, document_id, kind)
            if state.mapping != kind.version:
                occasion = Occasion(mapping_name(kind), now, now + self._timing.visible_after)
                bring_up(state, kind, occasion, partial(value_at, document))
            if derived.derive(state, kind, totals[document_id], now=now) or state.underived:
                state.underived = False
                moved.append(state)
        due = {state.id: due_at(state, kind, self._timing, now=now) for state in moved}
        writes = [
            document_write(
                state,
                kind,
                now=now,
                due=due[state.id],
                ring_again=self._timing.ring_again,
                decision=uuid.uuid4().hex,
                tells=self._tells,
            )
            for state in moved
        ]
        try:
            lost = await self._documents.write(kind.collection, writes)
        except DocumentsRefused as error:
            lost = set(error.lost)
            end.refused |= {(kind.name, document_id): why for document_id, why in error.refused.items()}
        for state in moved:
            if state.id not in lost and due[state.id] == now and (kind.name, state.id) not in end.refused:
                end.due[kind.name, state.id] = (kind, state)
        return lost

    async def _totals(self, kind: Kind, catalog: Catalog, ids: list[str]) -> dict[str, dict[str, Any]]:
        """By document and Salesforce field."""
        totals: dict[str, dict[str, Any]] = {document_id: {} for document_id in ids}
        for (of, by), rules in derived.totals_of(kind).items():
            taken = await self._documents.totals(catalog.kinds[of].collection, by, ids, derived.wanted(rules))
            for document_id in ids:
                values = taken[document_id]
                totals[document_id] |= {rule.name: value for rule, value in zip(rules, values, strict=True)}
        return totals
