"""A pytest plugin: the tests of this run meet the code without the guard of one case (`--without 07`)."""

import contextlib

import pytest

from support.bending import bent
from support.guards import GUARDS

_bent = contextlib.ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--without` names a case of `support.guards`."""
    parser.addoption("--without", required=True, choices=[guard.case for guard in GUARDS])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Take it out."""
    (guard,) = (each for each in GUARDS if each.case == session.config.getoption("--without"))
    changes: dict[str, list[tuple[str, str]]] = {}
    for bend in guard.bends:
        changes.setdefault(bend.module, []).append((bend.old, bend.new))
    for module, places in changes.items():
        _bent.enter_context(bent(module, *places))


def pytest_sessionfinish() -> None:
    """Put it back."""
    _bent.close()
