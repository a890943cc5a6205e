"""Every metric of every process, declared by groups. docs/metrics.md lists the same, and a test compares.

Labels hold names of ours (sources that are set up, topics, mapped field paths, policies, stable reasons), never
anything that came in a payload. Stages get the methods as plain callables and see nothing of Prometheus.
"""

from collections.abc import Callable
from time import time
from typing import Final

from prometheus_client import PlatformCollector, ProcessCollector, generate_latest

from adapters.telemetry.arriving_metrics import ArrivingMetrics
from adapters.telemetry.change_metrics import ChangeMetrics
from adapters.telemetry.salesforce_metrics import SalesforceMetrics
from adapters.telemetry.stage_metrics import StageMetrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.render` returns."""


class Metrics(ArrivingMetrics, StageMetrics, SalesforceMetrics, ChangeMetrics):
    """The metrics of one process and the registry that holds them.

    Created once by the composition. `clock` gives epoch seconds; ages are worked out from it when they are asked for,
    so that they also grow while the part that should move them stands still.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        super().__init__(clock)
        self._declare_webhook()
        self._declare_api()
        self._declare_records()
        self._declare_salesforce()
        self._declare_subscriber()
        self._declare_merge()
        self._declare_runs()
        self._declare_deliveries()
        self._declare_waiting()
        self._declare_enrichment()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def render(self) -> bytes:
        """The registry in Prometheus' text format, of type `CONTENT_TYPE`."""
        return generate_latest(self._registry)
