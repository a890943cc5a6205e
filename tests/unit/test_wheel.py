"""The tests judge what is shipped."""

import importlib
import os
from pathlib import Path

import pytest

PACKAGES = ("schemas", "adapters", "listener", "consumers", "ops", "simulator")


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_comes_from_the_wheel(name: str) -> None:
    """In CI `TANDEM_UNDER_TEST` names the folder the wheel was unpacked to; no package may come from elsewhere."""
    expected = os.environ.get("TANDEM_UNDER_TEST")
    if expected is None:
        pytest.skip("not running against the wheel: use `make test`")
    origin = importlib.import_module(name).__file__
    assert origin is not None
    assert Path(expected).resolve() in Path(origin).resolve().parents
