"""Derived fields (rule 28): totals over documents of another kind, and what follows from totals."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.strict import Strict

Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Plain = str | int | float | bool


class Total(Strict):
    """What is taken together of the documents of `of` whose path `by` names this document; of deleted ones nothing.

    `count` counts them, `distinct` the different values of `path`; `sum`, `min` and `max` are over its values;
    `latest` is its value in the document with the greatest `order`. `where` names the values that paths must have.
    """

    take: Literal["count", "sum", "min", "max", "distinct", "latest"]
    of: Name
    by: Path
    path: Path | None = None
    order: Path | None = None
    where: dict[Path, tuple[Plain, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _goes_together(self) -> "Total":
        if (self.path is None) != (self.take == "count"):
            raise ValueError("take: count goes without a path, and every other with one")
        if (self.order is None) != (self.take != "latest"):
            raise ValueError("order goes with take: latest, and only with it")
        return self


class Case(Strict):
    """A value, and what the document's other derived fields must at least be for it, by platform path."""

    value: Plain
    when: dict[Path, float] = Field(min_length=1)


class Cases(Strict):
    """The value of the first case that holds; `otherwise` where none does."""

    cases: tuple[Case, ...] = Field(min_length=1)
    otherwise: Plain | None = None


Derivation = Total | Cases
