"""What is asked about people by e-mail, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""Fields by their path: `Id`, `Title`, `Account.Name`; what is missing is None."""


def parent_ids(paths: Iterable[str]) -> list[str]:
    """The paths of the ids of all parents that these paths lead through: `Account.Id` for `Account.Name`."""
    parents = {path.rpartition(".")[0] for path in paths}
    return sorted(f"{parent}.Id" for parent in parents if parent)


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """Of which object, by which field, what is read of each. `only_unconverted`: Leads that are Leads still."""

    sobject: str
    by: str
    fields: tuple[str, ...]
    only_unconverted: bool = False


@dataclass(frozen=True, slots=True)
class LookFailed:
    """Salesforce did not tell. `code` is a stable word and no value.

    `org_wide`: it speaks of the org or of the way there, not of who was asked about: it counts as no try.
    """

    code: str
    org_wide: bool = True


@dataclass(frozen=True, slots=True)
class PersonRows:
    """All that Salesforce holds of one e-mail address, by object in the order in which it was asked."""

    rows: Sequence[Sequence[Row]]
    at: int
    """When it was told, epoch milliseconds."""

    @property
    def found(self) -> bool:
        """Whether there is anybody."""
        return any(self.rows)

    def record_ids(self) -> list[str]:
        """Every record among them, and those of their parents of which something was read; 18 characters."""
        read = [row for rows in self.rows for row in rows]
        return list(dict.fromkeys(str(row[path]) for row in read for path in ("Id", *parent_ids(row)) if row.get(path)))
