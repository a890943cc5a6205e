"""A few thousand of `make fuzz`'s inputs at every edge, some of hypothesis' own, and that what is wrong is found."""

import asyncio
import json
from collections.abc import Callable
from functools import cache

import pytest
from fuzz import try_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bending import bent
from support.fuzzing.edges import (
    TARGETS,
    CometdEdge,
    Edge,
    PlatformEdge,
    StoredMappingEdge,
    Target,
    ValuesEdge,
    WebhookEdge,
)
from support.fuzzing.mutator import Mutator, recorded

from adapters.salesforce.csv_text import typed
from adapters.salesforce.errors import errors_of
from adapters.salesforce.grants import read_grant
from listener.changes.bayeux import Advice

SEED = 20_261_130
INPUTS = 4_000
BY_NAME = {target.name: target for target in TARGETS}
SIMPLE = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SIMPLE, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=6), some, max_size=4)
)


@cache
def opened(edge: Callable[[int], Edge]) -> Edge:
    """One edge for all examples."""
    return edge(0)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
async def test_broken_inputs_break_nothing(target: Target) -> None:
    """Each ends as its edge promises: no 5xx, no exception that is not named, and the inputs beside it are taken in."""
    run = await try_inputs(target, SEED, max(10, INPUTS * target.share // 1000))
    assert run.findings == []


@pytest.mark.parametrize(
    ("edge", "module", "old", "new"),
    [
        ("cometd", "listener.changes.normalise", "isinstance(value, bool) or not isinstance(value, int) or", ""),
        ("webhook", "listener.webhook.handler", "except orjson.JSONDecodeError as error:", "except KeyError as error:"),
        ("rest", "adapters.salesforce.collections", "len(parsed) != len(updates)", "False"),
        (
            "tandem.commands",
            "ops.sync.commands",
            "except (Undecodable, NewerFormat) as error:",
            "except KeyError as error:",
        ),
    ],
)
async def test_what_is_wrong_is_found(edge: str, module: str, old: str, new: str) -> None:
    """A check that is taken out of an edge is missed within a few hundred inputs."""
    with bent(module, (old, new)):
        assert (await try_inputs(BY_NAME[edge], SEED, 2_000, until_found=True)).found


def test_the_same_seed_bends_alike() -> None:
    """So that a finding can be tried again by its number."""
    first, second = (Mutator(5, recorded("cometd")) for _ in range(2))
    assert [first.next() for _ in range(50)] == [second.next() for _ in range(50)]


@pytest.mark.parametrize("edge", [WebhookEdge, PlatformEdge, CometdEdge, StoredMappingEdge, ValuesEdge])
@given(raw=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=60)
def test_anything_at_all_breaks_nothing(edge: Callable[[int], Edge], raw: bytes) -> None:
    """Bytes and JSON that resemble nothing that was ever sent."""
    asyncio.run(opened(edge)(raw))  # type: ignore[arg-type]


def test_numbers_that_are_none_are_told() -> None:
    """Found in fuzzing: a cell beyond a double, a moment of 5,000 digits, records that are a number, no time at all."""
    for text in ("9.e999", "1.5e400", "nan", "9" * 5_000):
        with pytest.raises(ValueError):
            typed({"Total__c": text}, {"Total__c": "int"})
    with pytest.raises(ValueError, match="finite"):
        typed({"Total__c": "1e400"}, {"Total__c": "double"})
    grant = b'{"access_token":"t","instance_url":"https://acme.my.salesforce.com","issued_at":"%s"}' % (b"9" * 5_000)
    assert read_grant(200, grant, login_url="https://login.salesforce.com").issued_at == 0
    told = b'[{"errorCode":"DUPLICATES_DETECTED","duplicateResut":{"matchResults":[{"matchRecords":5}]}}]'
    assert [(error.code, error.existing) for error in errors_of(told)] == [("DUPLICATES_DETECTED", ())]
    assert Advice().merged({"timeout": 5e-324}).timeout == Advice().timeout
