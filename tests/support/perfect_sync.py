"""A naive sync that makes no mistake, and the witnesses of a long history under it.

It is handed every author's true intent, so it needs no rules to guess by: only what a sync must do is left. Faults are
planted into what it leaves behind.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from support.witnesses import Witnesses

NAMES = {"title": "Title", "department": "Department", "last_name": "LastName", "address.city": "MailingCity"}
POOL = ("Alba", "Brad", "Cluj", "Deva", "Eforie")
"""A few values that come again, beside fresh ones."""


@dataclass(slots=True)
class Current:
    """What the document shows of a field: whose it is, since which revision, and when its author made it."""

    value: Any = None
    side: str = "platform"
    revision: int = 0
    made_at: int = 0


@dataclass(slots=True)
class Customer:
    """One customer on both sides, and what is under way between them."""

    id: str
    record: str
    revision: int = 0
    shown: dict[str, Current] = field(default_factory=lambda: {path: Current() for path in NAMES})
    copy: dict[str, Any] = field(default_factory=dict)
    """The platform's own copy, by path."""
    looked: int = 0
    claimed: bool = True
    """The record bears its external id."""
    posted: list[tuple[str, int, dict[str, Any], int]] = field(default_factory=list)
    """Edits on their way in: event, time, values, revision seen."""
    committed: list[tuple[int, dict[str, tuple[Any, Any]]]] = field(default_factory=list)
    """Salesforce edits on their way in: time, and value and value before by path."""


class PerfectSync:
    """Runs a seeded history of `steps` steps over `customers` customers, and brings it to rest.

    With `merges` users also merge records, now and then the one that is linked into another; with `deletions` they
    delete records too, and take some out of the recycle bin again.
    """

    def __init__(self, seed: int, customers: int, steps: int, *, merges: bool = False, deletions: bool = False) -> None:
        self.random = random.Random(seed)
        self.witnesses = Witnesses()
        self.now = 1_000
        self.fresh = 0
        self.customers = [Customer(f"cust-{number}", f"003{number:012d}AAA") for number in range(customers)]
        for customer in self.customers:
            self._create(customer)
        for _ in range(steps):
            self.now += self.random.randint(1, 9)
            customer = self.random.choice(self.customers)
            acts = [self._look, self._edit, self._edit, self._user, self._user, self._sync]
            acts += [self._merge] * merges + [self._delete, self._undelete] * deletions
            act = self.random.choice(acts)
            act(customer)
        for customer in self.customers:
            self._sync(customer)
            self.witnesses.shows(
                customer.revision,
                customer.id,
                customer.record,
                sync_status="gone" if self._gone(customer) else "synced",
                **{path: current.value for path, current in customer.shown.items()},
            )

    def _value(self) -> str:
        self.fresh += 1
        return self.random.choice(POOL) if self.random.random() < 0.3 else f"Value {self.fresh}"

    def _create(self, customer: Customer) -> None:
        values = {"last_name": f"Name {customer.id}", "title": self._value()}
        event = self.witnesses.sent(self.now, values, type="customer.created", document=customer.id)
        customer.copy = dict.fromkeys(NAMES) | values
        customer.posted.append((event, self.now, values, 0))
        self.now += 1
        self._sync(customer)

    def _look(self, customer: Customer) -> None:
        """The platform takes over what the document shows, but for what it has posted itself and is not in yet."""
        shown = {path: current.value for path, current in customer.shown.items()}
        self.witnesses.looked(self.now, customer.revision, shown, customer.id)
        customer.looked = customer.revision
        pending = {path for _, _, values, _ in customer.posted for path in values}
        customer.copy |= {path: value for path, value in shown.items() if path not in pending}

    def _edit(self, customer: Customer) -> None:
        """A platform author changes one or two fields, named or within a whole record."""
        values = {path: self._value() for path in self.random.sample(sorted(NAMES), self.random.randint(1, 2))}
        values = {path: value for path, value in values.items() if customer.copy[path] != value}
        whole = self.random.random() < 0.5
        customer.copy |= values
        event = self.witnesses.sent(
            self.now,
            customer.copy if whole else values,
            edits=sorted(values),
            changed=None if whole else sorted(values),
            seen=customer.looked,
            document=customer.id,
        )
        customer.posted.append((event, self.now, values, customer.looked))

    def _gone(self, customer: Customer) -> bool:
        return customer.record in self.witnesses.bin

    def _user(self, customer: Customer) -> None:
        if self._gone(customer):
            return
        path = self.random.choice(sorted(NAMES))
        held = self.witnesses.records[customer.record].get(NAMES[path])
        value = self._value()
        if value != held:
            self.witnesses.user(self.now, customer.record, **{NAMES[path]: value})
            customer.committed.append((self.now, {path: (value, held)}))

    def _delete(self, customer: Customer) -> None:
        if not self._gone(customer):
            self.witnesses.ended(self.now, customer.record, "DELETE", IsDeleted=True)

    def _undelete(self, customer: Customer) -> None:
        if self._gone(customer):
            self.witnesses.undeleted(self.now, customer.record)

    def _merge(self, customer: Customer) -> None:
        """A user enters the same person again and merges the two, either way; a copy keeps what it was given."""
        if self._gone(customer):
            return
        self.fresh += 1
        other = f"003{self.fresh + 10**9:012d}AAA"
        before = dict(self.witnesses.records[customer.record])
        path = self.random.choice(sorted(NAMES))
        given = {NAMES[path]: self._value()}
        self.witnesses.user(self.now, other, **given)
        self.now += 1
        if self.random.random() < 0.5:
            left = given
            self.witnesses.merged(self.now, other, customer.record, **left)
        else:
            left = {name: given.get(name) for name in NAMES.values()}
            self.witnesses.merged(self.now, customer.record, other)
            customer.record, customer.claimed = other, False
        changes = {
            each: (left[NAMES[each]], before.get(NAMES[each]))
            for each in NAMES
            if NAMES[each] in left and left[NAMES[each]] != before.get(NAMES[each])
        }
        if changes:
            customer.committed.append((self.now, changes))

    def _sync(self, customer: Customer) -> None:
        """Take in all that is under way, then write what is due; again while triggers answer."""
        while customer.posted or customer.committed or self._due(customer) or self._unclaimed(customer):
            self.now += 1
            customer.revision += 1
            for at, changes in customer.committed:
                for path, (value, before) in changes.items():
                    self._take_commit(customer, path, value, before, at)
            for event, at, values, seen in customer.posted:
                for path, value in values.items():
                    self._take_event(customer, path, value, seen, at, event)
            customer.posted, customer.committed = [], []
            self._write(customer)

    def _take_commit(self, customer: Customer, path: str, value: Any, before: Any, at: int) -> None:
        current = customer.shown[path]
        if value == current.value:
            return
        if before != current.value and current.side == "platform":
            winner = self.random.choice(("platform", "salesforce"))
            self._audit(customer, path, (current.value, current.made_at), (value, at), winner)
            if winner == "platform":
                return
        customer.shown[path] = Current(value, "salesforce", customer.revision, at)

    def _take_event(self, customer: Customer, path: str, value: Any, seen: int, at: int, event: str) -> None:
        current = customer.shown[path]
        if value == current.value:
            return
        if current.side == "salesforce" and seen < current.revision:
            winner = self.random.choice(("platform", "salesforce"))
            self._audit(customer, path, (value, at), (current.value, current.made_at), winner, event)
            if winner == "salesforce":
                return
        customer.shown[path] = Current(value, "platform", customer.revision, at)

    def _audit(
        self,
        customer: Customer,
        path: str,
        platform: tuple[Any, int],
        salesforce: tuple[Any, int],
        winner: str,
        event: str = "",
    ) -> None:
        self.witnesses.settled(
            path, NAMES[path], platform, salesforce, winner=winner, document=customer.id, event=event
        )

    def _unclaimed(self, customer: Customer) -> bool:
        return not customer.claimed and not self._gone(customer)

    def _due(self, customer: Customer) -> dict[str, Any]:
        """Nothing is written to a record that is gone."""
        if self._gone(customer):
            return {}
        held = self.witnesses.records.get(customer.record, {})
        return {
            NAMES[path]: current.value
            for path, current in customer.shown.items()
            if current.value != held.get(NAMES[path])
        }

    def _write(self, customer: Customer) -> None:
        """Write what is due. A trigger now and then rewrites a city, or sets the department beside a title."""
        due = self._due(customer)
        if not due and not self._unclaimed(customer):
            return
        customer.claimed = True
        held = dict(self.witnesses.records.get(customer.record, {}))
        triggers: dict[str, Any] = {}
        if due.get("MailingCity") in POOL and self.random.random() < 0.5:
            triggers["MailingCity"] = self.random.choice((f"{due['MailingCity']} Napoca", held.get("MailingCity")))
        if "Title" in due and "Department" not in due and self.random.random() < 0.3:
            triggers["Department"] = f"Of {due['Title']}"
        self.now += 1
        self.witnesses.ours(self.now, document=customer.id, record=customer.record, triggers=triggers, **due)
        paths = {name: path for path, name in NAMES.items()}
        changes = {
            paths[name]: (value, due.get(name, held.get(name)))
            for name, value in triggers.items()
            if value != due.get(name, held.get(name))
        }
        if changes:
            customer.committed.append((self.now, changes))
