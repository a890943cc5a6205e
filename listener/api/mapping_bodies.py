"""What is said of the mapping over HTTP, in the flat form of the product's document or in full, and how it is shown."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, RootModel, StringConstraints, Tag

from listener.api.problem import Fault, pointer
from schemas.field_mapping import PlatformPath, SalesforceName
from schemas.mapping import Mapping
from schemas.mapping_mending import Aside, read_what_can_be

ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,79}$")]
FlatForm = dict[ObjectName, dict[PlatformPath, SalesforceName | None]]


def _form(raw: Any) -> str:
    return "<full>" if isinstance(raw, dict) and "kinds" in raw else "<flat>"


class MappingWanted(
    RootModel[Annotated[Annotated[FlatForm, Tag("<flat>")] | Annotated[Mapping, Tag("<full>")], Discriminator(_form)]]
):
    """The flat form, which says what to change, or the full one, which replaces the mapping."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "contact": {
                        "email": "Email",
                        "first_name": "FirstName",
                        "last_name": "LastName",
                        "total_spent": "Total_Spent__c",
                    }
                }
            ]
        }
    )

    _faults: tuple[Fault, ...] = ()
    _aside: Aside = Aside()

    @classmethod
    def mended(cls, values: Any, faults: Sequence[Fault]) -> "MappingWanted | None":
        """What can be read of a body that has these faults, so that all else that is wrong is told with them."""
        reading = read_what_can_be(values) if _form(values) == "<full>" else None
        root = _flat_without_faults(values, faults) if reading is None else reading.mapping
        if root is None:
            return None
        return cls.model_construct(root=root).with_faults(faults, Aside() if reading is None else reading.aside)

    def with_faults(self, faults: Sequence[Fault], aside: Aside) -> Self:
        """The same, with what of it could not be read."""
        self._faults, self._aside = tuple(faults), aside
        return self

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What of it could not be read."""
        return self._faults

    @property
    def aside(self) -> Aside:
        """What was set aside for that."""
        return self._aside


def _flat_without_faults(values: Any, faults: Sequence[Fault]) -> FlatForm | None:
    if not isinstance(values, dict):
        return None
    wrong = {fault.pointer for fault in faults}
    return {
        name: {path: to for path, to in fields.items() if not _is_wrong(wrong, name, path)}
        for name, fields in values.items()
        if isinstance(fields, dict) and not _is_wrong(wrong, name)
    }


def _is_wrong(wrong: Iterable[str | None], *place: str) -> bool:
    """By its value, or by its own name."""
    at = pointer(place)
    return at in wrong or f"{at}/[key]" in wrong


class MappingShown(RootModel[FlatForm | Mapping]):
    """The mapping, in the form that was asked for."""


class FormAsked(BaseModel):
    """In which form."""

    model_config = ConfigDict(extra="forbid")

    form: Literal["flat", "full"] = Field(default="flat", description="`flat`, or `full` with every setting.")


class Change(BaseModel):
    """How a change is made."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = Field(default=False, description="Only say what would differ.")
    note: str = Field(default="", max_length=500, description="Why, kept with the version.")


class VersionPath(BaseModel):
    """Which."""

    version: int = Field(ge=1, le=2**31 - 1, description="A published version.")


class Between(BaseModel):
    """Which two."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    before: int = Field(ge=1, le=2**31 - 1, alias="from", description="The older one.")
    after: int | None = Field(
        default=None, ge=1, le=2**31 - 1, alias="to", description="The newer one; else the one in force."
    )


class BackTo(BaseModel):
    """Where to."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    version: int = Field(ge=1, le=2**31 - 1)
    """The version whose content is published anew."""
    note: str = Field(default="", max_length=500)
    """Why, kept with the new version."""


class MappingResult(BaseModel):
    """What became of a change."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    version: int
    """The version in force."""
    published: bool
    """Whether that is a new one."""
    differences: tuple[str, ...]
    """What differs from the one before, a line each."""


class PlanShown(BaseModel):
    """What a change would do."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    version: int
    """The version that it was compared with, which is in force."""
    differences: tuple[str, ...]
    lines: tuple[str, ...]
    """What follows for the documents that are there."""
    api_calls_to_read: int
    api_calls_to_write: int
    """At most, if they go out full."""


class VersionShown(BaseModel):
    """A published version."""

    version: int
    published_at: AwareDatetime
    published_by: str
    note: str


class VersionList(BaseModel):
    """All versions, the newest first."""

    versions: tuple[VersionShown, ...]


class DiffShown(BaseModel):
    """What differs between two versions."""

    before: int
    after: int
    differences: tuple[str, ...]
