"""What a whole platform does, decided without I/O: several sorts of things and papers, in one order of events.

Parents are mostly made before those that name them, and some after. The same seed, readings and times make the same
events.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from simulator.platform import permission
from simulator.platform.author import Author, Decisions, Habits, Posting
from simulator.platform.clerk import Clerk
from simulator.platform.journal import Seen, Sent
from simulator.platform.papers import Happening, OrderLines, Orders, Projects, Registrations
from simulator.platform.sorts import (
    BUYER,
    COMPANY,
    CUSTOMER,
    DEAL,
    EVENT,
    HACKATHON,
    PARTICIPANT,
    PROSPECT,
    SPONSOR,
    Choose,
    Sort,
)

EARLY: Final = 0.06
"""How many things are told of before their parents may be."""
HOT: Final = 0.6
"""How many people work for the first company."""
LATE_BIRTHS: Final = 0.03
PROSPECTS: Final = 6
"""So many at least, that some are there to be converted."""

Known = Sequence[Mapping[str, Any]]
"""Values of people whom sales know already."""


class Script(Protocol):
    """What the actor plays."""

    @property
    def document_ids(self) -> list[str]:
        """Every thing made so far, oldest first."""

    def create(self, now: int) -> Posting:
        """A new thing. `now` is epoch milliseconds."""

    def edit(self, now: int) -> Posting:
        """Something happens to one."""

    def saw(self, seen: Seen) -> bool:
        """The reader met this document; whether it was a revision not met before."""

    def accepted(self, event: Sent) -> None:
        """The event was answered 2xx."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sort in the whole: its maker, how many there are at first, and its share of what happens then."""

    maker: Author | Clerk
    births: int
    weight: float


class Scenario:
    """Several makers as one script."""

    def __init__(self, parts: Sequence[Part], seed: int) -> None:
        self._chance = random.Random(f"scenario {seed}")
        self._parts = [part for part in parts if part.births]
        births = [part for part in self._parts for _ in range(part.births)]
        places = [
            place - self._chance.random() * len(births) * (self._chance.random() < EARLY)
            for place in range(len(births))
        ]
        self._births = [births[place] for place in sorted(range(len(births)), key=places.__getitem__)]
        self._next = 0

    @property
    def sorts(self) -> dict[str, Sort]:
        """What the platform's people look at and edit, by kind."""
        return {part.maker.sort.kind: part.maker.sort for part in self._parts if isinstance(part.maker, Author)}

    @property
    def births(self) -> int:
        """How many things are made at first."""
        return len(self._births)

    @property
    def document_ids(self) -> list[str]:
        """Every thing made so far, sort by sort."""
        return [one for part in self._parts for one in part.maker.document_ids]

    def of(self, kind: str) -> list[str]:
        """Every thing of one kind made so far, oldest first."""
        return [one for part in self._parts if part.maker.kind == kind for one in part.maker.document_ids]

    def of_all(self, kind: str) -> list[str]:
        """Every thing of one kind that there will be after the births, oldest first."""
        return [
            f"{part.maker.prefix}-{number + 1}"
            for part in self._parts
            if part.maker.kind == kind
            for number in range(part.births)
        ]

    def create(self, now: int) -> Posting:
        """The next new thing."""
        part = self._births[self._next % len(self._births)]
        self._next += 1
        return part.maker.create(now)

    def edit(self, now: int) -> Posting:
        """Something happens to a thing of some sort."""
        (part,) = self._chance.choices(self._parts, [part.weight for part in self._parts])
        return part.maker.edit(now)

    def saw(self, seen: Seen) -> bool:
        """Told to the one whose thing it is."""
        return any(part.maker.saw(seen) for part in self._parts)

    def accepted(self, event: Sent) -> None:
        """Told to the one whose thing it is."""
        for part in self._parts:
            part.maker.accepted(event)


def play(kinds: Collection[str], seed: int, people: int, run: str, known: Known = ()) -> Scenario:
    """What a platform does that has these kinds; ids bear the `run`. Kinds that no platform here has are left alone."""
    if "participant" in kinds:
        whole = hackathon(seed, people, run, known)
    elif "order" in kinds or "company" in kinds:
        whole = ticketing(seed, people, run, known)
    else:
        whole = [Part(Author(seed, sort=CUSTOMER, prefix=f"cust-{run}"), people, 1.0)]
    return Scenario([part for part in whole if part.maker.kind in kinds], seed)


def ticketing(seed: int, people: int, run: str, known: Known = ()) -> list[Part]:
    """Companies, customers, prospects, events, deals, orders with lines, registrations.

    One company and one event are everybody's. Every second order has lines, and is never deleted.
    """
    whole = _Whole(seed, run, companies=max(2, people // 15), people=people, events=max(2, people // 50))
    buyers = whole.people("cust", BUYER, known)
    registrations = Registrations(whole.person_ids("cust"), whole.happenings, of="customer_id", seed=seed)
    pools = {"company_id": whole.company, "event_id": whole.event}
    prospects = Author(seed, whole.habits, sort=PROSPECT, prefix=f"prosp-{run}")
    deals = Author(seed, whole.habits, sort=DEAL, prefix=f"deal-{run}", pools=pools)
    order_ids = [f"ord-{run}-{seed}-{number + 1}" for number in range(max(1, people))]
    with_lines = order_ids[::2]
    bought = Orders(whole.person_ids("cust"), whole.happenings)
    orders = Clerk(seed, bought, whole.habits, prefix=f"ord-{run}", kept=frozenset(with_lines))
    lines = Clerk(seed, OrderLines(with_lines), whole.habits, prefix=f"line-{run}")
    clerk = Clerk(seed, registrations, whole.habits, prefix=f"reg-{run}")
    return [
        Part(whole.companies(COMPANY), len(whole.company_ids), 0.08),
        Part(whole.events(EVENT), len(whole.happenings), 0.03),
        Part(buyers, people, 0.42),
        Part(prospects, max(PROSPECTS, people // 12), 0.04),
        Part(deals, max(2, people // 12), 0.08),
        Part(orders, len(order_ids), 0.17),
        Part(lines, max(1, people // 2), 0.06),
        Part(clerk, min(registrations.most, max(1, people)), 0.12),
    ]


def hackathon(seed: int, people: int, run: str, known: Known = ()) -> list[Part]:
    """Companies, participants, events, registrations and projects; the participants decide what sales may know."""
    whole = _Whole(seed, run, companies=max(2, people // 15), people=people, events=max(2, people // 50))
    decisions = Decisions(permission.at_first, permission.decided_next)
    participants = whole.people("part", PARTICIPANT, known, decisions)
    those = [person for number, person in enumerate(whole.person_ids("part")) if permission.registers(number)]
    registrations = Registrations(those, whole.happenings, of="participant_id", seed=seed)
    clerk = Clerk(seed, registrations, whole.habits, prefix=f"reg-{run}")
    builders = builders_of(whole.person_ids("part"))
    projects = Clerk(seed, Projects(builders, whole.happenings), whole.habits, prefix=f"proj-{run}")
    return [
        Part(whole.companies(SPONSOR), len(whole.company_ids), 0.08),
        Part(whole.events(HACKATHON), len(whole.happenings), 0.03),
        Part(participants, people, 0.6),
        Part(clerk, min(registrations.most, 2 * people), 0.17),
        Part(projects, max(1, people // 3), 0.12),
    ]


def those_who_take_part(people: Sequence[str]) -> list[str]:
    """Those of a hackathon's people, oldest first, of whom there is a record in any case."""
    return [person for number, person in enumerate(people) if permission.takes_part(number)]


def builders_of(people: Sequence[str]) -> list[str]:
    """Those of a hackathon's people who build something: every third of those who take part."""
    return those_who_take_part(people)[::3]


class _Whole:
    """What the sorts of one platform have in common: the ids that all of them will have, made or not yet."""

    def __init__(self, seed: int, run: str, *, companies: int, people: int, events: int) -> None:
        self._seed, self._run, self._people = seed, run, people
        self.habits = Habits(late_births=LATE_BIRTHS)
        self.company_ids = [f"comp-{run}-{seed}-{number + 1}" for number in range(companies)]
        self.happenings: list[Happening] = [
            (f"event-{run}-{seed}-{number + 1}", f"Evening {number + 1}") for number in range(events)
        ]

    def person_ids(self, prefix: str) -> list[str]:
        return [f"{prefix}-{self._run}-{self._seed}-{number + 1}" for number in range(self._people)]

    def companies(self, sort: Sort) -> Author:
        return Author(self._seed, self.habits, sort=sort, prefix=f"comp-{self._run}")

    def events(self, sort: Sort) -> Author:
        return Author(self._seed, self.habits, sort=sort, prefix=f"event-{self._run}")

    def people(self, prefix: str, sort: Sort, known: Known, decisions: Decisions | None = None) -> Author:
        pools: dict[str, Choose] = {"company_id": self.company}
        own = f"{prefix}-{self._run}"
        return Author(self._seed, self.habits, sort=sort, prefix=own, pools=pools, known=known, decisions=decisions)

    def company(self, chance: random.Random) -> str:
        """Most people are the first one's."""
        return self.company_ids[0] if chance.random() < HOT else chance.choice(self.company_ids)

    def event(self, chance: random.Random) -> str:
        """Any."""
        return chance.choice(self.happenings)[0]
