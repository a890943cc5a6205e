"""One server process: started under a supervisor, watched while it comes up, stopped."""

import asyncio
import contextlib
import random
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simulator.servers import supervise
from simulator.servers.errors import PortTaken, ServerError

GRACE_SECONDS = 10.0
"""How long a server may take to stop in order before it is killed."""
TAIL_LINES = 25
ADDRESS_TAKEN = ("Address already in use", "Address in use")
AGAIN_SECONDS = 20.0
AGAIN_WAIT_SECONDS = 0.5
ATTEMPTS = 4
"""A port can be lost between its choice and its use: how often to choose again."""

SERVER_PORTS = range(20_000, 32_768)
"""Below those that systems give to clients: what is started again finds that no connection has its port meanwhile."""


def free_ports(count: int, but: Collection[int] = ()) -> list[int]:
    """Different TCP ports on 127.0.0.1 that nobody listens on right now, and none of `but`.

    Raises:
        ServerError: there are not so many.
    """
    with contextlib.ExitStack() as probes:
        free: list[int] = []
        for port in random.SystemRandom().sample(SERVER_PORTS, len(SERVER_PORTS)):
            if len(free) == count or port in but:
                continue
            probe = probes.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                free.append(port)
    if len(free) < count:
        raise ServerError(f"no {count} ports are free between {SERVER_PORTS[0]} and {SERVER_PORTS[-1]}")
    return free


@dataclass(frozen=True, slots=True)
class Plan:
    """How to start one server. `folder` is its own; with `temporary` it is removed once the server has stopped."""

    name: str
    folder: Path
    temporary: bool
    ports: int
    command: Callable[[Sequence[int]], Awaitable[Sequence[str]]]
    """The command line for these ports."""
    answers: Callable[[int], Awaitable[bool]]
    """Whether the server of the first port takes requests."""
    seconds: float
    """How long it may take to come up."""
    logs: Path | None = None
    """Where its log is kept, if not in its folder: with `temporary` that goes, and what was said there with it."""


@dataclass(slots=True)
class LocalServer:
    """A running server: its address as its clients name it, and the ports that it has for as long as it is ours."""

    address: str
    process: "ServerProcess"
    plan: Plan
    ports: Sequence[int]

    async def stop(self) -> None:
        """Stop it and wait until it is gone."""
        await self.process.stop()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone; its data stays, as after a power cut."""
        self.process.signal(signal.SIGKILL)
        await self.process.ended()

    async def start_again(self) -> None:
        """Start it on its data and its ports, once it has ended.

        A client that tries to reach a port where nobody listens may be given that very port for itself, and holds it
        until it notices: so a port that is taken is tried again for `AGAIN_SECONDS`.

        Raises:
            ServerError: it did not come up; the end of its log is in the message.
        """
        until = time.monotonic() + AGAIN_SECONDS
        while True:
            try:
                self.process = await _start_on(self.plan, self.ports)
            except PortTaken:
                if time.monotonic() >= until:
                    raise
                await asyncio.sleep(AGAIN_WAIT_SECONDS)
            else:
                return


async def start(plan: Plan, address: Callable[[int], str]) -> LocalServer:
    """Start it on free ports, others if they are lost to somebody else meanwhile.

    `address` tells from the first port how its clients name it.

    Raises:
        ServerError: it did not come up; the end of its log is in the message.
    """
    for attempt in range(1, ATTEMPTS + 1):
        ports = free_ports(plan.ports)
        try:
            process = await _start_on(plan, ports)
        except PortTaken:
            if attempt < ATTEMPTS:
                continue
            raise
        return LocalServer(address(ports[0]), process, plan, ports)
    raise AssertionError("the last attempt returns or raises")


async def _start_on(plan: Plan, ports: Sequence[int]) -> "ServerProcess":
    command = await plan.command(ports)
    log = (plan.logs or plan.folder) / f"{plan.name}.log"
    process = await ServerProcess.start(plan.name, command, log, remove=plan.folder if plan.temporary else None)
    try:
        await process.wait_until(partial(plan.answers, ports[0]), plan.seconds)
    except BaseException:
        await process.stop()
        raise
    return process


class ServerProcess:
    """A running server. `log` is the file that holds what it printed."""

    def __init__(self, name: str, supervisor: asyncio.subprocess.Process, log: Path) -> None:
        self._name = name
        self._supervisor = supervisor
        self.log = log

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        remove: Path | None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        grace: float | None = None,
    ) -> "ServerProcess":
        """Start `command`, with our own environment and folder or these; `remove` is removed once it has stopped.

        `grace` is how many seconds it may take to stop in order, `GRACE_SECONDS` if nothing is said.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            supervisor = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", supervise.__file__),
                *(str(GRACE_SECONDS if grace is None else grace), str(remove or ""), *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is ours to turn into an orderly stop
                env=environment,
                cwd=folder,
            )
        return cls(name, supervisor, log)

    async def wait_until(self, answers: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Return once `answers()` is true.

        Raises:
            PortTaken: it ended because its port was in use.
            ServerError: it ended, or did not answer in time; the message ends with the tail of its log.
        """
        try:
            async with asyncio.timeout(seconds):
                while not await answers():
                    if self._supervisor.returncode is not None:
                        self._fail(f"{self._name} ended with code {self._supervisor.returncode} while starting")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self._fail(f"{self._name} gave no answer within {seconds:g} seconds")

    async def stop(self) -> None:
        """Stop the server and wait until it is gone."""
        if self._supervisor.stdin is not None:
            self._supervisor.stdin.close()
        await self._supervisor.wait()

    async def ended(self) -> int:
        """Wait until it ends by itself or is stopped; its exit code."""
        return await self._supervisor.wait()

    def signal(self, number: int) -> None:
        """Send the server itself this signal; nothing where it has ended."""
        import psutil  # noqa: PLC0415 - there only where servers are pretended or tested, and `tandem up` needs none

        with contextlib.suppress(psutil.NoSuchProcess):
            for server in psutil.Process(self._supervisor.pid).children():
                server.send_signal(number)

    @property
    def supervisor_pid(self) -> int:
        """The process id of the supervisor, whose child the server is."""
        return self._supervisor.pid

    def _fail(self, what: str) -> None:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        kind = PortTaken if any(words in tail for words in ADDRESS_TAKEN) else ServerError
        raise kind(f"{what}; the end of {self.log}:\n{tail}")


async def listens(port: int) -> bool:
    """True once something accepts connections on 127.0.0.1:`port`."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
