"""W3C Trace Context: judged by OpenTelemetry's own reader."""

import pytest
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from listener.webhook.trace import continue_trace

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def read(traceparent: str) -> trace.SpanContext:
    """What OpenTelemetry reads in the header."""
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent})
    return trace.get_current_span(context).get_span_context()


def test_a_trace_goes_on_with_a_span_of_ours() -> None:
    """Same trace and sampling, a new span each time."""
    ours = [read(continue_trace(PARENT)) for _ in range(2)]
    given = read(PARENT)
    assert all(each.is_valid and each.trace_id == given.trace_id for each in ours)
    assert all(each.trace_flags == given.trace_flags for each in ours)
    assert len({each.span_id for each in (*ours, given)}) == 3


def test_a_later_version_is_understood() -> None:
    """A version we do not know may have more at its end; its trace goes on under version 00."""
    assert read(continue_trace("01" + PARENT[2:] + "-more")).trace_id == read(PARENT).trace_id


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        "nonsense",
        "ff" + PARENT[2:],
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        PARENT[:-1],
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_without_a_valid_one_a_trace_begins(traceparent: str | None) -> None:
    """A missing or broken header, by the words of the standard, begins a new trace."""
    first, second = read(continue_trace(traceparent)), read(continue_trace(traceparent))
    assert first.is_valid
    assert first.trace_id not in (second.trace_id, read(PARENT).trace_id)
