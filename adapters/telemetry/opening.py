"""Opens the traces of a process: OpenTelemetry's SDK is imported here alone, and only where something is recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from adapters.telemetry.settings import TelemetrySettings
from adapters.telemetry.tracing import OFF, Tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORT_SECONDS: Final = 5


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
