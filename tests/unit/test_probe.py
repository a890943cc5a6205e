"""The health check of containers asks the process beside it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ops import probe
from ops.server import serve


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, "http://127.0.0.1:8081/ready"),
        ({"OPS_HOST": "0.0.0.0", "OPS_PORT": "9000"}, "http://127.0.0.1:9000/ready"),
        ({"OPS_HOST": "::", "OPS_PORT": "9000"}, "http://[::1]:9000/ready"),
        ({"OPS_HOST": "10.1.2.3"}, "http://10.1.2.3:8081/ready"),
    ],
)
def test_it_asks_where_the_process_listens(environ: dict[str, str], asked: str) -> None:
    """By the same settings."""
    assert probe.url("ready", environ) == asked


async def _away() -> None:
    raise ConnectionError("secret-host:27017")


async def _there() -> None:
    """It answers."""


@pytest.mark.parametrize("path", probe.PATHS)
@pytest.mark.parametrize("well", [True, False])
async def test_the_exit_code_is_the_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, path: str, *, well: bool
) -> None:
    """0 for 200, 1 for 503; what is away is printed by its name alone. A proxy of the environment is passed by."""
    opened = serve(
        host="127.0.0.1",
        port=0,
        metrics=lambda: b"",
        pings={"mongodb": _there if well else _away},
        ping_seconds=5,
        alive={"sweep": lambda: well},
    )
    async with opened as port:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        code = await asyncio.to_thread(probe.main, [path], {"OPS_PORT": str(port)})
    said = capsys.readouterr().out
    assert code == (0 if well else 1)
    assert ("mongodb" in said or "sweep" in said) != well
    assert "secret-host" not in said


def test_no_answer_is_unhealthy(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens, or the port is no port."""
    assert probe.main(["health"], {"OPS_PORT": "9"}) == 1
    assert probe.main(["health"], {"OPS_PORT": "many"}) == 1
    assert "no answer" in capsys.readouterr().out


def test_it_is_called_as_the_image_calls_it(tmp_path: Path) -> None:
    """`python -m ops.probe`, and a word it does not know is told."""
    ended = subprocess.run(
        [sys.executable, "-m", "ops.probe", "metrics"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "usage: python -m ops.probe health|ready\n")
