"""`tandem all`: every stage in one process, for a small platform or a first look."""

from ops.processes import admin, api, deliver, enrich, reconcile, repair, schedule, subscribe, webhook, write
from ops.processes.frame import run

STAGES = (webhook, api, admin, subscribe, reconcile, write, enrich, repair, schedule, deliver)


def main() -> int:
    """Run the process; its exit code."""
    return run("all", [process.stage for process in STAGES])
