"""Record filters: which documents go to Salesforce, and which records of Salesforce's become documents.

A small closed language of conditions on mapped paths: it can neither call anything nor fail, is translated to SOQL
(`adapters.salesforce.soql_filter`) and evaluated alike (`consumers.rules.filters`).
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from schemas.strict import Strict

Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$")]
Plain = str | int | float | bool

_TESTS = ("equals", "one_of", "at_least", "at_most", "present")


class Comparison(Strict):
    """One mapped path and what must hold of its value. Text is compared without case, as SOQL does."""

    path: Path
    """The platform's path of a mapped field."""
    equals: Plain | None = None
    """It has this value."""
    one_of: tuple[Plain, ...] | None = None
    """It has one of these."""
    at_least: Plain | None = None
    """It is this or more: a number or a date."""
    at_most: Plain | None = None
    """It is this or less: a number or a date."""
    present: bool | None = None
    """There is a value; with `false`: there is none."""

    @model_validator(mode="after")
    def _one_test(self) -> "Comparison":
        if sum(getattr(self, name) is not None for name in _TESTS) != 1:
            raise ValueError(f"exactly one test is needed beside path: {', '.join(_TESTS)}")
        return self


class AllOf(Strict):
    """Every one holds."""

    all: tuple["Condition", ...] = Field(min_length=1)
    """Conditions."""


class AnyOf(Strict):
    """At least one holds."""

    any: tuple["Condition", ...] = Field(min_length=1)
    """Conditions."""


class NoneOf(Strict):
    """None holds."""

    none: tuple["Condition", ...] = Field(min_length=1)
    """Conditions."""


def _form(raw: Any) -> str:
    """Which form a condition has, by the word that it begins with: so a fault is told of that form alone."""
    words = raw if isinstance(raw, dict) else getattr(raw, "__dict__", {})
    return next((f"<{word}>" for word in ("all", "any", "none") if word in words), "<test>")


Condition = Annotated[
    Annotated[Comparison, Tag("<test>")]
    | Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NoneOf, Tag("<none>")],
    Discriminator(_form),
]


class Filters(Strict):
    """By direction."""

    push: Condition | None = None
    """Which documents are written to Salesforce. One that is left out later stays there as it is."""
    pull: Condition | None = None
    """Which records of Salesforce's become documents (`on_unlinked: create`, and when an object is loaded)."""


def comparisons(condition: Condition) -> Iterator[Comparison]:
    """All tests of a condition, in order."""
    match condition:
        case Comparison():
            yield condition
        case AllOf(all=parts) | AnyOf(any=parts) | NoneOf(none=parts):
            for part in parts:
                yield from comparisons(part)
