"""How long it is waited until the pretended platform was told of everything."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from support.witnesses import customers

from ops.demo import telling
from ops.demo.telling import untold_in_time
from simulator.platform.receiver import Told

REGISTER = orjson.dumps({"now": ["salesforce", 1, 2, 7]}).decode()
DOCUMENTS: Mapping[str, Any] = {
    "customers": [{"_id": "cust-1", "title": "Chair", "_sync": {"fields": {"Title": REGISTER}}}]
}


def tell(told: Told) -> None:
    """The webhook of the title, as it is at revision 7."""
    fields = {"title": "Chair"}
    told.take("msg-1", {"data": {"kind": "customer", "id": "cust-1", "revision": 7, "fields": fields}})


async def test_what_was_not_told_in_time_is_said_without_its_value() -> None:
    """A line names the document and the path."""
    assert await untold_in_time(Told(), DOCUMENTS, customers(), seconds=0) == [
        "customer cust-1: title since revision 7"
    ]


async def test_what_is_told_while_it_is_waited_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook may come after both sides are at rest."""
    monkeypatch.setattr(telling, "LOOK_SECONDS", 0)
    told = Told()
    asyncio.get_running_loop().call_soon(tell, told)
    assert await untold_in_time(told, DOCUMENTS, customers(), seconds=60) == []
