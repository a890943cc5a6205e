"""Events read by hand are what their model has."""

from typing import Any

import orjson
from hypothesis import event, example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.codec import Undecodable, decode
from schemas.event_reading import modelled, read_event, usual
from schemas.platform_event import PlatformEvent

SIMPLE = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    SIMPLE, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=4), some, max_size=3)
)
MOMENTS = (
    st.from_regex(
        r"[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|z|[+-]0[0-9]:00|)",
        fullmatch=True,
    )
    | st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
    | st.sampled_from(
        ["2026-11-22 10:00:00Z", "2026-11-22", "1763805600", "2026-W47-7T10:00:00Z", "2026-11-22T24:00:00Z"]
    )
)
IDS = st.from_regex(r"[A-Za-z0-9._~-]{0,6}", fullmatch=True) | st.sampled_from(
    ["a:b", "a b", "a\x1cb", "\u0661", "x" * 200, "x" * 201]
)
TYPES = st.sampled_from(
    [
        "customer.updated",
        "customer.deleted",
        "a.b",
        "a1_.b_2",
        "customer",
        "Customer.updated",
        "customer.updated\n",
        "a" * 98 + ".b",
        "a" * 99 + ".b",
        "\u0661.b",
    ]
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs there."""
    return st.one_of(strategy, strategy, strategy, JSON)


DATA = st.fixed_dictionaries(
    {"id": maybe(IDS)},
    optional={
        "fields": maybe(st.dictionaries(st.text(max_size=6), JSON, max_size=4)),
        "changed": maybe(st.lists(st.text(max_size=6), max_size=3)),
        "seen": maybe(st.integers(-1, 2**64 - 1)),
        "more": JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {}, optional={"type": maybe(TYPES), "timestamp": maybe(MOMENTS), "data": maybe(DATA), "more": JSON}
)


@given(maybe(BODIES))
@example({"type": "a.b", "timestamp": "2026-11-22T10:00:00.001Z", "data": {"id": "x", "fields": {}}})
@example({"type": "a.b", "timestamp": "0001-01-01T00:00:00.001Z", "data": {"id": "x", "fields": {}, "seen": True}})
@example({"type": "a.b", "timestamp": "1969-12-31T23:59:59.999Z", "data": {"id": "x", "fields": {}, "seen": 1}})
@example({"type": "a.b", "timestamp": "2016-12-31T23:59:60Z", "data": {"id": "x", "fields": {}}})
def test_events_read_by_hand_are_what_their_model_has(body: Any) -> None:
    """What is usual is read as its model would have it; nothing that the model refuses is usual."""
    raw = orjson.dumps(body)
    by_hand = usual(orjson.loads(raw))
    event("by hand" if by_hand else "by its model")
    try:
        model = modelled(PlatformEvent.model_validate(orjson.loads(raw)))
    except ValidationError:
        assert by_hand is None
        return
    if by_hand is not None:
        changed = None if by_hand.changed is None else tuple(by_hand.changed)
        assert by_hand._replace(changed=changed) == model
        assert [type(value) for value in by_hand if value is not by_hand.changed] == [
            type(value) for value in model if value is not model.changed
        ]


@given(maybe(BODIES).map(orjson.dumps) | st.binary(max_size=20) | st.none())
def test_what_is_wrong_with_an_event_is_said_by_its_model(raw: bytes | None) -> None:
    """Whoever looks at a parked record finds the words that the webhook answers with."""
    said: list[str] = []
    for reader in (read_event, lambda bytes_: decode(PlatformEvent, bytes_)):
        try:
            reader(raw)
        except Undecodable as wrong:
            said.append(str(wrong))
        else:
            said.append("")
    assert said[0] == said[1]
