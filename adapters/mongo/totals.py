"""Totals over documents as MongoDB takes them (rule 28), in one aggregation for all that is wanted."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bson import Decimal128

from schemas.derivation import Total


def pipeline(by: str, ids: Sequence[str], wanted: Sequence[Total]) -> list[dict[str, Any]]:
    """Groups the documents by the id that their path `by` holds; a field `t0`, `t1` and so on for each total."""
    counts = {by: {"$in": list(ids)}, "_sync.existence.exists": {"$ne": False}}
    totals = {f"t{number}": _accumulated(total) for number, total in enumerate(wanted)}
    return [{"$match": counts}, {"$group": {"_id": f"${by}", **totals}}]


def read(found: Mapping[str, Any], wanted: Sequence[Total]) -> list[Any]:
    """The totals of one group, in order; of no documents where nothing was found."""
    return [_plain(total, found.get(f"t{number}")) for number, total in enumerate(wanted)]


def _accumulated(total: Total) -> dict[str, Any]:
    value = f"${total.path}"
    match total.take:
        case "count":
            return {"$sum": _where(total, 1, 0)}
        case "sum":
            number = {"$convert": {"input": value, "to": "decimal", "onError": 0, "onNull": 0}}
            return {"$sum": _where(total, number, 0)}
        case "min" | "max":
            return {f"${total.take}": _where(total, value, None)}
        case "distinct":
            return {"$addToSet": _where(total, value, None)}
        case "latest":
            # Ties go by id, so that the answer does not depend on the order of the documents.
            return {
                "$max": _where(
                    total, {"at": {"$ifNull": [f"${total.order}", None]}, "id": "$_id", "value": value}, None
                )
            }


def _where(total: Total, then: Any, otherwise: Any) -> Any:
    if not total.where:
        return then
    held = [{"$in": [f"${path}", list(values)]} for path, values in total.where.items()]
    return {"$cond": [{"$and": held}, then, otherwise]}


def _plain(total: Total, found: Any) -> Any:
    match total.take:
        case "count":
            return int(found or 0)
        case "sum":
            return _number(found.to_decimal() if isinstance(found, Decimal128) else Decimal(found or 0))
        case "distinct":
            return sum(1 for value in found or () if value is not None)
        case "min" | "max":
            return found
        case "latest":
            return found.get("value") if found else None


def _number(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)
