"""Duplicate rules: a record that looks like another is refused, or saved by whoever insists.

Source: REST API guide, "Duplicate Rule Header", and the shape of DUPLICATES_DETECTED as clients have recorded it, with
its misspelt member.
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.org.errors import SalesforceError

MESSAGE = "Use one of these records?"


class DuplicateRule(BaseModel):
    """One rule: records of an object that agree in all these fields, none of them empty, are duplicates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    object: str = "Contact"
    name: str = "Standard_Contact_Duplicate_Rule"
    fields: tuple[str, ...] = Field(min_length=1)
    on: tuple[Literal["create", "update"], ...] = ("create", "update")
    allow_save: bool = True
    """A caller who says so saves all the same; else nobody does."""


def duplicates_detected(rule: DuplicateRule, record_ids: Sequence[str], root: str) -> SalesforceError:
    """The refusal, with the records that were found."""
    matches: list[dict[str, Any]] = [
        {
            "additionalInformation": [],
            "fieldDiffs": [],
            "matchConfidence": 100.0,
            "record": {
                "attributes": {"type": rule.object, "url": f"{root}/sobjects/{rule.object}/{record_id}"},
                "Id": record_id,
            },
        }
        for record_id in record_ids
    ]
    found = {
        "allowSave": rule.allow_save,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": rule.object,
        "errorMessage": MESSAGE,
        "matchResults": [
            {
                "entityType": rule.object,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": matches,
                "rule": rule.name,
                "size": len(matches),
                "success": True,
            }
        ],
    }
    return SalesforceError("DUPLICATES_DETECTED", MESSAGE, [], extra={"duplicateResut": found})
