"""How a command runs, speaks and ends: Ctrl-C, lines as they are, its exit code, what went wrong in one line."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.text import Text

from adapters.mongo.client import Refused
from adapters.telemetry.logs import quiet_libraries
from ops.mapping_walk import end_if_cancelled
from ops.settings import WrongSettings
from schemas.mapping_reading import InvalidMapping
from schemas.unavailable import Unavailable

EXIT_FAILED: Final = 1
EXIT_WRONG_SETTINGS: Final = 2

Answer = TypeVar("Answer")


def ask(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it. Ctrl-C ends it by KeyboardInterrupt, also where the driver swallowed that."""

    async def asked() -> Answer:
        answer = await work
        end_if_cancelled()
        return answer

    with quiet_libraries():
        return asyncio.run(asked())


def exit_code(
    work: Callable[[], None], *, failures: tuple[type[Exception], ...] = (), interrupted: str | None = None
) -> int:
    """Do it: 0; 2 for wrong settings; 1 where MongoDB or the mapping does not serve, or one of `failures` is raised.

    `interrupted` is what is said after Ctrl-C; without it that is the caller's to catch.
    """
    expected: tuple[type[Exception], ...] = (*failures, Unavailable, Refused, InvalidMapping)
    try:
        work()
    except WrongSettings as wrong:
        complain(str(wrong))
        return EXIT_WRONG_SETTINGS
    except expected as error:
        complain(str(error))
        return EXIT_FAILED
    except KeyboardInterrupt:
        if interrupted is None:
            raise
        complain(interrupted)
        return EXIT_FAILED
    return 0


def say(lines: Iterable[str]) -> None:
    """Print lines as they are, whatever they hold, and long ones on one line."""
    console = Console(soft_wrap=True)
    for line in lines:
        console.print(Text(line))


def complain(line: str) -> None:
    """Say it on standard error."""
    sys.stderr.write(f"{line}\n")
