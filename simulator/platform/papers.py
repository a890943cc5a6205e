"""How orders and their lines, registrations and projects live: what is made out, and what happens to it then."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from simulator.platform.clerk import DELETED, Step
from simulator.platform.sorts import SKILLS

_PRICES = {"standard": 19.9, "student": 9.95, "vip": 149.5}
_NEEDS = ("vegetarian", "vegan", "no nuts", "gluten free", None)
_DAY_MS = 24 * 3600 * 1000
_SECONDS_APART = 97
"""Between the times of two orders, so that which is a customer's latest is never in doubt."""

Happening = tuple[str, str]
"""An event's id and name."""


class Orders:
    """Bought, paid, refunded, paid again, called off; of so many customers, for these events."""

    kind = "order"

    def __init__(self, customers: Sequence[str], events: Sequence[Happening]) -> None:
        self._customers = customers
        self._events = events

    def begin(self, chance: random.Random, number: int, now: int) -> Step:
        """Somebody orders; some orders of long ago are told of only now."""
        event_id, event_name = chance.choice(self._events)
        at = now - number * _SECONDS_APART * 1000 - chance.randrange(_SECONDS_APART - 10) * 1000
        paid = chance.random() < 0.6
        order = {
            "customer_id": self._customers[number] if number < len(self._customers) else chance.choice(self._customers),
            "event_id": event_id,
            "event_name": event_name,
            "event_date": (date(2027, 1, 1) + timedelta(days=chance.randrange(300))).isoformat(),
            "status": "paid" if paid else "pending",
            "currency": "EUR",
            "ordered_at": _iso(at),
            "refunded_at": None,
            **_tickets(chance, chance.randint(1, 6)),
        }
        return Step("completed" if paid else "created", order)

    def go_on(self, chance: random.Random, paper: Mapping[str, Any], now: int) -> Step:
        """The next that happens."""
        if chance.random() < 0.02:
            return Step(DELETED, {})
        luck = chance.random()
        match paper["status"]:
            case "pending" if luck < 0.8:
                return Step("completed", {"status": "paid"})
            case "paid" if luck < 0.45:
                return Step("refunded", {"status": "refunded", "refunded_at": _iso(now)})
            case "refunded" if luck < 0.6:
                return Step("completed", {"status": "paid", "refunded_at": None})
            case "cancelled" if luck < 0.3:
                return Step("updated", {"status": "pending"})
            case "pending":
                return Step("updated", {"status": "cancelled"})
            case _:
                return Step("updated", _tickets(chance, chance.randint(1, 8)))


class OrderLines:
    """Put into an order, changed in number, priced anew, taken out: of these orders."""

    kind = "order_line"

    def __init__(self, orders: Sequence[str]) -> None:
        self._orders = orders

    def begin(self, chance: random.Random, number: int, now: int) -> Step:
        """Somebody puts tickets of one sort into an order."""
        ticket_type = chance.choice(tuple(_PRICES))
        named = {"order_id": chance.choice(self._orders), "ticket_type": ticket_type, "currency": "EUR"}
        return Step("created", named | _priced(chance.randint(1, 6), _PRICES[ticket_type]))

    def go_on(self, chance: random.Random, paper: Mapping[str, Any], now: int) -> Step:
        """The next that happens."""
        luck = chance.random()
        if luck < 0.05:
            return Step(DELETED, {})
        if luck < 0.4:
            return Step("updated", _priced(paper["quantity"], round(paper["unit_price"] * 0.9, 2)))
        return Step("updated", _priced(chance.randint(1, 8), paper["unit_price"]))


class Registrations:
    """Registered, attended or not, called off, deleted: each person once for an event.

    The first event is the one to which everybody comes.
    """

    kind = "registration"

    def __init__(self, people: Sequence[str], events: Sequence[Happening], *, of: str, seed: int) -> None:
        """`of` is the path that names the person."""
        chance = random.Random(f"who comes {seed}")
        self._of = of
        hot = [(person, events[0]) for person in people]
        others = [(person, event) for event in events[1:] for person in people]
        chance.shuffle(hot)
        chance.shuffle(others)
        self._pairs = [*hot, *others]

    @property
    def most(self) -> int:
        """How many there can be."""
        return len(self._pairs)

    def begin(self, chance: random.Random, number: int, now: int) -> Step:
        """Somebody registers."""
        person, (event_id, event_name) = self._pairs[number]
        registration = {
            "event_id": event_id,
            self._of: person,
            "event_name": event_name,
            "status": "registered",
            "ticket_type": chance.choice(tuple(_PRICES)),
            "team": f"Team {chance.randint(1, 30)}",
            "dietary_needs": chance.choice(_NEEDS),
            "dietary_consent": number % 4 != 0,
            "checked_in_at": None,
        }
        return Step("created", registration)

    def go_on(self, chance: random.Random, paper: Mapping[str, Any], now: int) -> Step:
        """The next that happens."""
        luck = chance.random()
        match paper["status"]:
            case "registered" if luck < 0.6:
                # Told apart by the second, so that which event was a person's last is never in doubt.
                at = now - chance.randrange(30 * _DAY_MS // 1000) * 1000
                return Step("attended", {"status": "attended", "checked_in_at": _iso(at)})
            case "registered" if luck < 0.7:
                return Step("updated", {"status": "no_show"})
            case "registered" if luck < 0.8:
                return Step("updated", {"status": "cancelled"})
            case "registered" if luck < 0.84:
                return Step(DELETED, {})
            case "registered":
                # Some allow that the caterer is told, or take that back, with what they say.
                needs = {"dietary_needs": chance.choice(_NEEDS), "dietary_consent": luck < 0.95}
                return Step("updated", {**needs, "team": f"Team {chance.randint(1, 30)}"})
            case "cancelled" if luck < 0.5:
                return Step("updated", {"status": "registered"})
            case _:
                return Step("updated", {"ticket_type": chance.choice(tuple(_PRICES))})


class Projects:
    """Drafted, handed in, withdrawn, ranked."""

    kind = "project"

    def __init__(self, people: Sequence[str], events: Sequence[Happening]) -> None:
        self._people = people
        self._events = events

    def begin(self, chance: random.Random, number: int, now: int) -> Step:
        """Somebody begins to build something."""
        project = {
            "participant_id": chance.choice(self._people),
            "event_id": chance.choice(self._events)[0],
            "title": f"Project {number}",
            "summary": f"What was built, in words. {'A long story. ' * chance.randint(1, 30)}",
            "technologies": sorted(chance.sample(SKILLS, 3)),
            "status": "draft",
            "place": None,
            "url": f"https://p{number}.example.org",
        }
        return Step("created", project)

    def go_on(self, chance: random.Random, paper: Mapping[str, Any], now: int) -> Step:
        """The next that happens."""
        luck = chance.random()
        match paper["status"]:
            case "draft" if luck < 0.7:
                return Step("submitted", {"status": "submitted"})
            case "draft":
                return Step("updated", {"technologies": sorted(chance.sample(SKILLS, 2))})
            case "submitted" if luck < 0.5:
                return Step("updated", {"place": chance.randint(1, 40)})
            case "submitted" if luck < 0.7:
                return Step("updated", {"status": "withdrawn", "place": None})
            case "withdrawn" if luck < 0.5:
                return Step("submitted", {"status": "submitted"})
            case _ if luck > 0.95:
                return Step(DELETED, {})
            case _:
                return Step("updated", {"summary": f"Told anew. {'And again. ' * chance.randint(1, 30)}"})


def _tickets(chance: random.Random, count: int) -> dict[str, Any]:
    """So many tickets: their sorts and what they cost together, rounded to cents."""
    bought = [chance.choice(tuple(_PRICES)) for _ in range(count)]
    total = round(sum(_PRICES[each] for each in bought), 2)
    return {"tickets": count, "ticket_types": sorted(set(bought)), "total": total}


def _priced(quantity: int, unit_price: float) -> dict[str, Any]:
    """So many at this price, rounded to cents."""
    return {"quantity": quantity, "unit_price": unit_price, "total": round(quantity * unit_price, 2)}


def _iso(at: int) -> str:
    """A moment in whole seconds, in UTC; `at` is epoch milliseconds."""
    return datetime.fromtimestamp(at // 1000, UTC).isoformat().replace("+00:00", "Z")
