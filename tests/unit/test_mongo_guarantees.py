"""What is said of MongoDB servers that do not have what the promises need."""

from typing import Any

import pytest

from adapters.mongo.guarantees import complaints_about

GOOD = {"setName": "rs0", "hosts": ["a", "b", "c"], "maxWireVersion": 17}


@pytest.mark.parametrize(
    "hello",
    [
        GOOD,
        GOOD | {"hosts": ["a"]},
        GOOD | {"hosts": ["a", "b", "c", "d"], "arbiters": ["e"]},
        {"msg": "isdbgrid", "maxWireVersion": 21},
    ],
)
def test_nothing_is_said_of_good_servers(hello: dict[str, Any]) -> None:
    """A set of any size, or a sharded cluster."""
    assert complaints_about(hello) == []


@pytest.mark.parametrize(
    ("hello", "line"),
    [
        ({"maxWireVersion": 17}, "is no replica set"),
        (GOOD | {"maxWireVersion": 13}, "is older than 6.0"),
        (GOOD | {"hosts": ["a", "b"], "arbiters": ["c"]}, "has an arbiter in the place of a third server"),
    ],
)
def test_each_lack_is_one_line(hello: dict[str, Any], line: str) -> None:
    """It says what it leads to."""
    (complaint,) = complaints_about(hello)
    assert complaint.startswith(line)
