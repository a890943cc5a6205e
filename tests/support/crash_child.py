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
import selectors
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
    tell(effects=list(dict.fromkeys(fuse.effects)), pid=os.getpid())
    return 0


def begin(job: dict[str, Any], running: set[int], pipe: tuple[int, int]) -> None:
    """Fork; the child never returns."""
    pid = os.fork()
    if pid:
        running.add(pid)
        tell(began=job["id"], pid=pid)
        return
    code = 1
    try:
        if sys.platform.startswith("linux"):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in pipe:
            os.close(end)
        code = live(job)
    except BaseException:  # noqa: BLE001 - this is a process's end
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def reap(running: set[int]) -> None:
    """Tell of every child that has ended."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        running.discard(pid)
        tell(ended=pid, code=os.waitstatus_to_exitcode(status))


def main() -> None:
    """Until the input ends.

    A child's end wakes the loop by a byte in a pipe: a handler that reaped by itself could be interrupted by itself
    between `waitpid` and what it notes of it.
    """
    running: set[int] = set()
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked = b""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if woken in ready:
                os.read(woken, 4096)
                reap(running)
            if sys.stdin.fileno() in ready:
                if not (read := os.read(sys.stdin.fileno(), 65536)):
                    break
                *lines, asked = (asked + read).split(b"\n")
                for line in lines:
                    begin(json.loads(line), running, (woken, wake))
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
