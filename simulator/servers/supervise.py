"""Run one server for as long as the process that asked for it lives. A program: `supervise.py GRACE REMOVE command...`.

The asking process holds the other end of this program's standard input. When that closes, because it was closed on
purpose or because its holder is gone for whatever reason, `kill -9` included, the server gets SIGTERM, and after GRACE
seconds SIGKILL; then the folder REMOVE (if not empty text) is removed, and its parent if nothing else is in it.

Why not `PR_SET_PDEATHSIG` in the asking process: it needs a `preexec_fn` there, which is unsafe beside threads; it
fires when the *thread* that started the server ends; it exists on Linux only; and nobody would be left to wait for an
orderly stop. Here it is a second line: this program has one thread when it starts the server, and on Linux its own
death takes the server along.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> Callable[[], None] | None:
    """What the server runs before it starts, where the platform has such a thing."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the request was made
            os._exit(1)

    return ask


def open_as_many_files_as_may_be() -> None:
    """Raise the limit of open files to the most that this user may have.

    The usual 1024 are meant for programs that use `select`; a mongod of that many collections and indexes ends.
    """
    import resource  # noqa: PLC0415 - Windows has none, and imports this module

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has no number for it, and refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def stop(server: "subprocess.Popen[bytes]", grace: float) -> None:
    """SIGTERM, and SIGKILL if that did not do within `grace` seconds."""
    server.terminate()
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def remove(folder: Path) -> None:
    """Remove a temporary folder, and the one around it if it was the last in there."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def main(arguments: list[str]) -> int:
    """Supervise; the server's exit code, negative where a signal ended it."""
    grace, folder, command = float(arguments[0]), arguments[1], arguments[2:]
    open_as_many_files_as_may_be()
    server = subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent(os.getpid()),  # noqa: PLW1509 - one thread so far
    )

    def wait_for_the_end_of_input() -> None:
        while os.read(0, 1):
            pass
        stop(server, grace)

    watcher = threading.Thread(target=wait_for_the_end_of_input, daemon=True)
    watcher.start()
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    code = server.wait()
    asked_to = _input_has_ended()
    if asked_to and folder:
        remove(Path(folder))
    return code


def _input_has_ended() -> bool:
    """True where the asking process is gone or has let go, so that nobody reads the folder any more."""
    os.set_blocking(0, False)
    try:
        return os.read(0, 1) == b""
    except BlockingIOError:
        return False


if __name__ == "__main__":
    code = main(sys.argv[1:])
    os._exit(code if code >= 0 else 128 - code)
