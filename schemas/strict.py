"""What every part of a mapping is: frozen, with no setting that is not known; docstrings explain it to editors."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of a mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
