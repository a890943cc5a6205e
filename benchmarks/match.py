"""Which of 1,000,000 documents show these e-mails: one query, by an index that knows no case, of 200 addresses."""

import statistics
import time
from typing import Any

from pymongo import AsyncMongoClient

from adapters.mongo.client import open_database
from adapters.mongo.collections import ANY_CASE, prepare
from adapters.mongo.documents import MongoDocuments
from adapters.mongo.settings import MongoSettings
from benchmarks.results import Results, servers_for
from simulator.servers.local import MONGODB

SIZES = {"records": 1_000_000, "rounds": 20}
ASKED = 200
INSERTED_AT_A_TIME = 10_000


async def measure(*, records: int, rounds: int) -> Results:
    """The median of the rounds, each with other addresses, and what MongoDB says of its plan."""
    async with servers_for(MONGODB) as servers:
        settings = MongoSettings(uri=servers.mongodb_uri, database="bench")
        async with open_database(settings) as database:
            await prepare(database, ["customers"], (), [("customers", "email")])
            await _fill(servers.mongodb_uri, records)
            documents, took = MongoDocuments(database), []
            for number in range(rounds):
                asked = [_email(one).upper() for one in range(number, records, max(1, records // ASKED))][:ASKED]
                began = time.perf_counter()
                found = await documents.matching("customers", "email", asked)
                took.append(1000 * (time.perf_counter() - began))
                assert len(found) == len(asked)
            query: dict[str, Any] = {"find": "customers", "filter": {"email": {"$in": asked}}}
            told = await database.command(
                {"explain": query | {"collation": ANY_CASE.document}, "verbosity": "executionStats"}
            )
    stats = told["executionStats"]
    row = {
        "ms": statistics.median(took),
        "documents found": float(len(found)),
        "documents looked at": stats["totalDocsExamined"],
        "index keys looked at": stats["totalKeysExamined"],
        "queries": 1.0,
    }
    stage = told["queryPlanner"]["winningPlan"]["inputStage"]["stage"]
    note = f"MongoDB's plan begins with {stage}. Addresses were asked for in capital letters."
    return Results(f"match: {len(asked)} e-mails among {records:,} documents", {"matching": row}, {"ms": took}, note)


def _email(number: int) -> str:
    return f"customer{number}@example.com"


async def _fill(mongodb: str, records: int) -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongodb, w=1)
    async with client:
        for first in range(0, records, INSERTED_AT_A_TIME):
            numbers = range(first, min(records, first + INSERTED_AT_A_TIME))
            rows = [{"_id": f"cust-{one}", "email": _email(one), "revision": 1} for one in numbers]
            await client["bench"]["customers"].insert_many(rows, ordered=False)
