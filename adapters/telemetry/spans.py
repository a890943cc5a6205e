"""The spans of what is being handled now, and how each is told: never a key, an id of a document, or a value."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.cloudevents import TRACEPARENT, Headers

_PARENT: Final = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class InHand:
    """The spans of a batch that is being handled, by the places of their records, and by what names them."""

    by_place: dict[int, trace.Span] = field(default_factory=dict)
    by_name: dict[str, trace.Span] = field(default_factory=dict)
    """By a record's key, the subject that its doorbell will have, or `<kind>:<id>` of a document it speaks of."""


IN_HAND: ContextVar[InHand] = ContextVar("tandem_spans_in_hand", default=InHand())  # noqa: B039 - nothing writes into it


def speaks_of(kind: str, document_id: str, places: Sequence[int]) -> None:
    """The records at these places of the batch speak of this document: what it rings or tells goes on with their trace.

    A change of Salesforce's names a record alone, and whose it is only the documents tell. Of several the last counts.
    """
    held = IN_HAND.get()
    for place in places if held.by_place else ():
        if (span := held.by_place.get(place)) is not None:
            held.by_name[f"{kind}:{document_id}"] = span


def doorbell_headers(value: bytes) -> Headers:
    """The headers of a doorbell: the trace of the record that is being handled and that it rings for, if any."""
    if not IN_HAND.get().by_name:
        return []
    bell: dict[str, Any] = orjson.loads(value)
    return document_headers(bell["kind"], bell.get("id", "")) or _headers_of(bell.get("record_id", ""))


def document_headers(kind: str, document_id: str) -> Headers:
    """The headers of what is told or asked of a document: the trace of the record that is being handled, if any."""
    return _headers_of(f"{kind}:{document_id}")


def _headers_of(name: str) -> Headers:
    span = IN_HAND.get().by_name.get(name)
    return [] if span is None else [(TRACEPARENT, header(span).encode())]


@contextmanager
def ended(*spans: trace.Span) -> Iterator[None]:
    """End them with the block; an exception that goes through is told by its type."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.set_attribute("error.type", type(error).__qualname__)  # its type alone: a message may quote a document
            span.set_status(trace.StatusCode.ERROR)
        raise
    finally:
        for span in spans:
            span.end()


def failed(span: trace.Span, why: str) -> None:
    """It ended in an error that raises nothing: `why` is a stable word."""
    span.set_attribute("error.type", why)
    span.set_status(trace.StatusCode.ERROR)


def messaging(topic: str, operation: str) -> dict[str, Any]:
    """The attributes of a span about a topic."""
    return {"messaging.system": "kafka", "messaging.destination.name": topic, "messaging.operation.type": operation}


def context_of(traceparent: str | None) -> Any:
    """A context whose span is the one that the header names."""
    return _PARENT.extract({TRACEPARENT: traceparent} if traceparent else {})


def header(span: trace.Span) -> str:
    """The span as a `traceparent`."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
