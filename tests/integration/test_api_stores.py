"""What the API keeps in MongoDB: keys, answers by idempotency key, ids by address, attempts, pages of queries."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase

from adapters.encryption.keyring import Keyring
from adapters.mongo.api_keys import MongoApiKeys
from adapters.mongo.attempts import MongoAttempts
from adapters.mongo.collections import API_ANSWERS, ATTEMPTS, prepare
from adapters.mongo.identities import MongoIdentities
from adapters.mongo.kept_answers import ABANDONED, MongoKeptAnswers
from adapters.mongo.mentions import Mentions
from adapters.mongo.query_pages import KeptPage, MongoQueryPages
from adapters.mongo.removal import MongoRemoval
from ops import api_keys_command
from schemas.api_key import Scope
from schemas.connection import CannotOpen
from schemas.kept_answer import KeptAnswer

pytestmark = pytest.mark.integration

Database = AsyncDatabase[dict[str, Any]]
DAY = timedelta(days=1)


async def test_a_key_is_made_listed_and_revoked_by_command(
    database: Database, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed once; what is stored opens nothing."""
    monkeypatch.setenv("MONGODB_URI", mongodb_uri)
    monkeypatch.setenv("MONGODB_DATABASE", database.name)
    made = await asyncio.to_thread(api_keys_command.run_add, "shop", (Scope.READ, Scope.EVENTS), days=30, rate=5)
    key = re.search(r"tdm_([0-9a-f]{12})_[\w-]{43}", capsys.readouterr().out)
    assert (made, key is not None) == (0, True)
    assert key is not None
    stored = await MongoApiKeys(database).read(key[1])
    assert stored is not None
    assert (stored.name, stored.scopes, stored.rate) == ("shop", (Scope.READ, Scope.EVENTS), 5)
    assert stored.hash.startswith("$argon2id$")
    assert key[0].rpartition("_")[2] not in str(await database["tandem_api_keys"].find_one({}))
    assert await asyncio.to_thread(api_keys_command.run_list) == 0
    assert {key[1], "shop"} <= set(capsys.readouterr().out.split())
    assert await asyncio.to_thread(api_keys_command.run_revoke, key[0]) == 0
    assert await asyncio.to_thread(api_keys_command.run_revoke, key[1]) == 1
    revoked = await MongoApiKeys(database).read(key[1])
    assert revoked is not None
    assert revoked.revoked_at is not None
    assert await MongoApiKeys(database).read("ffffffffffff") is None
    rows = await database["tandem_operations"].find({}, {"_id": 0, "what": 1, "item": 1, "result": 1}).to_list()
    assert [tuple(row.values()) for row in rows] == [
        ("add api key", f"{key[1]} of shop", "it may read, events"),
        ("revoke api key", key[1], "done"),
        ("revoke api key", key[1], "not done: there is no such key that could be revoked"),
    ]


async def test_an_answer_is_kept_under_its_name(database: Database) -> None:
    """One of many who begin at once does it; the others hear that it is worked at, and then what was answered."""
    kept = MongoKeptAnswers(database, DAY)
    begun = await asyncio.gather(*(kept.begin("key:1", "f") for _ in range(5)))
    assert begun.count(None) == 1
    assert {each.status for each in begun if each is not None} == {0}
    answer = KeptAnswer("f", 201, b'{"id": 1}', {"Location": "/1"})
    await kept.finish("key:1", answer, "customer/1")
    assert await kept.begin("key:1", "other") == answer
    await kept.drop("key:1")
    assert await kept.begin("key:1", "f") == answer
    assert await kept.forget("customer/1") == 1
    assert await kept.begin("key:1", "f") is None


async def test_a_request_that_was_refused_or_whose_process_died_may_come_again(database: Database) -> None:
    """The first lets its name go; the second is taken over when it is old, by the same request alone."""
    kept = MongoKeptAnswers(database, DAY)
    assert await kept.begin("key:1", "f") is None
    await kept.drop("key:1")
    assert await kept.begin("key:1", "f") is None
    long_ago = datetime.now(UTC) - ABANDONED - timedelta(seconds=1)
    await database[API_ANSWERS].update_one({"_id": "key:1"}, {"$set": {"begun_at": long_ago}})
    other = await kept.begin("key:1", "g")
    assert other is not None
    assert (other.fingerprint, other.status) == ("f", 0)
    assert await kept.begin("key:1", "f") is None
    assert await kept.begin("key:1", "f") is not None


async def test_an_address_has_one_id(database: Database) -> None:
    """For all who ask at once; and another where the first has moved on, for all of those too."""
    identities = MongoIdentities(database)
    given = await asyncio.gather(*(identities.reserve("customer", "a@b.example", str(each)) for each in range(5)))
    assert len(set(given)) == 1
    moved = await asyncio.gather(
        *(identities.reserve("customer", "a@b.example", f"new-{each}", instead_of=given[0]) for each in range(5))
    )
    assert len(set(moved)) == 1
    assert moved[0] != given[0]
    assert await identities.reserve("participant", "a@b.example", "p") == "p"
    assert "a@b.example" not in str(await database["tandem_identities"].find({}).to_list())


async def test_an_attempt_is_taken_once_and_its_verifier_is_sealed(database: Database) -> None:
    """A copy of the database connects nobody, and what is over is over before MongoDB has removed it."""
    attempts = MongoAttempts(database, Keyring({"k1": b"1" * 32}))
    await attempts.add("state", "verifier")
    row = await database[ATTEMPTS].find_one({}) or {}
    assert "verifier" not in row["verifier"]
    assert row["verifier"].startswith("v1:k1:")
    assert "state" not in row["_id"]
    taken = await asyncio.gather(*(attempts.take("state") for _ in range(3)))
    assert sorted(map(str, taken)) == ["None", "None", "verifier"]
    await attempts.add("late", "verifier")
    await database[ATTEMPTS].update_one({}, {"$set": {"expires_at": datetime.now(UTC)}})
    assert await attempts.take("late") is None
    await attempts.add("other", "verifier")
    with pytest.raises(CannotOpen):
        await MongoAttempts(database, Keyring({"k2": b"2" * 32})).take("other")


async def test_a_page_is_its_owners_alone(database: Database) -> None:
    """And good for a quarter of an hour."""
    await prepare(database, ())
    pages = MongoQueryPages(database)
    page = KeptPage("SELECT Id FROM Contact", "Contact", "/services/data/v62.0/query/01g-2000")
    cursor = await pages.add(page, "a")
    assert (await pages.read(cursor, "a"), await pages.read(cursor, "b")) == (page, None)
    await database["tandem_query_pages"].update_one({}, {"$set": {"expires_at": datetime.now(UTC)}})
    assert await pages.read(cursor, "a") is None


async def test_further_pages_of_queries_that_name_somebody_are_forgotten_with_them(database: Database) -> None:
    """By address, also with a quotation mark in it, by record and by id; those of other people stay, and are theirs."""
    await prepare(database, ())
    pages, removal = MongoQueryPages(database), MongoRemoval(database)
    record = "003000000000001AAA"
    theirs = ["Email = 'O\\'Neil@acme.example'", f"Id = '{record[:15]}'", "Tandem_Customer_Id__c = 'cust-4711'"]
    others = ["Email = 'neil@acme.example'", "Tandem_Customer_Id__c = 'cust-47110'"]
    for where in (*theirs, *others):
        await pages.add(KeptPage(f"SELECT Id FROM Contact WHERE {where}", "Contact", "/query/01g-2000"), "a")
    mentions = Mentions([("customer", "cust-4711")], [record], ["o'neil@acme.example"])
    held = (await removal.mentioning(mentions))["tandem_query_pages"]
    assert sorted(row["soql"].partition(" WHERE ")[2] for row in held) == sorted(theirs)
    assert "01g-2000" not in str(held)
    assert (await removal.forget_mentions(mentions))["tandem_query_pages"] == 3
    left = await database["tandem_query_pages"].find().to_list()
    assert sorted(row["soql"].partition(" WHERE ")[2] for row in left) == sorted(others)
    assert (await removal.forget_mentions(Mentions()))["tandem_query_pages"] == 0
