"""Traces: spans from the webhook or a change of Salesforce's through Kafka's headers to the call to Salesforce or the
platform, by OTLP; off without an endpoint.

What a span says is where a record stood and how it ended: never a key, an id of a document, or a value. Exceptions are
told by their type.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace

from adapters.telemetry.spans import IN_HAND, InHand, context_of, ended, failed, header, messaging
from schemas.cloudevents import RECEIVED_AT, TRACEPARENT, Headers
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

_SAMPLED: Final = frozenset("13579bdf")
"""What the flags end with where their lowest bit is set: the sender's span is recorded."""
_CLIENT: Final = trace.SpanKind.CLIENT
Said = Callable[[int], None]
"""Says how many rows a call had, where that is not known before."""


class Tracing:
    """The spans of one process. Without a tracer nothing is recorded, and nothing is asked."""

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer = tracer
        self._waiting: defaultdict[str, list[trace.Span]] = defaultdict(list)
        """By address: the spans of those who wait for an answer about it. It is in no span."""

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
        span = self._tracer.start_span(
            f"send {topic}",
            context=context_of(traceparent),
            kind=trace.SpanKind.PRODUCER,
            attributes=messaging(topic, "send"),
        )
        with ended(span):
            yield header(span)

    @contextmanager
    def beginning(self, topic: str, each: Sequence[Headers]) -> Iterator[Sequence[Headers]]:
        """Spans around sending records with which a trace begins, since they were received; the headers to send.

        Only those of records whose spans are recorded have more than they had.
        """
        if self._tracer is None:
            yield each
            return
        spans = [
            self._tracer.start_span(
                f"send {topic}",
                context=context_of(None),
                kind=trace.SpanKind.PRODUCER,
                attributes=messaging(topic, "send"),
                start_time=_received(headers),
            )
            for headers in each
        ]
        with ended(*spans):
            yield [
                [*headers, (TRACEPARENT, header(span).encode())] if span.is_recording() else headers
                for headers, span in zip(each, spans, strict=True)
            ]

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
        token = IN_HAND.set(InHand(dict(spans), by_key))
        try:
            with ended(*(span for _place, span in spans)):
                yield spans
        finally:
            IN_HAND.reset(token)

    def told(self, spans: Sequence[tuple[int, trace.Span]], results: Sequence[Result]) -> None:
        """How the records of a batch ended."""
        for place, span in spans:
            outcome = results[place].outcome
            span.set_attribute("tandem.outcome", str(outcome))
            if outcome is Outcome.PARKED:
                span.set_status(trace.StatusCode.ERROR)

    @contextmanager
    def calling(self, verb: str, sobject: str, rows: int | None = None, *, begins: bool = False) -> Iterator[Said]:
        """A span around one call to Salesforce, linked to every record of the batch that may have led to it.

        One that `begins` a trace where no record did has a span too, for the share of traces that is recorded.
        """
        causes = list(IN_HAND.get().by_place.values())
        if self._tracer is None or not (causes or begins):
            yield _unheard
            return
        with self._call(f"{verb} {sobject}", causes, {"tandem.sobject": sobject}) as span:
            if rows is not None:
                _said(span)(rows)
            yield _said(span)

    @contextmanager
    def waiting(
        self, traceparent: str | None, kind: str, document_id: str, email: str
    ) -> Iterator[Callable[[str], None]]:
        """A span for somebody who waits to be looked up; to be told how that ended.

        What is asked for them meanwhile is part of their trace.
        """
        if self._tracer is None:
            yield _unheard
            return
        span = self._tracer.start_span(f"look up {kind}", context=context_of(traceparent))
        if not span.is_recording():
            yield _unheard
            return
        token = IN_HAND.set(InHand({0: span}, {f"{kind}:{document_id}": span}))
        self._waiting[email].append(span)
        try:
            with ended(span):
                yield lambda end: span.set_attribute("tandem.outcome", end)
        finally:
            self._waiting[email].remove(span)
            if not self._waiting[email]:
                del self._waiting[email]
            IN_HAND.reset(token)

    @contextmanager
    def looking(self, sobjects: Sequence[str], emails: Sequence[str]) -> Iterator[Callable[[str], None]]:
        """A span around one call that looks people up, linked to all who wait for it; to be told why it failed.

        Of a call in the background it is linked to the requests that are being handled.
        """
        waiting = [span for email in emails for span in self._waiting.get(email, ())]
        causes = waiting or list(IN_HAND.get().by_place.values())
        if self._tracer is None or not causes:
            yield _unheard
            return
        objects = ",".join(sobjects)
        with self._call(f"look up {objects}", causes, {"tandem.sobject": objects, "tandem.rows": len(emails)}) as span:
            yield lambda why: failed(span, why)

    @contextmanager
    def delivering(self, traceparent: str) -> Iterator[tuple[str, Callable[[int, str], None]]]:
        """A span around one post to the platform; the `traceparent` to send along, and whom to tell status and error.

        Nothing where what is delivered is not traced.
        """
        if self._tracer is None or not traceparent or traceparent[-1] not in _SAMPLED:
            yield "", _unheard
            return
        attributes = {"peer.service": "platform", "http.request.method": "POST"}
        span = self._tracer.start_span("POST", context=context_of(traceparent), kind=_CLIENT, attributes=attributes)

        def answered(status: int, why: str) -> None:
            if status:
                span.set_attribute("http.response.status_code", status)
            if why:
                failed(span, why)

        with ended(span):
            yield header(span), answered

    @contextmanager
    def _call(self, name: str, causes: Sequence[trace.Span], attributes: dict[str, Any]) -> Iterator[trace.Span]:
        """Child of the first of the causes, and linked to the others; without any the first of a trace."""
        if self._tracer is None:
            raise RuntimeError("traces are off")
        span = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(causes[0]) if causes else context_of(None),
            kind=_CLIENT,
            links=[trace.Link(cause.get_span_context()) for cause in causes[1:]],
            attributes={"peer.service": "salesforce", **attributes},
        )
        with ended(span):
            yield span


OFF: Final = Tracing()


def _processing(tracer: trace.Tracer, record: Record, parent: str) -> trace.Span:
    attributes = {
        **messaging(record.topic, "process"),
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
    }
    return tracer.start_span(
        f"process {record.topic}", context=context_of(parent), kind=trace.SpanKind.CONSUMER, attributes=attributes
    )


def _received(headers: Headers) -> int | None:
    """When the listener took the record in, as OpenTelemetry takes times: nanoseconds."""
    for name, value in headers:
        if name == RECEIVED_AT:
            return int(value) * 1_000_000
    return None


def _said(span: trace.Span) -> Said:
    return lambda rows: span.set_attribute("tandem.rows", rows)


def _unheard(*_words: object) -> None:
    """Of what is not traced."""
