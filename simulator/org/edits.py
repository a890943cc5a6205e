"""What people do in the org itself: edits as a named user, without a client mark."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulator.org import ids
from simulator.org.conversion import Conversion, convert
from simulator.org.errors import SalesforceError, not_found
from simulator.org.objects import ObjectDefinition
from simulator.org.org import UI_ORIGIN, Org
from simulator.org.store import Row
from simulator.org.transactions import Transaction
from simulator.org.values import rest_renderer


class Edit(BaseModel):
    """One edit. The record, of a merge the master, is named by `id`, or by `key`: one field and its value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["create", "update", "delete", "undelete", "merge", "convert"] = "update"
    object: str = "Contact"
    id: str = ""
    key: dict[str, Any] = Field(default_factory=dict, max_length=1)
    fields: dict[str, Any] = Field(default_factory=dict)
    losers: tuple[str, ...] = ()
    """Of a merge: the ids of the one or two records that end with it."""
    conversion: Conversion = Field(default_factory=Conversion)
    """Of a Lead's conversion: what is made of it."""
    expect: dict[str, Any] | None = None
    """Edit only if these fields hold these values now (JSON, as REST shows them)."""

    @model_validator(mode="after")
    def _names_a_record(self) -> "Edit":
        if (self.action != "create") != bool(self.id or self.key):
            raise ValueError("an edit names a record by id or key, a create names none")
        if (self.action == "merge") != bool(self.losers):
            raise ValueError("a merge names its losers, and nothing else does")
        return self


class Edits(BaseModel):
    """Edits of one user, in order: each a transaction of its own, or all one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edits: tuple[Edit, ...] = Field(min_length=1)
    user: str = "ana.popescu@tandem.example"
    """Username; a user of this name is made on first mention."""
    origin: str = UI_ORIGIN
    """`changeOrigin`; empty as for Apex and flows."""
    together: bool = False
    """One transaction: all are done, or none."""


def make_edits(org: Org, wanted: Edits) -> list[dict[str, Any]]:
    """Make them; each one's result as a Collections row has it."""
    actor = org.user_actor(wanted.user, wanted.origin)
    results = []
    transaction = org.ledger.begin(actor)
    for edit in wanted.edits:
        if not wanted.together:
            transaction = org.ledger.begin(actor)
        try:
            record_id = _make(org, transaction, edit)
        except SalesforceError as error:
            results.append({"id": edit.id or None, "success": False, "errors": [error.of_row()]})
            continue
        if not wanted.together:
            org.ledger.commit(transaction)
        results.append({"id": record_id, "success": True, "errors": []})
    if wanted.together and not all(result["success"] for result in results):
        return [one if not one["success"] else _rolled_back(one) for one in results]
    if wanted.together:
        org.ledger.commit(transaction)
    return results


def _rolled_back(result: dict[str, Any]) -> dict[str, Any]:
    error = SalesforceError("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Another edit of the same transaction failed")
    return {"id": result["id"], "success": False, "errors": [error.of_row()]}


def _make(org: Org, transaction: Transaction, edit: Edit) -> str:
    definition = org.objects.get(edit.object)
    if definition is None:
        raise SalesforceError("INVALID_TYPE", f"sObject type '{edit.object}' is not supported.")
    if edit.action == "create":
        return transaction.create(definition, transaction.read(definition, edit.fields))
    row = _row(org, transaction, definition, edit)
    record_id = str(row["Id"])
    _check_expectation(definition, edit, row)
    if edit.action == "delete":
        transaction.delete(definition, record_id)
    elif edit.action == "undelete":
        transaction.undelete(definition, record_id)
    elif edit.action == "convert":
        if definition.name != "Lead":
            raise SalesforceError("INVALID_TYPE", f"{definition.label} records cannot be converted")
        today = datetime.fromtimestamp(org.clock() / 1000, UTC).date()
        along = org.settings.lead_conversion_fields
        convert(transaction, org.objects, record_id, edit.conversion, today=today, along=along)
    elif edit.action == "merge":
        losers = [ids.normalise(loser) or loser for loser in edit.losers]
        transaction.merge(definition, record_id, losers, transaction.read(definition, edit.fields))
    else:
        transaction.update(definition, record_id, transaction.read(definition, edit.fields))
    return record_id


def _row(org: Org, transaction: Transaction, definition: ObjectDefinition, edit: Edit) -> Row:
    record_id = ids.normalise(edit.id) if edit.id else None
    for name, value in edit.key.items():
        field = definition.field(name)
        if field is None:
            raise not_found(f"No such column '{name}'")
        stored = org.rules.readers[definition.name].parse(field.name, value)
        record_id = next(iter(transaction.records.matches(definition, field, stored)), None)
    row = None if record_id is None else transaction.records.row(definition, record_id)
    if row is None:
        raise not_found()
    return row


def _check_expectation(definition: ObjectDefinition, edit: Edit, row: Row) -> None:
    for name, expected in (edit.expect or {}).items():
        field = definition.by_name.get(name)
        if field is None or not field.stored:
            raise not_found(f"No such column '{name}'")
        render, value = rest_renderer(field), row[name]
        if (value if value is None or render is None else render(value)) != expected:
            raise SalesforceError("EXPECTATION_FAILED", f"{name} holds another value", [name])
