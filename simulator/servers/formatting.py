"""Kafka's data folder as Kafka's own tool formats it: made by the tool once, and copied from then on.

The tool is a Java program of its own, which costs nearly as much as the start of the broker behind it. What it writes
are the levels of the release's features, and two ids: those are made anew for each copy.
"""

import base64
import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Final

META: Final = "meta.properties"
FEATURES: Final = "bootstrap.checkpoint"


def new_id(chance: bytes) -> str:
    """An id of 22 characters from 16 bytes of chance. A leading `-` would be taken for an option by Kafka's tools."""
    tame = bytes([chance[0] & 0x7F]) + chance[1:]
    return base64.urlsafe_b64encode(tame).decode().rstrip("=")


def keep(data: Path, formatted: Path) -> None:
    """Keep what the tool has just written into `data` in the folder `formatted`: all of it, or nothing.

    Nothing is kept where the tool has written other files than are known here: a copy of those might not be whole.
    """
    if formatted.exists() or {each.name for each in data.iterdir()} != {META, FEATURES}:
        return
    formatted.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=formatted.parent, prefix=f".{formatted.name}-") as work:
        copy = Path(work) / "data"
        shutil.copytree(data, copy)
        with contextlib.suppress(OSError):  # another run has kept its own meanwhile
            copy.rename(formatted)


def copied(formatted: Path, data: Path) -> bool:
    """Format an empty `data` as what was kept, with ids of its own. False where nothing was kept."""
    try:
        known = (formatted / META).read_text().splitlines()
        features = (formatted / FEATURES).read_bytes()
    except OSError:
        return False
    own = {"cluster.id": new_id(uuid.uuid4().bytes), "directory.id": new_id(uuid.uuid4().bytes)}
    lines = []
    for line in known:
        name, equals, value = line.partition("=")
        lines.append(f"{name}{equals}{own.pop(name, value)}")
    if own:
        return False  # ids that we do not find, we cannot make anew
    data.mkdir(parents=True, exist_ok=True)
    (data / FEATURES).write_bytes(features)
    (data / META).write_text("".join(f"{line}\n" for line in lines))  # last: by this one it counts as formatted
    return True
