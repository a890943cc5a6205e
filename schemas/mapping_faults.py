"""Everything that is wrong with a change of the mapping, in one answer: in itself, for what is there, by the org."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from schemas.mapping import Mapping
from schemas.mapping_mending import Reading
from schemas.mapping_versions import differences, impossible

AskOrg = Callable[[Mapping], Awaitable[tuple[Sequence[str], str]]]
"""What the org has against a mapping, a line each; and why it was not asked, where it was not."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a change.

    `shape` is what cannot be read, `faults` all else that forbids the change, a line each; `untold` is why the org was
    not asked, where it was not.
    """

    shape: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    untold: str = ""

    @property
    def not_compared(self) -> list[str]:
        """That the org was not asked, as people read it; empty where it was."""
        return [f"not compared with the org: {self.untold}"] if self.untold else []

    @property
    def told(self) -> list[str]:
        """All that forbids the change and, beside it, that there may be more; empty where nothing does."""
        faults = [*self.shape, *self.faults]
        return [*faults, *self.not_compared] if faults else []


def is_made_from(reading: Reading, before: Mapping | None) -> bool:
    """Whether what was written names the version in force, as far as its version can be read."""
    mapping = reading.mapping
    return mapping is None or "version" in reading.aside.whole or mapping.version == (before.version if before else 0)


async def find_faults(reading: Reading, before: Mapping | None, ask_org: AskOrg) -> Found:
    """Look at a mapping that shall come after `before`, with each sort of fault whatever the others are.

    `before` is nothing where no version is in force.

    The org is not asked where nothing differs, nor where nothing can be read.
    """
    after = reading.mapping
    if after is None:
        return Found(reading.faults)
    told = () if before is None else tuple(differences(before, after))
    cannot = [] if before is None else [reading.placed(line) for line in reading.sure(impossible(before, after))]
    misfits, untold = await ask_org(after) if before is None or told else ((), "")
    return Found(reading.faults, (*reading.own_faults(), *cannot, *reading.sure(misfits)), told, untold)
