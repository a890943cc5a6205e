"""Totals over documents as MongoDB takes them (rule 28), in one aggregation for all that is wanted.

MongoDB groups by the raw values that decide what counts, which are few, and takes together what is in each group;
whether a group counts is then said by the mapping's own transforms. Values are put in order by what MongoDB makes of
them, which is what the transforms make (`Reading.place`); one that cannot be converted has no place.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any, Final

from bson import Decimal128

from schemas.counting import Counted, Reading, Sort
from schemas.lookup import id_named

Expression = Any

_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,17}")
_NUMBER: Final = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_MOMENT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.,+\- Z]*)?$"
_GREATEST: Final = 1.7976931348623157e308
_FIRST_MS: Final = -62_135_596_800_000
_LAST_MS: Final = 253_402_300_799_999
_DAY_MS: Final = 86_400_000


def pipeline(by: str, ids: Sequence[str], wanted: Sequence[Counted]) -> list[dict[str, Any]]:
    """Groups the documents by what their path `by` holds, and by all that decides what counts; a field `t0`, `t1` and
    so on for each total."""
    counts = {
        by: {"$in": [spelt for id_ in ids for spelt in spellings(id_)]},
        "_sync.existence.exists": {"$ne": False},
    }
    deciding = {f"w{number}": f"${path}" for number, path in enumerate(_deciding(wanted))}
    totals = {f"t{number}": _accumulated(each) for number, each in enumerate(wanted)}
    return [{"$match": counts}, {"$group": {"_id": {"by": f"${by}", **deciding}, **totals}}]


def read(found: Iterable[Mapping[str, Any]], ids: Sequence[str], wanted: Sequence[Counted]) -> dict[str, list[Any]]:
    """The totals by id, in order; of no documents where nothing was found."""
    groups: dict[str, list[Mapping[str, Any]]] = {id_: [] for id_ in ids}
    for group in found:
        groups.get(id_named(group["_id"].get("by")), []).append(group)
    names = {path: f"w{number}" for number, path in enumerate(_deciding(wanted))}
    totals: dict[str, list[Any]] = {}
    for id_, of_id in groups.items():
        totals[id_] = []
        for number, each in enumerate(wanted):
            held = [one for one in of_id if each.holds(partial(_decides, one, names))]
            totals[id_].append(_together(each, [one.get(f"t{number}") for one in held]))
    return totals


def _decides(group: Mapping[str, Any], names: Mapping[str, str], path: str) -> Any:
    """The value of a path by which it was grouped."""
    return group["_id"].get(names[path])


def spellings(id_: str) -> list[Any]:
    """An id as text, and as the number that it spells."""
    if _WHOLE.fullmatch(id_):
        return [id_, int(id_)]
    with suppress(ValueError):
        if id_named(float(id_)) == id_:
            return [id_, float(id_)]
    return [id_]


def _deciding(wanted: Sequence[Counted]) -> list[str]:
    """The paths whose values decide what counts."""
    return list(dict.fromkeys(reading.path for each in wanted for reading, _keys in each.where))


def _accumulated(each: Counted) -> dict[str, Any]:
    value = each.value
    if value is None:
        return {"$sum": 1}
    raw = f"${value.path}"
    match each.total.take:
        case "sum":
            return {"$sum": {"$ifNull": [_number(raw), 0]}}
        case "distinct":
            return {"$addToSet": raw}
        case "latest" if each.order is not None:
            # Ties go by id, so that the answer does not depend on the order of the documents.
            return {"$max": {"at": _place(each.order), "id": "$_id", "value": raw}}
        case _:
            place = _place(value)
            held = {"$cond": [{"$eq": ["$$place", None]}, None, {"at": "$$place", "value": raw}]}
            return {f"${each.total.take}": {"$let": {"vars": {"place": place}, "in": held}}}


def _together(each: Counted, found: Sequence[Any]) -> Any:
    """What was taken of each group, taken together."""
    match each.total.take:
        case "count":
            return sum(found)
        case "sum":
            return _plain(sum((_exact(one) for one in found), Decimal(0)))
        case "distinct":
            key = each.value.key if each.value is not None else id_named
            return len({key(value) for values in found for value in values} - {None})
        case "latest":
            last = max(found, key=lambda one: (_rank(one["at"]), one["id"]), default=None)
            return None if last is None else last.get("value")
        case take:
            best = min if take == "min" else max
            there = [one for one in found if one is not None]
            return best(there, key=lambda one: (_rank(one["at"]), str(one["value"])))["value"] if there else None


def _rank(place: Any) -> tuple[int, Any]:
    """The order of places, as MongoDB has it: nothing, numbers, texts."""
    if place is None:
        return 0, 0
    return (2, place) if isinstance(place, str) else (1, _exact(place))


def _exact(number: Any) -> Decimal:
    return number.to_decimal() if isinstance(number, Decimal128) else Decimal(number)


def _plain(exact: Decimal) -> int | float:
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _place(reading: Reading) -> Expression:
    """`Reading.place` as an expression: nothing, a number or a text."""
    raw = f"${reading.path}"
    match reading.sort:
        case Sort.NUMBER:
            return _number(raw)
        case Sort.MOMENT:
            return _moment(raw, reading.zone)
        case Sort.DAY:
            return _day(raw, reading.zone)
        case Sort.TRUTH:
            word = {"$toLower": _trimmed(raw)}
            return _switch(
                ({"$in": [raw, [True, False]]}, {"$toInt": {"$eq": [raw, True]}}),
                ({"$in": [word, ["true", "false"]]}, {"$toInt": {"$eq": [word, "true"]}}),
            )
        case Sort.TEXT:
            text = _trimmed(raw)
            return _switch((_is_number(raw), _number(raw)), ({"$ne": [text, ""]}, text))


def _switch(*branches: tuple[Expression, Expression]) -> Expression:
    """What follows from the first that holds, else nothing."""
    return {"$switch": {"branches": [{"case": case, "then": then} for case, then in branches], "default": None}}


def _trimmed(raw: str) -> Expression:
    """A text without white space at its ends; of what is none, nothing at all."""
    return {"$cond": [{"$eq": [{"$type": raw}, "string"]}, {"$trim": {"input": raw}}, ""]}


def _is_number(raw: str) -> Expression:
    return {"$isNumber": raw}


def _converted(value: Expression, to: str) -> Expression:
    return {"$convert": {"input": value, "to": to, "onError": None, "onNull": None}}


def _within(value: Expression, least: Any, greatest: Any) -> Expression:
    """A number, unless it is nothing, not a number, or beyond these. NaN is less than all numbers."""
    inside = {"$and": [{"$gte": ["$$number", least]}, {"$lte": ["$$number", greatest]}]}
    return {"$let": {"vars": {"number": value}, "in": {"$cond": [inside, "$$number", None]}}}


def _number(raw: str) -> Expression:
    text = _trimmed(raw)
    read = _switch(
        (_is_number(raw), _converted(raw, "decimal")),
        ({"$regexMatch": {"input": text, "regex": _NUMBER}}, _converted(text, "decimal")),
    )
    return _within(read, -_GREATEST, _GREATEST)


def _moment(raw: str, zone: str | None) -> Expression:
    """Epoch milliseconds."""
    return _milliseconds(raw, zone, _FIRST_MS, _LAST_MS)


def _milliseconds(raw: str, zone: str | None, first: int, last: int) -> Expression:
    text = {"$replaceOne": {"input": _trimmed(raw), "find": ",", "replacement": "."}}
    parsed: Expression = {"dateString": text, "onNull": None}
    told = {"$dateFromString": {**parsed, "onError": None}}
    if zone is not None:  # refused beside an offset, which is then what counts
        told = {"$dateFromString": {**parsed, "timezone": zone, "onError": told}}
    read = _switch(
        ({"$or": [_is_number(raw), {"$eq": [{"$type": raw}, "date"]}]}, _converted(raw, "long")),
        ({"$regexMatch": {"input": _trimmed(raw), "regex": _MOMENT}}, _converted(told, "long")),
    )
    return _within(read, first, last)


def _day(raw: str, zone: str | None) -> Expression:
    """`2026-11-22`: of a text its own, or that of its moment in the zone."""
    first, last = _FIRST_MS + _DAY_MS, _LAST_MS - _DAY_MS  # of the first and the last day there may be no other
    text = _trimmed(raw)
    own = {"$substrBytes": [text, 0, 10]}
    moment = _milliseconds(raw, zone, first, last)
    in_zone = own if zone is None else _day_of("$$moment", zone)
    is_date = {"$ne": [_milliseconds(raw, None, _FIRST_MS - _DAY_MS, _LAST_MS + _DAY_MS), None]}
    told = {"$let": {"vars": {"moment": moment}, "in": {"$cond": [{"$eq": ["$$moment", None]}, own, in_zone]}}}
    return _switch(
        ({"$eq": [{"$type": raw}, "date"]}, _day_of(_moment(raw, None), "UTC")),
        ({"$and": [{"$eq": [{"$type": raw}, "string"]}, is_date]}, told),
    )


def _day_of(milliseconds: Expression, zone: str) -> Expression:
    return {"$dateToString": {"date": _converted(milliseconds, "date"), "format": "%Y-%m-%d", "timezone": zone}}
