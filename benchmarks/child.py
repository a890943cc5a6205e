"""What is measured runs in a process of its own, so that its CPU is its own."""

import asyncio
import logging
import resource
import sys
from typing import Any

import orjson


def quiet() -> None:
    """Brokers and topics that have just begun make aiokafka complain."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def own_cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run_child(bench: str, *arguments: str) -> dict[str, Any]:
    """What the child tells at its end: the last line that it prints, as JSON.

    Raises:
        RuntimeError: it failed; what it said stands on the error stream.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{bench}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        told, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"benchmarks.{bench} {arguments[0]} ended with {process.returncode}")
    answer: dict[str, Any] = orjson.loads(told.splitlines()[-1])
    return answer


def tell(answer: dict[str, Any]) -> None:
    """The child's last line."""
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    sys.stdout.flush()
