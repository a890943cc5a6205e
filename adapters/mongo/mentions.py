"""Takes a person out of what people asked for and wrote: rows of operations and runs that no key of ours finds.

A replay may be asked for by a record's id or an address, a run by a filter, and a note may say whom it was for. What
was asked about one person alone goes; of everything else the words go, and that somebody did it stays. A query that
names them and has a further page goes: whoever asked it asks it anew.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database
from adapters.mongo.collections import DELIVERIES, OPERATIONS, QUERY_PAGES, RUNS

Row = dict[str, Any]
ERASED: Final = "[erased]"
WORDS: Final = "words"
"""What the certificate calls rows that stay without the words."""
SHORT_ID: Final = 15
"""Salesforce's ids have so many characters that tell them apart, and three more that say in which case."""
OWN_WORD: Final = 8
"""A document's id alone is looked for in texts from so many characters on: shorter ones are everybody's words."""
_NAMED_BY: Final = frozenset({"_id", "kind", "document"})
"""By these rows are found and removed (`adapters.mongo.removal`)."""
_ENDED: Final = ("done", "cancelled")
"""States of a run after which nothing goes on behind its cursor."""


@dataclass(frozen=True, slots=True)
class Mentions:
    """By what a person may be named: things (kind, id), Salesforce records, and addresses."""

    things: Sequence[tuple[str, str]] = ()
    records: Sequence[str] = ()
    addresses: Sequence[str] = ()

    def keys(self) -> list[str]:
        """What a row is keyed by that was asked about this person alone."""
        named = [f"{kind}:{each}" for kind, each in self.things]
        return [*named, *self.records, *(record[:SHORT_ID] for record in self.records), *self.addresses]

    def asked(self) -> Row:
        """What asks for such rows of operations."""
        any_case = [re.compile(f"^{re.escape(each)}$", re.IGNORECASE) for each in self.addresses]
        keys = [*self.keys(), *any_case]
        return {"$or": [{name: {"$in": keys}} for name in ("key", "record", "item")]}

    def words(self) -> re.Pattern[str] | None:
        """What finds them in a text, as whole words and in whatever case; nothing where there is nothing to find."""
        named = [f"{re.escape(kind)}[:/ ]{re.escape(each)}" for kind, each in self.things]
        long = [re.escape(each) for _kind, each in self.things if len(each) >= OWN_WORD]
        records = [f"{re.escape(each[:SHORT_ID])}(?:{re.escape(each[SHORT_ID:])})?" for each in self.records]
        parts = [*named, *long, *records, *map(re.escape, self.addresses)]
        return re.compile(rf"(?<![\w@])(?:{'|'.join(parts)})(?![\w@])", re.IGNORECASE) if parts else None


async def forget_mentions(database: Database, mentions: Mentions) -> dict[str, int]:
    """Remove and redact; how many rows, by what the certificate calls them.

    A person asks for little: all rows are looked through, of which none is large.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    asked = mentions.asked()
    with answering():
        gone = (await database[OPERATIONS].delete_many(asked)).deleted_count
        told = {OPERATIONS: gone}
        words = mentions.words()
        for name in (OPERATIONS, RUNS):
            told[f"{name}.{WORDS}"] = 0
            async for row in database[name].find():
                if changes := _changes(name, row, words, mentions.things):
                    await database[name].update_one({"_id": row["_id"]}, {"$set": changes})
                    told[f"{name}.{WORDS}"] += 1
        pages = [row["_id"] for row in await _asking(database, words)]
        told[QUERY_PAGES] = (await database[QUERY_PAGES].delete_many({"_id": {"$in": pages}})).deleted_count
    return told


async def mentioning(database: Database, mentions: Mentions) -> dict[str, list[Row]]:
    """The rows that `forget_mentions` would remove or change, by collection.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    words = mentions.words()
    with answering():
        found = {OPERATIONS: await database[OPERATIONS].find(mentions.asked()).to_list(), RUNS: list[Row]()}
        known = {row["_id"] for row in found[OPERATIONS]}
        for name in (OPERATIONS, RUNS):
            async for row in database[name].find():
                if row["_id"] not in known and _changes(name, row, words, mentions.things):
                    found[name].append(row)
        found[QUERY_PAGES] = await _asking(database, words)
    return found


async def _asking(database: Database, words: re.Pattern[str] | None) -> list[Row]:
    """Further pages of queries that name the person, without Salesforce's address of them."""
    if words is None:
        return []
    pages = await database[QUERY_PAGES].find({}, {"following": 0}).to_list()
    return [row for row in pages if words.search(_unescaped(row["soql"]))]


def _unescaped(soql: str) -> str:
    """What stands in its texts: a quotation mark has a backslash before it, as in o\\'neil@example.com."""
    return re.sub(r"\\(.)", r"\1", soql)


async def forget_deliveries(database: Database, about: Row) -> int:
    """Take the ids of these deliveries out of what was redelivered by hand: they follow from whose they were."""
    with answering():
        ids = [row["_id"] async for row in database[DELIVERIES].find(about, {"_id": 1})]
        of_any = {"deliveries": {"$in": ids}}
        return (await database[OPERATIONS].update_many(of_any, {"$pull": of_any})).modified_count if ids else 0


def _changes(name: str, row: Row, words: re.Pattern[str] | None, things: Sequence[tuple[str, str]]) -> Row:
    """The fields that say something else without the words; of a row about one of the things none, since it goes.

    Where a run goes on, its cursor tells it from where.
    """
    if words is None or (row.get("kind"), row.get("document")) in things:
        return {}
    whole = name == OPERATIONS or row.get("state") in _ENDED
    looked_at = {key: value for key, value in row.items() if key not in _NAMED_BY and (whole or key == "request")}
    without = {key: _without(value, words) for key, value in looked_at.items()}
    return {key: value for key, value in without.items() if value != looked_at[key]}


def _without(value: Any, words: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return words.sub(ERASED, value)
    if isinstance(value, dict):
        return {key: _without(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_without(each, words) for each in value]
    return value
