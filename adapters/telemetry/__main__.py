"""Print docs/metrics.md."""

import sys

from adapters.telemetry.metrics import Metrics
from adapters.telemetry.metrics_page import page

if __name__ == "__main__":
    sys.stdout.write(page(Metrics().describe()))
