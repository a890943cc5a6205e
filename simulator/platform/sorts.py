"""The sorts of things that the pretend platform keeps: what its people edit of each, and how values are made up.

Seeded and of nobody, as people are (`people.py`). A value that is not one of a few bears who made it up and a serial
number, so that it never comes again in one field of one thing; one of a few does come again.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from simulator.platform import people
from simulator.platform.people import Inventor, fictitious_number, respell, spell_phone

Invent = Callable[[str, int, Inventor, random.Random, str], Any]
"""Path, serial number, who makes it up, chance, and the thing: its value. Raises as `people.invent` does."""
Choose = Callable[[random.Random], Any]
"""One of a few values."""

_PLACES = {"address.city": "Umberfeld", "address.country": "Sylvania", "city": "Quillon", "country": "Syldavia"}
_COMPANIES = ("Northlight", "Amber Forge", "Kestrel", "Blue Harbour", "Fernway", "Ironwood", "Halcyon")
_OCCASIONS = ("Winter Hackathon", "Spring Summit", "Maker Fair", "Night of Code", "Harvest Concert")
_STEPS = ("Call back", "Send the contract", "Ask for seats", "Agree on a date")
_TEXTS = frozenset({"name", "company_name", "title", "department", "first_name", "last_name", "next_step", *_PLACES})
_FIRST_DAY = date(2027, 1, 1)
SKILLS = ("Python", "JavaScript", "Java", "Go", "Rust", "SQL", "Security", "Design", "Product", "Mobile", "DevOps")


def one_of(*values: Any) -> Choose:
    """Any of these."""
    return lambda chance: chance.choice(values)


def some_of(*values: str) -> Choose:
    """A few of these, as a list."""
    return lambda chance: sorted(chance.sample(values, chance.randint(1, 4)))


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort of thing.

    `edited` are paths by how often they are edited; `choices` those of them whose values are a few that come again: an
    edit of such a path always names it, since nobody could tell it from an old page. `given` are set once.
    """

    kind: str
    edited: tuple[str, ...]
    invent: Invent
    choices: Mapping[str, Choose] = field(default_factory=dict)
    given: Mapping[str, Choose] = field(default_factory=dict)
    created: str = "created"
    """What the event type of a new one ends with."""

    def respell(self, path: str, value: Any, chance: random.Random) -> Any:
        """The same value written in another way; one of a few is only ever written in one."""
        if path in self.choices or path in self.given or not isinstance(value, str):
            return value
        return f"{value} " if path in _TEXTS else respell(path, value, chance)


def _person(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str) -> Any:
    if path == "company_name":
        return _company("name", serial, inventor, chance, thing)
    path = {"city": "address.city", "country": "address.country"}.get(path, path)
    return people.invent(path, serial, inventor, chance, thing)


def _prospect(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str) -> Any:
    if path == "tickets_wanted":
        return 10 + 2 * serial + inventor.half
    return _person(path, serial, inventor, chance, thing)


def _company(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str) -> Any:
    match path:
        case "phone":
            return spell_phone(fictitious_number(serial, inventor), chance)
        case "website":
            return f"https://{inventor.mark.lower()}{serial}.{thing}.{inventor.domain}"
        case "employees":
            return 10 + 2 * serial + inventor.half
        case "name":
            return f"{chance.choice(_COMPANIES)} {thing} {inventor.mark}{serial}"
        case _:
            return f"{_PLACES[path]} {inventor.mark}{serial}"


def _event(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str) -> Any:
    match path:
        case "starts_at":
            return _day(2 * serial + inventor.half)
        case "ends_at":
            return _day(20_000 + 2 * serial + inventor.half)
        case "expected_revenue":
            return 1_000 + 20 * serial + 10 * inventor.half
        case _:
            return f"{chance.choice(_OCCASIONS)} {thing} {inventor.mark}{serial}"


def _deal(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str) -> Any:
    match path:
        case "amount":
            return 400 + 120.5 * serial + 0.25 * inventor.half
        case "close_date":
            return _day(2 * serial + inventor.half)
        case "tickets":
            return 4 + 2 * serial + inventor.half
        case "name":
            return f"{chance.choice(_OCCASIONS)} for {thing} {inventor.mark}{serial}"
        case _:
            return f"{chance.choice(_STEPS)} {inventor.mark}{serial}"


def _day(number: int) -> str:
    return (_FIRST_DAY + timedelta(days=number)).isoformat()


def _speaks(chance: random.Random) -> str:
    return people.language(chance)


CUSTOMER = Sort("customer", people.PLATFORM_PATHS, _person, given={"preferred_language": _speaks})
"""A customer who is known alone: totals are what the platform says they are."""

BUYER = Sort(
    "customer", (*people.TWO_WAY_PATHS, "company_id"), _person, given={"preferred_language": _speaks}
)  # whose totals follow from the orders
COMPANY = Sort(
    "company",
    ("phone", "website", "employees", "address.city", "address.country", "name", "industry"),
    _company,
    choices={"industry": one_of("Technology", "Education", "Media", "Other")},
)
EVENT = Sort(
    "event",
    ("expected_revenue", "starts_at", "ends_at", "name", "status", "active"),
    _event,
    choices={"status": one_of("planned", "on_sale", "over", "cancelled"), "active": one_of(True, False)},
    given={"type": one_of("conference", "webinar", "trade_show", "other")},
)
DEAL = Sort(
    "deal",
    ("amount", "next_step", "close_date", "tickets", "name", "stage"),
    _deal,
    choices={"stage": one_of("prospecting", "qualified", "quoted", "negotiating", "won", "lost")},
    given={"type": one_of("group_sale", "group_sale", "large_package", "sponsorship", "renewal", "season_pass")},
)
PARTICIPANT = Sort(
    "participant",
    (
        "phone",
        "title",
        "email",
        "city",
        "first_name",
        "last_name",
        "department",
        "country",
        "skills",
        "company_id",
        "company_name",
    ),
    _person,
    choices={"skills": some_of(*SKILLS)},
    given={"preferred_language": _speaks},
    created="registered",
)
PROSPECT = Sort(
    "prospect",
    (
        "phone",
        "tickets_wanted",
        "title",
        "email",
        "address.city",
        "interest",
        "last_name",
        "company_name",
        "first_name",
        "address.country",
    ),
    _prospect,
    choices={"interest": one_of("vip", "corporate", "group", "sponsorship", "season_pass")},
)
HACKATHON = Sort(
    "event",
    ("starts_at", "ends_at", "name", "status", "active"),
    _event,
    choices={"status": one_of("planned", "open", "over", "cancelled"), "active": one_of(True, False)},
    given={"type": one_of("hackathon", "conference", "webinar", "other")},
)
SPONSOR = Sort(
    "company",
    ("website", "name", "industry"),
    _company,
    choices={"industry": one_of("Technology", "Education", "Media", "Other")},
)
