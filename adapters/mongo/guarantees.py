"""What the promises need of MongoDB's servers, beside what every connection asks for by itself (`client.py`)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.mongo.answering import answering
from adapters.mongo.client import Database

_SINCE_SIX: Final = 17
"""The wire version of MongoDB 6.0."""


async def verify_servers(database: Database) -> list[str]:
    """What the promises need and these servers do not have, a line each; none where all is well.

    Raises:
        Unavailable: MongoDB does not answer.
    """
    with answering():
        return complaints_about(await database.client.admin.command("hello"))


def complaints_about(hello: Mapping[str, Any]) -> list[str]:
    """The same, by what a server says of itself. Pure."""
    wrong: list[str] = []
    if hello.get("maxWireVersion", 0) < _SINCE_SIX:
        wrong.append("is older than 6.0, on which nothing here is tested")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        wrong.append("is no replica set, so nothing can be acknowledged by a majority: a set of one server will do")
    elif hello.get("arbiters") and len(hello.get("hosts", ())) <= len(hello["arbiters"]) + 1:
        wrong.append(
            "has an arbiter in the place of a third server with data, so nothing is acknowledged while one is away"
        )
    return wrong
