"""The demo's processes: started, watched, and gone at the end."""

import asyncio
import os
from pathlib import Path

import psutil
import pytest

from ops.demo.cast import Cast, DemoFailed, Part, open_cast, told

SLEEPER = Part("sleeper", ("-c", "import time; print('{\"up\": true}', flush=True); time.sleep(600)"), os.environ)
SILENT = Part("silent", ("-c", "import time; time.sleep(600)"), os.environ)
QUITTER = Part("quitter", ("-c", "import sys; print('out of luck'); sys.exit(3)"), os.environ)


async def forever() -> None:
    await asyncio.Event().wait()


async def started_sleeper(cast: Cast) -> list[psutil.Process]:
    """A sleeper that runs, and its processes: the supervisor and what it watches."""
    child = await cast.start(SLEEPER)
    assert await told(child, 20) == {"up": True}
    supervisor = psutil.Process(child.process.supervisor_pid)
    return [supervisor, *supervisor.children(recursive=True)]


async def test_the_work_is_done_while_everybody_runs(tmp_path: Path) -> None:
    """And afterwards no process is left."""
    async with open_cast(tmp_path) as cast:
        processes = await started_sleeper(cast)

        async def work() -> str:
            return "done"

        assert await cast.unless_one_ends(work()) == "done"
        assert len(processes) == 2
    assert not any(process.is_running() for process in processes)


async def test_a_process_that_ends_ends_the_demo_with_its_last_words(tmp_path: Path) -> None:
    """Its name, its exit code and the end of its log are told at once; the others are stopped."""
    processes: list[psutil.Process] = []

    async def demo() -> None:
        async with open_cast(tmp_path) as cast, asyncio.timeout(30):
            processes.extend(await started_sleeper(cast))
            await cast.start(QUITTER)
            await cast.unless_one_ends(forever())

    with pytest.raises(DemoFailed) as failed:
        await demo()
    assert "quitter ended with code 3" in str(failed.value)
    assert "out of luck" in str(failed.value)
    assert not any(process.is_running() for process in processes)


async def test_work_that_fails_with_a_process_is_blamed_on_the_process(tmp_path: Path) -> None:
    """A refused connection says less than the log of the process that refused it."""
    async with open_cast(tmp_path) as cast:
        await cast.start(QUITTER)

        async def work() -> None:
            raise ConnectionRefusedError

        with pytest.raises(DemoFailed, match="quitter ended with code 3"):
            await cast.unless_one_ends(work())


async def test_work_that_fails_by_itself_fails_as_it_is(tmp_path: Path) -> None:
    """With every process up, the error is the work's own."""
    async with open_cast(tmp_path) as cast:
        await started_sleeper(cast)

        async def work() -> None:
            raise LookupError("its own")

        with pytest.raises(LookupError, match="its own"):
            await cast.unless_one_ends(work())


async def test_a_cancelled_demo_leaves_nothing_running(tmp_path: Path) -> None:
    """Ctrl-C cancels; the processes are gone when the cancellation has come through."""
    processes: list[psutil.Process] = []

    async def demo() -> None:
        async with open_cast(tmp_path) as cast:
            processes.extend(await started_sleeper(cast))
            up.set()
            await cast.unless_one_ends(forever())

    up = asyncio.Event()
    task = asyncio.create_task(demo())
    await up.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes
    assert not any(process.is_running() for process in processes)


async def test_the_address_line_is_read_from_the_log(tmp_path: Path) -> None:
    """One JSON line, whenever it comes; none in time is a failure that names the log."""
    async with open_cast(tmp_path) as cast:
        await started_sleeper(cast)
        silent = await cast.start(SILENT)
        with pytest.raises(DemoFailed, match=r"silent\.log"):
            await told(silent, 0.3)
