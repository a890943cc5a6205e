"""Traces: spans from the webhook through Kafka's headers to the call to Salesforce, by OTLP; off without an endpoint.

What a span says is where a record stood and how it ended: never a key, an id of a document, or a value. Exceptions are
told by their type.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.telemetry.settings import TelemetrySettings
from schemas.cloudevents import TRACEPARENT, Headers
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORT_SECONDS: Final = 5
_SAMPLED: Final = frozenset("13579bdf")
"""What the flags end with where their lowest bit is set: the sender's span is recorded."""
_PARENT: Final = TraceContextTextMapPropagator()
_NONE_IN_HAND: Final[Mapping[str, trace.Span]] = MappingProxyType({})
_IN_HAND: ContextVar[Mapping[str, trace.Span]] = ContextVar("tandem_spans_in_hand", default=_NONE_IN_HAND)
"""By a record's key or the subject that its doorbell will have: the spans of the batch that is being handled."""


class Tracing:
    """The spans of one process. Without a tracer nothing is recorded, and nothing is asked."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer = tracer

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self._tracer is not None

    @contextmanager
    def publishing(self, traceparent: str | None, topic: str) -> Iterator[str]:
        """A span around sending one record; the `traceparent` to send along.

        Raises:
            RuntimeError: traces are off.
        """
        if self._tracer is None:
            raise RuntimeError("traces are off")
        attributes = {**_messaging(topic), "messaging.operation.type": "send"}
        span = self._tracer.start_span(
            f"send {topic}", context=_context_of(traceparent), kind=trace.SpanKind.PRODUCER, attributes=attributes
        )
        with _ended(span):
            yield _header(span)

    @contextmanager
    def processing(self, records: Sequence[Record]) -> Iterator[list[tuple[int, trace.Span]]]:
        """Spans for those of a batch whose sender's are recorded, by their places; to be given to `told`."""
        tracer = self._tracer
        if tracer is None:
            yield []
            return
        spans = [
            (place, _processing(tracer, record, parent))
            for place, record in enumerate(records)
            if (parent := record.headers.get(TRACEPARENT)) and parent[-1] in _SAMPLED
        ]
        if not spans:
            yield []
            return
        by_key = {(records[place].key or b"").decode("utf-8", "replace"): span for place, span in spans}
        token = _IN_HAND.set(by_key)
        try:
            yield spans
        except BaseException as error:
            for _place, span in spans:
                _failed(span, error)
            raise
        finally:
            _IN_HAND.reset(token)
            for _place, span in spans:
                span.end()

    def told(self, spans: Sequence[tuple[int, trace.Span]], results: Sequence[Result]) -> None:
        """How the records of a batch ended."""
        for place, span in spans:
            outcome = results[place].outcome
            span.set_attribute("tandem.outcome", str(outcome))
            if outcome is Outcome.PARKED:
                span.set_status(trace.StatusCode.ERROR)

    @contextmanager
    def calling(self, verb: str, sobject: str, rows: int) -> Iterator[None]:
        """A span around one call to Salesforce, linked to every record of the batch that may have led to it."""
        causes = list(_IN_HAND.get().values())
        if self._tracer is None or not causes:
            yield
            return
        span = self._tracer.start_span(
            f"{verb} {sobject}",
            context=trace.set_span_in_context(causes[0]),
            kind=trace.SpanKind.CLIENT,
            links=[trace.Link(cause.get_span_context()) for cause in causes[1:]],
            attributes={"peer.service": "salesforce", "tandem.sobject": sobject, "tandem.rows": rows},
        )
        with _ended(span):
            yield


OFF: Final = Tracing()


@contextmanager
def open_tracing(
    settings: TelemetrySettings, *, stage: str, exporter: "SpanExporter | None" = None
) -> Iterator[Tracing]:
    """Traces of one process while the block runs; at its end what is left is sent, within `EXPORT_SECONDS`.

    `exporter` takes the place of OTLP over HTTP to the endpoint in the settings. With neither nothing is recorded.
    """
    if exporter is None and not settings.trace_otlp_endpoint:
        yield OFF
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the SDK costs who does not trace nothing
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        exporter = OTLPSpanExporter(endpoint=settings.trace_otlp_endpoint, timeout=EXPORT_SECONDS)
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
        resource=Resource.create({"service.name": f"tandem-{stage}", "service.namespace": "tandem"}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Tracing(provider.get_tracer("tandem"))
    finally:
        provider.shutdown()


def doorbell_headers(value: bytes) -> Headers:
    """The headers of a doorbell: the trace of the record that is being handled and that it rings for, if any."""
    spans = _IN_HAND.get()
    if not spans:
        return []
    bell: dict[str, Any] = orjson.loads(value)
    span = spans.get(f"{bell['kind']}:{bell.get('id', '')}") or spans.get(bell.get("record_id", ""))
    return [] if span is None else [(TRACEPARENT, _header(span).encode())]


@contextmanager
def _ended(span: trace.Span) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        _failed(span, error)
        raise
    finally:
        span.end()


def _failed(span: trace.Span, error: BaseException) -> None:
    """Its type alone: a message may quote a document."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(trace.StatusCode.ERROR)


def _processing(tracer: trace.Tracer, record: Record, parent: str) -> trace.Span:
    attributes = {
        **_messaging(record.topic),
        "messaging.operation.type": "process",
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }
    return tracer.start_span(
        f"process {record.topic}", context=_context_of(parent), kind=trace.SpanKind.CONSUMER, attributes=attributes
    )


def _messaging(topic: str) -> dict[str, Any]:
    return {"messaging.system": "kafka", "messaging.destination.name": topic}


def _context_of(traceparent: str | None) -> Any:
    return _PARENT.extract({TRACEPARENT: traceparent} if traceparent else {})


def _header(span: trace.Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
