"""A question about Salesforce's records as JSON: which object, which fields, of which records, in which order.

Objects and fields go by the platform's names (`customer`, `address.city`) or by Salesforce's (`Contact`,
`MailingCity`); values follow the names: in the platform's form, or in Salesforce's.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$", max_length=400)]
Plain = str | int | float | bool | None
Test = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not_in", "starts_with", "contains", "ends_with", "includes"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


class FieldTest(_Strict):
    """One field and what must hold of its value. Text is compared without regard to cases."""

    field: Name
    """The field."""
    is_: Test = Field(default="=", alias="is")
    """How it is compared."""
    value: Plain | tuple[Plain, ...] = None
    """With what: a list for `in`, `not_in` and `includes`, one value for all others."""

    @model_validator(mode="after")
    def _goes_together(self) -> "FieldTest":
        several = self.is_ in ("in", "not_in", "includes")
        if several != isinstance(self.value, tuple) or (several and not self.value):
            raise ValueError(f"{self.is_} wants {'a list of values' if several else 'one value'}")
        of_text = ("starts_with", "contains", "ends_with")
        if self.is_ in of_text and not isinstance(self.value, str):
            raise ValueError(f"{self.is_} wants a text")
        listed = self.value if isinstance(self.value, tuple) else ()
        if self.is_ == "includes" and not all(isinstance(one, str) for one in listed):
            raise ValueError("includes wants texts")
        return self


class AllHold(_Strict):
    """Every one holds."""

    all: tuple["QueryCondition", ...] = Field(min_length=1, max_length=100)
    """Conditions."""


class AnyHolds(_Strict):
    """At least one holds."""

    any: tuple["QueryCondition", ...] = Field(min_length=1, max_length=100)
    """Conditions."""


class NoneHolds(_Strict):
    """None holds."""

    none: tuple["QueryCondition", ...] = Field(min_length=1, max_length=100)
    """Conditions."""


def _form(raw: Any) -> str:
    words = raw if isinstance(raw, dict) else getattr(raw, "__dict__", {})
    return next((f"<{word}>" for word in ("all", "any", "none") if word in words), "<test>")


QueryCondition = Annotated[
    Annotated[FieldTest, Tag("<test>")]
    | Annotated[AllHold, Tag("<all>")]
    | Annotated[AnyHolds, Tag("<any>")]
    | Annotated[NoneHolds, Tag("<none>")],
    Discriminator(_form),
]


class OrderedBy(_Strict):
    """One part of the order."""

    field: Name
    """The field."""
    descending: bool = False
    """The greatest first."""


class RecordQuery(_Strict):
    """One question."""

    object: Name
    """A kind of the mapping, or a Salesforce object."""
    fields: tuple[Name, ...] = Field(default=(), max_length=500)
    """What is answered; without any, how many records there are."""
    conditions: QueryCondition | None = None
    """Which records."""
    order: tuple[OrderedBy, ...] = Field(default=(), max_length=5)
    """In which order."""
    limit: int | None = Field(default=None, ge=1)
    """How many at most."""
    offset: int | None = Field(default=None, ge=0, le=2_000)
    """How many are passed over first."""
