"""Where the servers of a test run keep their files: in memory, if there is a disk there with room."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from support.servers import ROOM_BYTES, quick_folder

from simulator.servers.local import servers_or_start


@pytest.mark.parametrize(
    ("free", "available", "used"),
    [
        (ROOM_BYTES, ROOM_BYTES, True),
        (ROOM_BYTES - 1, ROOM_BYTES, False),
        (ROOM_BYTES, ROOM_BYTES - 1, False),
    ],
)
def test_a_disk_in_memory_is_used_where_it_has_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, available: int, used: bool
) -> None:
    """A container has one of 64 MiB; and what is free there is no use where the memory is not."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    assert quick_folder(tmp_path) == (tmp_path if used else None)
    assert quick_folder(tmp_path / "none") is None


async def test_the_temporary_folder_is_made_beneath_and_goes(tmp_path: Path) -> None:
    """Without a server to be started there is one all the same."""
    given = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092", "MONGODB_URI": "mongodb://mongodb"}
    async with servers_or_start(given, beneath=tmp_path) as servers:
        assert servers.directory.parent == tmp_path
        assert servers.directory.is_dir()
    assert not servers.directory.exists()
