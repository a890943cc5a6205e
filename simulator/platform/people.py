"""Invented people: seeded, reserved domains and fictitious numbers only, no value twice in one field of one thing.

A value comes from who invents it and from a serial number. So the values of the platform and those of the Salesforce
user never meet, and an observer can follow each value through both systems.
"""

import random
from datetime import date, timedelta
from enum import Enum
from typing import Any

# The ranges 555-0100 to 555-0199 are kept for fiction in every area code (North American Numbering Plan).
_AREA_CODES = (
    202, 212, 213, 214, 215, 303, 305, 310, 312, 313, 314, 404, 408, 412, 415,
    469, 502, 503, 504, 512, 602, 612, 615, 617, 619, 702, 713, 718, 801, 804,
)  # fmt: skip
_NUMBERS = 100 * len(_AREA_CODES)
_FIRST_NAMES = ("Adara", "Belin", "Coria", "Delan", "Elvor", "Fenja", "Galen", "Haria", "Ilmar", "Jorin", "Kelda")
_LAST_NAMES = ("Arvensen", "Brandulf", "Corvanta", "Dalvorin", "Estermund", "Falkenor", "Gormandy", "Halvering")
_CITIES = ("Port Larkin", "Umberfeld", "Novy Harbor", "Eastmere", "Quillon", "Saltmarsh", "Tarnwick", "Vale Cross")
_COUNTRIES = ("Ruritania", "Freedonia", "Sylvania", "Graustark", "Borduria", "Syldavia")
_TITLES = ("Buyer", "Organiser", "Team Lead", "Producer", "Curator", "Engineer", "Designer")
_DEPARTMENTS = ("Events", "Research", "Community", "Operations", "Studio", "Field Work")
_LANGUAGES = ("en", "ro", "de", "fr", "hu")
_EVENTS = ("Winter Hackathon", "Spring Summit", "Maker Fair", "Night of Code")
_WORDS: dict[str, tuple[str, ...]] = {
    "first_name": _FIRST_NAMES,
    "last_name": _LAST_NAMES,
    "title": _TITLES,
    "department": _DEPARTMENTS,
    "address.city": _CITIES,
    "address.country": _COUNTRIES,
    "last_event": _EVENTS,
}

TWO_WAY_PATHS = (
    "phone",
    "title",
    "email",
    "address.city",
    "first_name",
    "last_name",
    "department",
    "address.country",
    "birthdate",
)
"""What both sides edit, the most edited first."""

PLATFORM_PATHS = (*TWO_WAY_PATHS, "total_tickets", "total_spent", "last_event")
"""What the platform edits. `preferred_language` is given once and then left alone."""


class Inventor(Enum):
    """Who makes a value up: its mark in texts, its mail domain, and where its part of each range starts."""

    PLATFORM = ("P", "example.org", 0)
    SALESFORCE_USER = ("S", "example.com", 1)

    @property
    def mark(self) -> str:
        """`P` or `S`."""
        return self.value[0]

    @property
    def domain(self) -> str:
        """A domain kept for examples (RFC 2606)."""
        return self.value[1]

    @property
    def half(self) -> int:
        """Which half of a range of numbers or dates is its own: 0 or 1."""
        return self.value[2]


class Exhausted(Exception):
    """Every value of this field has been used."""


def invent(path: str, serial: int, inventor: Inventor, chance: random.Random, thing: str = "") -> Any:
    """The value with this serial number in one field of one thing; another serial number gives another value, whatever
    the spelling. What must be nobody else's, an e-mail address, bears the `thing` too, where one is named.

    Raises:
        Exhausted: there are no more (telephone numbers end after 1,500).
        KeyError: a path for which nothing can be invented.
    """
    if path == "phone":
        return spell_phone(fictitious_number(serial, inventor), chance)
    if path == "email":
        own = f".{thing}" if thing else ""
        return f"{chance.choice(_FIRST_NAMES).lower()}{own}.{inventor.mark.lower()}{serial}@{inventor.domain}"
    if path == "birthdate":
        return (date(1940 + 30 * inventor.half, 1, 1) + timedelta(days=serial % 10_000)).isoformat()
    if path == "total_tickets":
        return 1 + serial
    if path == "total_spent":
        return 20 + 12.5 * serial
    return f"{chance.choice(_WORDS[path])} {inventor.mark}{serial}"


def language(chance: random.Random) -> str:
    """One that somebody speaks."""
    return chance.choice(_LANGUAGES)


def invent_person(chance: random.Random) -> dict[str, Any]:
    """A whole new customer, by platform path: every field with its serial number 0."""
    person = {path: invent(path, 0, Inventor.PLATFORM, chance) for path in PLATFORM_PATHS}
    return person | {"preferred_language": language(chance)}


def fictitious_number(serial: int, inventor: Inventor) -> str:
    """A telephone number in E.164 that belongs to nobody."""
    if serial >= _NUMBERS // 2:
        raise Exhausted("phone")
    number = serial + inventor.half * _NUMBERS // 2
    return f"+1{_AREA_CODES[number // 100]}55501{number % 100:02}"


def spell_phone(number: str, chance: random.Random) -> str:
    """One of the ways in which people write a number of eleven digits."""
    area, exchange, line = number[2:5], number[5:8], number[8:]
    return chance.choice(
        (
            number,
            f"+1 {area} {exchange} {line}",
            f"+1 ({area}) {exchange}-{line}",
            f"+1-{area}-{exchange}-{line}",
            f"+1 {area}.{exchange}.{line}",
        )
    )


def respell(path: str, value: Any, chance: random.Random) -> Any:
    """The same value written in another way, as another form or app of the platform would."""
    if not isinstance(value, str):
        return value
    if path == "phone":
        digits = "".join(character for character in value if character.isdigit()).removeprefix("00")
        is_ours = len(digits) == 11 and digits.startswith("1")
        return spell_phone(f"+{digits}", chance) if is_ours else value
    if path == "email":
        return value.upper() if chance.random() < 0.5 else f" {value}"
    return f"{value} " if path in _WORDS else value
