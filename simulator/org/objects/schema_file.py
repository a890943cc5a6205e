"""What an administrator has added to the org's objects, read from one YAML file.

    objects:
      - {name: Ticket_Order__c, label: Ticket Order, plural: Ticket Orders, key_prefix: a00, fields: [...]}
      - {name: Contact, fields: [...]}      # fields for an object that is there

An object and its fields are described as in the YAML files of this package.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    objects: tuple[dict[str, Any], ...] = ()


def read_schema(path: Path | None) -> tuple[dict[str, Any], ...]:
    """The descriptions in the file; none without one.

    Raises:
        ValueError: it cannot be read, or is not of that form. The message names the file and the place.
    """
    if path is None:
        return ()
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _Schema.model_validate({} if read is None else read).objects
    except (OSError, yaml.YAMLError, ValidationError) as problem:
        raise ValueError(f"{path}: {problem}") from problem
