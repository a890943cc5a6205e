"""Servers of a test's own that can be frozen."""

import os
import signal

import psutil

from simulator.servers.process import LocalServer


def server_pid(server: LocalServer) -> int:
    """The process id of the server itself: its supervisor's only child."""
    (child,) = psutil.Process(server.process.supervisor_pid).children()
    return int(child.pid)


def freeze(server: LocalServer) -> None:
    """It holds its connections and answers nothing any more."""
    os.kill(server_pid(server), signal.SIGSTOP)


def thaw(server: LocalServer) -> None:
    """It goes on as if nothing had been."""
    os.kill(server_pid(server), signal.SIGCONT)
