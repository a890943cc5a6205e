"""What every run of the demo's sort does: a folder of its own, an orderly end, and options of Kafka clients."""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from adapters.kafka.settings import KafkaSettings

FOLDER: Final = Path(".tandem")

Result = TypeVar("Result")


def run_fast(main: Coroutine[Any, Any, Result]) -> Result:
    """Run it on the quickest loop there is: who makes the load shares the cores with who bears it."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 - not on every platform

    return uvloop.run(main)


def own_folder(sort: str, name: str) -> Path:
    """A folder of this run's own, in `.tandem` where that can be made."""
    stamp = f"{sort}-{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    try:
        folder = FOLDER.resolve() / stamp
        folder.mkdir(parents=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix=f"tandem-{stamp}-"))
    return folder


def stop_on_sigterm() -> None:
    """SIGTERM cancels the task that asks for this."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def kafka_options(bootstrap_servers: str) -> dict[str, Any]:
    """The options of an aiokafka client for these brokers."""
    return KafkaSettings(bootstrap_servers=bootstrap_servers).client_options()
