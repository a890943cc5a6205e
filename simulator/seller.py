"""Someone in sales who works in Salesforce while the platform works: edits records there, often the same fields.

What was edited, when and over what is in the org's own commit log; nothing is kept here but counters.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.platform.people import Exhausted, Inventor
from simulator.platform.sorts import CUSTOMER, Sort

CONTACT_FIELDS: Mapping[str, str] = {
    "phone": "Phone",
    "title": "Title",
    "email": "Email",
    "address.city": "MailingCity",
    "first_name": "FirstName",
    "last_name": "LastName",
    "department": "Department",
    "address.country": "MailingCountry",
    "birthdate": "Birthdate",
}
"""The two-way fields of a customer: platform path and Contact field."""

_USERS = ("mira.lindt@tandem.example", "oren.vasko@tandem.example", "ilka.torm@tandem.example")
_PAGE = 1_000


class OrgRefused(Exception):
    """The org's admin endpoint did not take the request; the message holds its status."""


@dataclass(slots=True)
class SellerCounters:
    """What has happened so far."""

    edited: int = 0
    contested: int = 0
    """Edits of a field that the platform had just edited."""
    not_there: int = 0
    """Edits of a record that was not in Salesforce yet."""
    refused: int = 0
    """Edits that a rule of the org refused."""

    def add(self, other: "SellerCounters") -> None:
        """Count another's edits too."""
        self.edited += other.edited
        self.contested += other.contested
        self.not_there += other.not_there
        self.refused += other.refused


class Seller:
    """Makes `edits` edits at `rate` a second. Choices and values come from the seed, and from what is there to edit.

    `recent` tells what the platform has just edited: (external id, platform path), newest last. Values are made up as
    for things of the `sort`, and called what Salesforce calls them by `written`, where that is another name. No value
    is used twice in one field of one record, and none is ever the platform's, unless it is one of a few. Where there
    is nothing to edit, it is waited for until there is `enough`.
    """

    def __init__(
        self,
        *,
        base_url: str,
        seed: int,
        edits: int,
        rate: float,
        recent: Callable[[], Sequence[tuple[str, str]]],
        sobject: str = "Contact",
        external_id: str = "Tandem_Customer_Id__c",
        fields: Mapping[str, str] = CONTACT_FIELDS,
        sort: Sort = CUSTOMER,
        written: Mapping[str, Callable[[Any], Any]] | None = None,
        enough: Callable[[], bool] = lambda: False,
        contested: float = 0.7,
        look_every_seconds: float = 1.0,
    ) -> None:
        self.counters = SellerCounters()
        self.done = False
        self._base_url = base_url.rstrip("/")
        self._chance = random.Random(f"seller {seed}")
        self._edits = edits
        self._rate = rate
        self._recent = recent
        self._sobject = sobject
        self._external_id = external_id
        self._fields = fields
        self._sort = sort
        self._written = written or {}
        self._paths = [path for path in sort.edited if path in fields]
        self._weights = [1 / (1 + rank) for rank in range(len(self._paths))]
        self._enough = enough
        self._contested = contested
        self._look_every_seconds = look_every_seconds
        self._serials: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._known: list[str] = []
        self._last_record = ""

    async def run(self) -> None:
        """Return once all edits have been made; waits while there is nothing to edit.

        Raises:
            OrgRefused: the admin endpoint answered with an error.
            aiohttp.ClientError: the org cannot be reached.
        """
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
            began = looked = loop.time()
            await self._look(http)
            for index in range(self._edits):
                await asyncio.sleep(began + index / self._rate - loop.time())
                if loop.time() - looked > self._look_every_seconds:
                    await self._look(http)
                    looked = loop.time()
                while not self._known and not self._enough():  # nobody edits what is not there yet
                    await asyncio.sleep(self._look_every_seconds)
                    await self._look(http)
                if self._known:
                    await self._edit(http)
        self.done = True

    async def _edit(self, http: aiohttp.ClientSession) -> None:
        record, path, contested = self._choose()
        paths = {path}
        if self._chance.random() < 0.15:
            paths.add(self._popular())
        values = dict(self._new_value(record, each) for each in sorted(paths))
        body = {
            "user": self._chance.choice(_USERS),
            "edits": [{"object": self._sobject, "key": {self._external_id: record}, "fields": values}],
        }
        async with http.post(f"{self._base_url}/admin/edits", json=body) as response:
            if response.status != 200:
                raise OrgRefused(f"POST /admin/edits: {response.status}")
            (result,) = await response.json()
        self._count(result, contested=contested)

    def _count(self, result: Mapping[str, Any], *, contested: bool) -> None:
        if result["success"]:
            self.counters.edited += 1
            self.counters.contested += contested
        elif any(error["statusCode"] == "NOT_FOUND" for error in result["errors"]):
            self.counters.not_there += 1
        else:
            self.counters.refused += 1

    def _choose(self) -> tuple[str, str, bool]:
        """A record by its external id, a platform path, and whether the platform has just been there."""
        recent = [(record, path) for record, path in self._recent() if path in self._paths]
        if recent and self._chance.random() < self._contested:
            return (*self._chance.choice(recent), True)
        return self._chance.choice(self._known), self._popular(), False

    def _popular(self) -> str:
        return self._chance.choices(self._paths, self._weights)[0]

    def _new_value(self, record: str, path: str) -> tuple[str, Any]:
        """The Salesforce field and its value; of another field where this one has no values left."""
        if path in self._sort.choices:
            value = self._sort.choices[path](self._chance)
        else:
            self._serials[record, path] += 1
            try:
                value = self._sort.invent(
                    path, self._serials[record, path], Inventor.SALESFORCE_USER, self._chance, record
                )
            except Exhausted:
                return self._new_value(record, next(each for each in self._paths if each != path))
        write = self._written.get(path)
        return self._fields[path], value if write is None else write(value)

    async def _look(self, http: aiohttp.ClientSession) -> None:
        """Learn of records that came since the last look; records without an external id are nobody's business."""
        while True:
            query = {"after": self._last_record, "limit": str(_PAGE)}
            async with http.get(f"{self._base_url}/admin/records/{self._sobject}", params=query) as response:
                if response.status != 200:
                    raise OrgRefused(f"GET /admin/records: {response.status}")
                records = await response.json()
            self._known += [record[self._external_id] for record in records if record.get(self._external_id)]
            if records:
                self._last_record = records[-1]["Id"]
            if len(records) < _PAGE:
                return
