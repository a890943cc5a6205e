"""Date literals: what span of days TODAY, LAST_MONTH or LAST_N_DAYS:7 names. Pure.

Spans follow the SOQL reference, "Date Formats and Date Literals". Weeks begin on Sunday, the fiscal year in January.
"""

import re
from datetime import date, timedelta

_DAY_SPANS = {
    "YESTERDAY": (-1, 0),
    "TODAY": (0, 1),
    "TOMORROW": (1, 2),
    "LAST_90_DAYS": (-90, 1),
    "NEXT_90_DAYS": (1, 91),
}
_AROUND = re.compile(r"(LAST|THIS|NEXT)_(?:FISCAL_)?(WEEK|MONTH|QUARTER|YEAR)")
_COUNTED = re.compile(r"(LAST|NEXT)_N_(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)S:(\d{1,5})")
_AGO = re.compile(r"N_(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)S_AGO:(\d{1,5})")


def span(literal: str, today: date) -> tuple[date, date] | None:
    """The first day and the day after the last; None if there is no such literal, or it leaves the calendar."""
    try:
        return _span(literal.upper(), today)
    except (ValueError, OverflowError):
        return None


def _span(literal: str, today: date) -> tuple[date, date] | None:
    if literal in _DAY_SPANS:
        begin, end = _DAY_SPANS[literal]
        return today + timedelta(days=begin), today + timedelta(days=end)
    if found := _AROUND.fullmatch(literal):
        shift = {"LAST": -1, "THIS": 0, "NEXT": 1}[found[1]]
        return _moved(today, found[2], shift), _moved(today, found[2], shift + 1)
    if found := _AGO.fullmatch(literal):
        number = int(found[2])
        return _moved(today, found[1], -number), _moved(today, found[1], 1 - number)
    if found := _COUNTED.fullmatch(literal):
        which, unit, number = found[1], found[2], int(found[3])
        if which == "NEXT":
            return _moved(today, unit, 1), _moved(today, unit, 1 + number)
        # The last n days include today; the last n weeks, months … end before the present one.
        return _moved(today, unit, -number), _moved(today, unit, 1 if unit == "DAY" else 0)
    return None


def _moved(today: date, unit: str, units: int) -> date:
    """The first day of the unit that lies so many units from today's."""
    if unit == "DAY":
        return today + timedelta(days=units)
    if unit == "WEEK":
        sunday = today - timedelta(days=(today.weekday() + 1) % 7)
        return sunday + timedelta(weeks=units)
    length = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
    months = (today.year * 12 + today.month - 1) // length * length + units * length
    return date(months // 12, months % 12 + 1, 1)
