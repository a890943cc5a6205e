"""The list of erased people in memory, and how it and the real one behave."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from consumers.ports import Erasures
from schemas.erasure import thing_name
from schemas.unavailable import Unavailable


@dataclass
class FakeErasures:
    """Satisfies `consumers.ports.Erasures`."""

    names: set[str] = field(default_factory=set)
    asked: dict[tuple[str, str], str] = field(default_factory=dict)
    away: bool = False

    async def among(self, names: Sequence[str]) -> set[str]:
        self._answer()
        return self.names & set(names)

    async def add(self, names: Sequence[str], now: int) -> None:
        del now
        self._answer()
        self.names |= set(names)

    async def ask(self, kind: str, document_id: str, now: int, by: str) -> bool:
        await self.add([thing_name(kind, document_id)], now)
        new = (kind, document_id) not in self.asked
        self.asked.setdefault((kind, document_id), by)
        return new

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the list of erased people does not answer")


async def behaves_as_the_list(erasures: Erasures) -> None:
    """What everybody who asks it relies on; of an empty one."""
    assert await erasures.among(["customer:1"]) == set()
    assert await erasures.ask("customer", "1", 1, "a test")
    assert not await erasures.ask("customer", "1", 2, "another")
    assert await erasures.among(["customer:1", "customer:2", "order:1"]) == {"customer:1"}
    assert await erasures.among([]) == set()
