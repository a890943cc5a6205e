"""`tandem all`: every stage in one process, for a small platform or a first look."""

from ops.processes import reconcile, subscribe, webhook, write
from ops.processes.frame import run


def main() -> int:
    """Run the process; its exit code."""
    return run("all", [webhook.stage, subscribe.stage, reconcile.stage, write.stage])
