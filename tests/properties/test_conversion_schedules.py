"""Promises 3 and 5 across a conversion: whatever happens before, meanwhile and after, contact and document end equal,
and every edit that was lost unseen has its row."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from support.fake_documents import FakeDocuments, FakeParked
from support.lead_stage import ADA, LEAD, LeadStage

from schemas.change import Change, ChangeType
from schemas.records import Failure

SEEDS_A_TEST = 60
FAULTS = 3
LANGUAGE = "Preferred_Language__c"
"""A custom field that no admin has mapped: a conversion does not carry it along."""
PATHS = {
    "phone": "Phone",
    "address.city": "MailingCity",
    "last_name": "LastName",
    "title": "Title",
    "preferred_language": LANGUAGE,
}
IN_LEAD = {"Phone": "Phone", "MailingCity": "City", "LastName": "LastName", LANGUAGE: LANGUAGE}
MADE = {**ADA, "preferred_language": "ro"}
POLICIES = ("salesforce_wins", "platform_wins", "latest_wins")


@dataclass(frozen=True)
class Edit:
    """One value that one side set; `saw` are the values of the field that its author may have looked at before."""

    side: str
    value: str
    saw: frozenset[str]


class Schedule:
    """One person, edited by both sides while the lead becomes a contact."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = LeadStage(FakeDocuments(), lead={**LEAD, "fields": {**LEAD["fields"], LANGUAGE: LANGUAGE}})
        self.numbers = iter(range(100, 10_000))
        self.heard: list[Change] = []
        self.contact = ""
        self.faults = 0
        self.edits: defaultdict[str, list[Edit]] = defaultdict(list)
        """By path, in order."""
        self.shown: defaultdict[str, set[str]] = defaultdict(set)
        self.held: defaultdict[str, set[str]] = defaultdict(set)
        """By path: all that the document has shown so far, and the record held."""
        fields = self.stage.catalog.mapping.model_dump(mode="json")["kinds"]["customer"]["fields"]
        for field in fields:
            if field["platform"] in PATHS:
                field |= {"policy": self.rng.choice(POLICIES), "first": self.rng.choice(POLICIES)}
        self.stage.map(lead=self.stage.catalog.mapping.kinds["customer"].lead, create="lead", fields=fields)

    async def run(self, steps: int) -> None:
        for path in PATHS.keys() & MADE.keys():
            self.edits[path].append(Edit("platform", MADE[path], frozenset()))
        await self.stage.post(MADE, type_="customer.created")
        if self.rng.random() < 0.5:
            await self.stage.settle()
        else:
            await self.stage.answer_doorbells()
        await self.look()
        at = self.rng.randrange(steps)
        for number in range(steps):
            if number == at:
                self.convert()
            step = self.rng.choice(
                (self.platform, self.platform, self.sales, self.sales, self.deliver, self.write, self.write, self.fault)
            )
            await step()
            await self.look()
            self.stage.now += self.rng.choice((10, 300, 2_000, 9_000))
        while self.stage.salesforce._late:
            self.stage.salesforce.land_late()
        for _ in range(3):
            await self.stage.settle()
            self.stage.now += 700_000

    def value(self, side: str, path: str) -> str:
        number = next(self.numbers)
        value = f"+40712000{number:03}" if path == "phone" else f"{path} {number}"
        self.note(side, path, value)
        return value

    def note(self, side: str, path: str, value: str) -> None:
        seen = self.shown if side == "platform" else self.held
        self.edits[path].append(Edit(side, value, frozenset(seen[path])))

    async def look(self) -> None:
        """What anybody may see from now on."""
        document = await self.stage.document()
        shown = {"address.city": document["address"]["city"], **document}
        row = self.stage.records("Contact")[self.contact] if self.contact else self.stage.only("Lead")
        for path, name in PATHS.items():
            self.shown[path] |= {shown[path]} if shown.get(path) else set()
            there = row.get(name if self.contact else IN_LEAD.get(name, ""))
            self.held[path] |= {there} if there else set()

    def silent(self, path: str, final: Any) -> list[Edit]:
        """The edits that are neither there, nor superseded by somebody who may have seen them, nor in the audit."""
        edits = self.edits[path]
        rows = [row for row in self.stage.log.rows.values() if row.get("field") == PATHS[path] and row.get("lost")]
        named = {(row["lost"]["side"], row["lost"]["value"]) for row in rows}
        return [
            edit
            for place, edit in enumerate(edits)
            if edit.value != final
            and ({"platform": "platform", "sales": "salesforce"}[edit.side], edit.value) not in named
            and not any(other.side == edit.side for other in edits[place + 1 :])
            and not any(edit.value in other.saw for other in edits)
        ]

    async def platform(self) -> None:
        path = self.rng.choice(sorted(PATHS))
        await self.stage.post({path: self.value("platform", path)}, changed=[path])

    async def sales(self) -> None:
        """Nobody can edit a converted lead."""
        path = self.rng.choice(sorted(PATHS))
        name = PATHS[path]
        if self.contact:
            self.stage.salesforce.edit("Contact", self.contact, {name: self.value("sales", path)})
        elif name in IN_LEAD:
            lead = str(self.stage.only("Lead")["Id"])
            self.stage.salesforce.edit("Lead", lead, {IN_LEAD[name]: self.value("sales", path)})

    def convert(self) -> None:
        there = ""
        if self.rng.random() < 0.5:
            self.note("sales", "last_name", "There")
            known = {PATHS[path]: self.value("sales", path) for path in self.rng.sample(sorted(PATHS), 2)}
            there = self.stage.salesforce.create("Contact", {"LastName": "There", **known})
        lead = str(self.stage.only("Lead")["Id"])
        self.contact = self.stage.salesforce.convert(lead, there, carried={"MailingCity": "City"})

    async def deliver(self) -> None:
        """Some of the events, at times from an earlier point again, at times as gaps that name no values."""
        waiting = self.stage.changes
        some = waiting[: self.rng.randrange(len(waiting) + 1)]
        del waiting[: len(some)]
        if self.rng.random() < 0.1:
            some = [each if LANGUAGE in each.fields else _gap(each) for each in some]
        again = self.heard[-self.rng.randrange(4) :] if self.rng.random() < 0.2 else []
        self.heard += some
        facts = [self.stage.change(change) for change in [*again, *some]]
        if facts:
            await self.stage.reconciler.handle(facts)

    async def write(self) -> None:
        await self.stage.sweep.ring_due()
        await self.stage.answer_doorbells()

    async def fault(self) -> None:
        """Fewer than the tries of a write: one that is given up is no counterexample."""
        self.faults += 1
        if self.faults > FAULTS:
            return
        if self.rng.random() < 0.5:
            lands: Any = self.rng.choice(("never", "at_once", "later"))
            self.stage.salesforce.fail_next_call(Failure.UNKNOWN, lands=lands)
        else:
            self.stage.salesforce.fail_next_call(Failure.NOT_RUN, "UNABLE_TO_LOCK_ROW", org_wide=False)


def _gap(change: Change) -> Change:
    """What only the Lead held until then, nobody can tell any more."""
    return change.model_copy(update={"type": ChangeType.GAP_UPDATE, "fields": {}})


async def ends_right(seed: int) -> None:
    schedule = Schedule(seed)
    await schedule.run(steps=14)
    stage = schedule.stage
    document = await stage.document()
    public, row = document["salesforce"], stage.records("Contact")[schedule.contact]
    assert (public["syncStatus"], public["contactId"]) == ("synced", schedule.contact)
    assert row["Tandem_Customer_Id__c"] == "cust-1"
    shown = {"address.city": document["address"]["city"], **document}
    assert {path: shown.get(path) for path in PATHS} == {path: row.get(name) for path, name in PATHS.items()}
    for path in PATHS:
        known = {edit.side: edit.value for edit in schedule.edits[path]}
        last = [known.get("platform"), known.get("sales")]
        assert shown.get(path) in last, f"{path} is {shown.get(path)}, and the last edits are {last}"
        lost = schedule.silent(path, shown.get(path))
        assert lost == [], f"{path} is {shown.get(path)}: {lost} were lost without a row"
    assert len(stage.records("Contact")) == len(stage.records("Lead")) == 1
    assert isinstance(stage.parked, FakeParked)
    assert stage.parked.rows == {}
    calls = len(stage.salesforce.calls)
    stage.now += 3_600_000
    await stage.settle()
    assert len(stage.salesforce.calls) == calls, "nothing is asked any more"


@pytest.mark.parametrize("first", range(0, 5 * SEEDS_A_TEST, SEEDS_A_TEST))
def test_both_sides_end_equal(first: int) -> None:
    """And nobody is asked, nothing is parked, and the writing stops."""
    for seed in range(first, first + SEEDS_A_TEST):
        try:
            asyncio.run(ends_right(seed))
        except AssertionError as failed:
            raise AssertionError(f"seed {seed}: {failed}") from failed
