"""How a command runs and ends: Ctrl-C, its exit code, and what went wrong as one line on standard error."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

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
        return complain(str(wrong), EXIT_WRONG_SETTINGS)
    except expected as error:
        return complain(str(error))
    except KeyboardInterrupt:
        if interrupted is None:
            raise
        return complain(interrupted)
    return 0


def complain(told: str, code: int = EXIT_FAILED) -> int:
    """Say it on standard error; the code to end with."""
    sys.stderr.write(f"{told}\n")
    return code
