"""Whose share of the org's allocation a run's calls come from."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from adapters.salesforce.gate import Gate
from consumers.rules.budget import BudgetLane


class RunGate:
    """The gate of the run in hand. Satisfies `adapters.salesforce.gate.Gate`."""

    def __init__(self, gates: Mapping[BudgetLane, Gate]) -> None:
        self._gates = gates
        self.lane = BudgetLane.BACKFILL

    def refusal(self) -> str | None:
        """As the port."""
        return self._gates[self.lane].refusal()

    def one(self) -> AbstractAsyncContextManager[None]:
        """As the port."""
        return self._gates[self.lane].one()

    def exceeded(self) -> None:
        """As the port."""
        self._gates[self.lane].exceeded()
