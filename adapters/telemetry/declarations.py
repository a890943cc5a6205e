"""How a metric is declared: once, with its name, its labels and what docs/metrics.md says of it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from adapters.telemetry.metrics_page import Description

_Plain = TypeVar("_Plain", Counter, Gauge)


class Declarations:
    """A registry, and the metrics that were declared in it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives epoch seconds."""
        self._clock = clock
        self._registry = CollectorRegistry()
        self._described: list[Description] = []

    def describe(self) -> list[Description]:
        """Our own metrics, in the order declared."""
        return list(self._described)

    def _new(self, metric: type[_Plain], name: str, text: str, *labels: str) -> _Plain:
        made = metric(f"tandem_{name}", text, labels, registry=self._registry)
        exposed = f"tandem_{name}_total" if metric is Counter else f"tandem_{name}"
        self._described.append(Description(exposed, metric.__name__.lower(), labels, text))
        return made

    def _histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float]) -> Histogram:
        made = Histogram(f"tandem_{name}", text, labels, registry=self._registry, buckets=buckets)
        self._described.append(Description(f"tandem_{name}", "histogram", labels, text))
        return made
