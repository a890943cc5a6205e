"""Whatever is posted, no answer and no log line holds a value of it (promise 11)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes_webhook import listening, signed

MARKER = "zqxjkv"

marked = st.text(max_size=8).map(lambda text: f"{text}{MARKER}{text}".encode("utf-8", "replace").decode())
leaves = st.one_of(marked, st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(marked, inner, max_size=3), max_leaves=6
)
good = {
    "type": "customer.updated",
    "timestamp": "2026-11-22T10:00:00Z",
    "data": {"id": "cust-42", "fields": {"phone": "+1"}, "changed": ["phone"], "seen": 1},
}
places = st.sampled_from(
    [("type",), ("timestamp",), ("data",), ("data", "id"), ("data", "fields"), ("data", "changed"), ("data", "seen")]
)


def put(places_and_values: list[tuple[tuple[str, ...], Any]]) -> bytes:
    """A good event with these values in these places."""
    body = orjson.loads(orjson.dumps(good))
    for place, value in places_and_values:
        holder = body
        for name in place[:-1]:
            holder = holder[name] if isinstance(holder.get(name), dict) else holder.setdefault(f"{name}-", {})
        holder[place[-1]] = value
    return orjson.dumps(body)


bodies = st.one_of(
    st.lists(st.tuples(places, trees), max_size=4).map(put),
    trees.map(orjson.dumps),
    st.builds(lambda text, cut: text.encode()[: -cut or None], marked, st.integers(0, 3)),
    st.builds(
        lambda event, cut: event[:cut], st.lists(st.tuples(places, trees), max_size=3).map(put), st.integers(0, 200)
    ),
)


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """All that anything logs meanwhile, formatted with its traceback."""
    lines: list[str] = []
    formatter = logging.Formatter()

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(formatter.format(record))

    handler, root = Keeping(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)


@given(body=bodies, tampered=st.booleans())
@settings(max_examples=150)
async def test_no_answer_and_no_log_line_holds_a_posted_value(body: bytes, tampered: bool) -> None:
    """Bad types, bad shapes, cut JSON, bad signatures: told by place, never by value; and only good events are kept."""
    headers = {**signed(body), "traceparent": MARKER, "X-More": MARKER}
    if tampered:
        headers["webhook-signature"] = f"v1,{MARKER}"
    with log_lines() as lines:
        async with listening() as running, ClientSession(running.url) as client:
            async with client.post("/webhooks/tickets", data=body, headers=headers) as answer:
                said = f"{answer.status} {dict(answer.headers)} {await answer.text()}"
            async with client.post(f"/webhooks/{MARKER}", data=body, headers=headers) as unknown:
                said += f"{unknown.status} {dict(unknown.headers)} {await unknown.text()}"
        assert MARKER not in said
        assert MARKER not in str(running.witness)
        assert not lines
        assert answer.status in ((401,) if tampered else (202, 400))
        assert len(running.log.records) == (answer.status == 202)
