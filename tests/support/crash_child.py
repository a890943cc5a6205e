"""`python -m support.crash_child`: forks a child for each line of its input, and says when each one ends.

Everything is imported once, so a child costs milliseconds. A line is a JSON object: `place`, `stage`, and `point` where
the child is to be killed. Told on standard output, a JSON line each: `began` with the child's process id, `effects`
with the names of the effects by a child that stopped in order, `ended` with its exit code. The end of the input ends
every child.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import traceback
from typing import Any

from support.crash_fuse import Fuse, Point
from support.crash_stages import STAGES, Place

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tell(**what: Any) -> None:
    """One line, whole: shorter than what a pipe takes at once."""
    os.write(1, json.dumps(what).encode() + b"\n")


def live(job: dict[str, Any]) -> int:
    """Run the stage until SIGTERM, or to the point where it is killed."""
    fuse = Fuse(Point(**job["point"]) if job["point"] else None)

    async def run() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await STAGES[job["stage"]](Place(**job["place"]), fuse, stop)

    asyncio.run(run())
    tell(effects=fuse.effects[:100], pid=os.getpid())
    return 0


def begin(job: dict[str, Any], running: set[int]) -> None:
    """Fork; the child never returns."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid:
        running.add(pid)
        tell(began=job["id"], pid=pid)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return
    code = 1
    try:
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        code = live(job)
    except BaseException:  # noqa: BLE001 - this is a process's end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Until the input ends."""
    running: set[int] = set()

    def reap(*_: Any) -> None:
        while running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            running.discard(pid)
            tell(ended=pid, code=os.waitstatus_to_exitcode(status))

    signal.signal(signal.SIGCHLD, reap)
    for line in iter(sys.stdin.readline, ""):
        begin(json.loads(line), running)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
